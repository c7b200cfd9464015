"""The two listeners through which all TCP of a pod goes, as Envoy reads them from the ConfigMap.

Both have the same chains in every mode but one, and a change of mode changes nothing but which connection takes which:
so no open connection is lost (Envoy drains a chain that changes, and a listener of which anything but that changes).
Strict takes away the chain by which plaintext was accepted, so that Envoy ends what came by it before. Each exception
has a chain of its own, which goes with it. To end the connections of peers that are trusted no more, the chain of
mutual TLS gets another name: Envoy lets go of all that came by the former, of good peers too, which connect again.

The chart knows by pieces what is written here (templates/_listeners.tpl): the guard of the controller's token lets
nothing else through, and a test tells where the two differ.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sovereign_operator.core.encryption.traffic_rules import Inbound, Network, Reach
from sovereign_operator.core.encryption.wire import Wire
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.dataplane.envoy import (
    ALPN,
    EXCEPTED,
    MTLS,
    PLAIN,
    TLS,
    Json,
    cluster,
    dual_stack,
    extension,
    mutual_tls,
    typed,
)
from sovereign_operator.dataplane.keepalive import KEEPALIVE
from sovereign_operator.dataplane.memory import BUFFER, FAR, NEAR, kernel_buffers

LOOK_SECONDS: Final = "1s"
"""How long a connection may stay silent until it is taken for plaintext. Less loses TLS on lossy networks."""

HANDSHAKE_SECONDS: Final = "10s"
"""Who has shown no certificate by then is let go: connections are limited."""


@dataclass(frozen=True)
class Chain:
    """A chain of a listener: its name, which may change, and what becomes of a connection that takes it."""

    name: str
    kind: str
    """MTLS, PLAIN or EXCEPTED: the cluster that it leads to is that of the listener for this kind."""


_PLAIN: Final = Chain(PLAIN, PLAIN)

_INPUTS: Final = "envoy.extensions.matching.common_inputs.network.v3"


def discovery(outbound: Iterable[Reach], inbound: Inbound, cuts: int = 0) -> str:
    """Return the file of both listeners: JSON, whose version is a hash of what it says.

    ``cuts`` is how often open connections were ended so far: one more ends those that are open now.
    """
    mtls = Chain(f"{MTLS}-{cuts}" if cuts else MTLS, MTLS)
    resources = [_outbound(tuple(outbound), mtls), _inbound(inbound, mtls)]
    said = json.dumps(resources, sort_keys=True)
    return json.dumps({"version_info": version_of(said), "resources": resources}, indent=1)


def former(listeners: str) -> tuple[str, ...]:
    """Return the same file, of the same version, for sidecars of before, in the order of FORMER_LISTENERS_KEYS."""
    file, found = json.loads(listeners), []
    for new in (("per_connection_buffer_limit_bytes", "socket_options"), ("tcp_keepalive",)):
        for listener in file["resources"]:
            for field in new:
                listener.pop(field, None)
        found.append(json.dumps(file, indent=1))
    return tuple(found)


def version_of(said: str) -> str:
    """Return what tells two settings apart: 16 hexadecimal digits."""
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _outbound(reaches: tuple[Reach, ...], mtls: Chain) -> Json:
    ranges = [{"ranges": [_range(reach.network)], "on_match": _send(reach, mtls)} for reach in reaches]
    matcher = _by_address("DestinationIPInput", ranges, _take(_PLAIN)) if ranges else {"on_no_match": _take(_PLAIN)}
    return _listener("outbound", sidecar.OUTBOUND_PORT, [], matcher, (mtls, _PLAIN))


def _send(reach: Reach, mtls: Chain) -> Json:
    chain = _take(mtls if reach.wire is Wire.MUTUAL_TLS else _PLAIN)
    if not reach.plain_ports:
        return chain
    return {"matcher": _exact("DestinationPortInput", dict.fromkeys(reach.plain_ports, _PLAIN), chain)}


def _inbound(accepted: Inbound, mtls: Chain) -> Json:
    # Matching does not go back, so each question is asked where the one before it found nothing.
    otherwise = _take(_PLAIN) if accepted.anything else None
    if accepted.plain_peers:
        ranges = [{"ranges": [_range(peer)], "on_match": _take(_exception(peer))} for peer in accepted.plain_peers]
        otherwise = {"matcher": _by_address("SourceIPInput", ranges, otherwise)}
    if accepted.plain_ports:
        by_port = {port: _exception(port) for port in accepted.plain_ports}
        otherwise = {"matcher": _exact("DestinationPortInput", by_port, otherwise)}
    # The input's text is a list of quoted names.
    matcher = _exact("ApplicationProtocolInput", {f"'{ALPN}'": mtls}, otherwise)
    look = _look_for_tls(accepted.unlooked_ports)
    # Whoever names one twice means it once.
    exceptions = dict.fromkeys(map(_exception, (*accepted.plain_ports, *accepted.plain_peers)))
    chains = (mtls, *([_PLAIN] if accepted.anything else []), *exceptions)
    listener = _listener("inbound", sidecar.INBOUND_PORT, [look], matcher, chains)
    listener["tcp_keepalive"] = KEEPALIVE
    server = typed(
        f"{TLS}.DownstreamTlsContext",
        require_client_certificate=True,
        common_tls_context=mutual_tls(),
        # Who resumes a session shows no certificate, so that one which has ended would be good for days.
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )
    encrypted = next(chain for chain in listener["filter_chains"] if chain["name"] == mtls.name)
    encrypted["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": server}
    encrypted["transport_socket_connect_timeout"] = HANDSHAKE_SECONDS
    if accepted.longest_seconds:
        (proxy,) = encrypted["filters"]
        proxy["typed_config"]["max_downstream_connection_duration"] = f"{accepted.longest_seconds}s"
    return listener


def _exception(of: int | Network) -> Chain:
    """Return the chain of an exception: for a port or for peers."""
    return Chain(f"{EXCEPTED}-{of}", EXCEPTED)


def _look_for_tls(unlooked_ports: tuple[int, ...]) -> Json:
    inspector = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
    look = extension("envoy.filters.listener.tls_inspector", inspector)
    # The end of a range is no part of it.
    skipped: list[Json] = [{"destination_port_range": {"start": port, "end": port + 1}} for port in unlooked_ports]
    if skipped:
        look["filter_disabled"] = skipped[0] if len(skipped) == 1 else {"or_match": {"rules": skipped}}
    return look


def _listener(name: str, port: int, filters: list[Json], matcher: Json, chains: tuple[Chain, ...]) -> Json:
    original = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"
    return typed(
        "envoy.config.listener.v3.Listener",
        name=name,
        **dual_stack(port),
        # A client that waits for its server to speak first must not wait without end.
        listener_filters_timeout=LOOK_SECONDS,
        per_connection_buffer_limit_bytes=BUFFER,
        socket_options=kernel_buffers(NEAR if name == "outbound" else FAR),
        continue_on_listener_filters_timeout=True,
        listener_filters=[extension("envoy.filters.listener.original_dst", original), *filters],
        filter_chains=[_chain(chain.name, cluster(name, chain.kind)) for chain in chains],
        filter_chain_matcher=matcher,
    )


def _chain(name: str, to: str) -> Json:
    proxy = extension(
        "envoy.filters.network.tcp_proxy",
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix=to,
        cluster=to,
        # A session may be silent for days.
        idle_timeout="0s",
    )
    return {"name": name, "filters": [proxy]}


def _take(chain: Chain) -> Json:
    return {"action": extension("chain", "google.protobuf.StringValue", value=chain.name)}


def _input(name: str) -> Json:
    return extension(name, f"{_INPUTS}.{name}")


def _by_address(name: str, ranges: list[Json], otherwise: Json | None) -> Json:
    matcher = extension("ip", "xds.type.matcher.v3.IPMatcher", range_matchers=ranges)
    return _tree({"input": _input(name), "custom_match": matcher}, otherwise)


def _exact(name: str, chains: Mapping[Any, Chain], otherwise: Json | None) -> Json:
    found = {str(value): _take(chain) for value, chain in chains.items()}
    return _tree({"input": _input(name), "exact_match_map": {"map": found}}, otherwise)


def _tree(tree: Json, otherwise: Json | None) -> Json:
    return {"matcher_tree": tree} | ({"on_no_match": otherwise} if otherwise else {})


def _range(network: Network) -> dict[str, Any]:
    return {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}
