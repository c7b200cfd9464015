"""Transit configs that the controller may write, and forged ones that the holder of its token might write."""

import json
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from itertools import product
from typing import Any, Final

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.core.encryption.traffic_rules import Destination, inbound, outbound
from sovereign_operator.core.sidecar.contract import FORMER_LISTENERS_KEYS, LISTENERS_KEY
from sovereign_operator.dataplane.listeners import discovery, former

Json = dict[str, Any]

DNS: Final = (Destination(ip_network("10.96.0.10/32"), (53,)), Destination(ip_network("fd00:96::a/128"), (53,)))


def told(mode: EncryptionMode, cuts: int = 0, **fields: Any) -> dict[str, str]:
    """Return the listener files of a transit config, for a policy with these fields."""
    wanted = EncryptionInTransit.model_validate({"mode": mode, "clusterNetworks": ["10.96.0.0/12"], **fields})
    file = discovery(outbound(wanted, DNS), inbound(wanted), cuts)
    return dict(zip((LISTENERS_KEY, *FORMER_LISTENERS_KEYS), (file, *former(file)), strict=True))


def exceptions(number: int, ports: int = 1) -> Json:
    """Return encryption fields with this number of exceptions of each kind."""
    reason, listed = {"reason": "as said"}, list(range(5000, 5000 + ports))
    return {
        "clusterNetworks": ["10.0.0.0/8", "fd00::/8"],
        "plainDestinations": [{"network": f"10.1.{this}.0/24", "ports": listed, **reason} for this in range(number)],
        "plainPeers": [{"network": f"fd00:{this}::/32", **reason} for this in range(1, number + 1)],
        "plainPorts": [{"port": 9000 + this, "serverFirst": this % 2 == 0, **reason} for this in range(number)],
        "longestConnectionSeconds": 3600,
    }


def largest() -> Json:
    """Return encryption fields with so many and long exceptions that the transit config nearly fills a ConfigMap."""
    reason, listed = {"reason": "as said"}, list(range(50000, 50008))

    def address(kind: int, this: int) -> str:
        return f"fd00:1234:5678:9abc:def0:1234:567{kind}:{4096 + this:x}/128"

    return {
        "clusterNetworks": [f"fd00:1234:5678:9abc:def0:1234:5671:{4096 + 256 * this:x}/120" for this in range(16)],
        "plainDestinations": [{"network": address(1, this), "ports": listed, **reason} for this in range(64)],
        "plainPeers": [{"network": address(2, this), **reason} for this in range(64)],
        "plainPorts": [{"port": 60000 + this, "serverFirst": True, **reason} for this in range(64)],
        "longestConnectionSeconds": 86400,
    }


def orders() -> Iterator[dict[str, str]]:
    """Yield the listener files of many different policies."""
    some = ({}, *map(exceptions, (1, 2, 3)), exceptions(2, ports=0), largest())
    for mode, fields, cuts in product(EncryptionMode, some, (0, 12)):
        yield told(mode, cuts, **fields)


REMOTE: Final = {
    "name": "x",
    "config_discovery": {
        "type_urls": ["type.googleapis.com/envoy.config.listener.v3.Listener"],
        "config_source": {
            "api_config_source": {
                "api_type": "GRPC",
                "grpc_services": [{"google_grpc": {"target_uri": "192.0.2.1:18000"}}],
            }
        },
    },
}
"""A filter that Envoy fetches from a remote server: it needs neither a type nor a cluster."""


def forged(change: Callable[[Json, Json, Json], object]) -> str:
    """Return a file with a change of the inbound listener, of its first chain, or of that chain's TLS."""
    file = json.loads(told(EncryptionMode.PERMISSIVE, **exceptions(1))[LISTENERS_KEY])
    listener = file["resources"][1]
    chain = listener["filter_chains"][0]
    change(listener, chain, chain["transport_socket"]["typed_config"])
    return json.dumps(file, indent=1)


def proxy(chain: Json) -> Json:
    """Return the proxy configuration of a chain."""
    found: Json = chain["filters"][0]["typed_config"]
    return found


def respelt(former_words: str, words: str) -> str:
    """Return a file in which one spelling is replaced by another."""
    file = told(EncryptionMode.PERMISSIVE)[LISTENERS_KEY]
    assert former_words in file
    return file.replace(former_words, words)


SHARED: Final = '"enable_reuse_port": false'
FORGED: Final = {
    "fetch a filter": forged(lambda _listener, chain, _tls: chain["filters"].insert(0, REMOTE)),
    "fetch what comes before filters": forged(lambda listener, *_: listener["listener_filters"].append(REMOTE)),
    "log the keys of TLS": forged(
        lambda *found: found[2]["common_tls_context"].update(key_log={"path": "/dev/stdout"})
    ),
    "log what is sent": forged(lambda _listener, chain, _tls: proxy(chain).update(access_log=[])),
    "ask for no certificate": forged(lambda *found: found[2].pop("require_client_certificate")),
    "read another file": respelt("/run/sovereignty/run/trust.json", "/proc/self/environ"),
    "read a file of the ConfigMap": respelt("/run/sovereignty/run/trust.json", "/run/sovereignty/transit/x.json"),
    "go to Envoy's administration": forged(lambda _listener, chain, _tls: proxy(chain).update(cluster="admin")),
    "run another extension": respelt("tcp_proxy.v3.TcpProxy", "http_connection_manager.v3.HttpConnectionManager"),
    "listen elsewhere": respelt('"port_value": 15006', '"port_value": 8080'),
    "listen on a socket": respelt('"socket_address"', '"pipe"'),
    "set an option of the socket": respelt('"name": 7', '"name": 36'),
    "hold more": respelt("32768", "2147483647"),
    "speak an older TLS": respelt("TLSv1_3", "TLSv1_0"),
    "spell a field with an escape": respelt(SHARED, '"\\u0061ccess_log": []'),
    "spell it as Envoy may, too": respelt(SHARED, '"accessLog": []'),
    "spell it without quotes": respelt(SHARED, "access_log: []"),
    "spell it with others": respelt(SHARED, "'access_log': []"),
    "break it": respelt(SHARED, '"access\n_log": []'),
    "say it beside ours": respelt(SHARED, f'{SHARED}, "access_log": []'),
    "say it within ours": respelt('"name": "plain"', '"name": "plain", "access_log": [], "x": "plain"'),
    "call it what the guard calls a piece": respelt(SHARED, "<tls>"),
    "hide it in a value": respelt('"name": "plain"', '"name": "plain\\"access_log"'),
    "tell something else": "static_resources: {}",
}
"""Files that a sidecar must never load."""
