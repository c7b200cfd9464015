"""The two listeners that carry all TCP of a pod. The controller writes them to a ConfigMap, which Envoy reads.

A change of mode must not disconnect. Envoy drains a chain that changes, and a whole listener if anything but chains and
their matcher changes. So both listeners have the same chains in every mode except Strict; only the matcher differs,
which assigns connections to chains. Three changes disconnect on purpose:

- Strict removes the chain that accepted plaintext, so Envoy ends the connections of that chain.
- Each exception has a chain of its own, which is removed with it.
- When peers are no longer trusted, the chain of mutual TLS gets another name. Envoy ends all connections of the former
  chain; peers that are still trusted connect again.

The chart has the pieces of this file in templates/_listeners.tpl, because a guard lets the controller's token write
nothing else. A test fails if the two differ.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sovereign_operator.core.encryption.traffic_rules import Inbound, Network, Reach
from sovereign_operator.core.encryption.wire import Wire
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.dataplane import peers
from sovereign_operator.dataplane.envoy import (
    ALPN,
    EXCEPTED,
    INLINE,
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

DETECTION_SECONDS: Final = "1s"
"""How long a connection may be silent until it is taken for plaintext. With less, TLS fails on lossy networks."""

HANDSHAKE_SECONDS: Final = "10s"
"""How long a client may take to present its certificate. Then Envoy disconnects it, as connections are limited.

Envoy counts this time until the handshake is done. By default it reads nothing from the client until the application
has accepted, so a busy application would take this time from its clients: hence AFTER_HANDSHAKE.
"""

AFTER_HANDSHAKE: Final[Json] = {"upstream_connect_mode": "ON_DOWNSTREAM_TLS_HANDSHAKE", "max_early_data_bytes": 0}
"""The fields that have Envoy connect to the application once the client has presented its certificate. What the client
sends first waits in Envoy, at most one read of it, and the rest in the kernel."""


@dataclass(frozen=True)
class Chain:
    """A chain of a listener: how connections that match it are handled."""

    name: str
    """It may change while the kind stays: see ``discovery``."""
    kind: str
    """MTLS, PLAIN or EXCEPTED. Together with the listener it determines the cluster."""


_PLAIN: Final = Chain(PLAIN, PLAIN)

_ORIGINAL: Final = extension(
    "envoy.filters.listener.original_dst", "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"
)
_FOR_PEERS: Final = (peers.note_peer(), peers.go_on_to_peer())

_INPUTS: Final = "envoy.extensions.matching.common_inputs.network.v3"


def discovery(outbound: Iterable[Reach], inbound: Inbound, disconnects: int = 0) -> str:
    """Return the file of both listeners: JSON, whose version is a hash of its content.

    ``disconnects`` counts how often open connections were ended. To increase it by one ends those that are open now.
    """
    mtls = Chain(f"{MTLS}-{disconnects}" if disconnects else MTLS, MTLS)
    resources = [_outbound(tuple(outbound), mtls), _inbound(inbound, mtls)]
    text = json.dumps(resources, sort_keys=True)
    return json.dumps({"version_info": version_of(text), "resources": resources}, indent=1)


def former(listeners: str) -> tuple[str, ...]:
    """Return the same file for sidecars of earlier versions, in the order of FORMER_LISTENERS_KEYS.

    Its ``version_info`` stays the same. The fields that an earlier version lacked are removed, and so is
    indentation, because a ConfigMap holds all of these, and at most 1 MiB.
    """
    file = json.loads(listeners)
    for listener in file["resources"]:
        for chain in listener["filter_chains"]:
            for field in AFTER_HANDSHAKE:
                chain["filters"][0]["typed_config"].pop(field, None)
    files = [_short(file)]
    for listener in file["resources"]:
        listener["listener_filters"] = [one for one in listener["listener_filters"] if one not in _FOR_PEERS]
        listener["socket_options"].remove(INLINE)
        if listener["name"] == "outbound":
            del listener["tcp_keepalive"]
    for new in (("additional_addresses",), ("per_connection_buffer_limit_bytes", "socket_options")):
        for listener in file["resources"]:
            for field in new:
                listener.pop(field, None)
        files.append(_short(file))
    return tuple(files)


def _short(file: Json) -> str:
    return re.sub("\n +", "\n", json.dumps(file, indent=1))


def version_of(text: str) -> str:
    """Return the version of listeners: 16 hexadecimal digits of a hash of their text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _outbound(reaches: tuple[Reach, ...], mtls: Chain) -> Json:
    ranges = [{"ranges": [_range(reach.network)], "on_match": _send(reach, mtls)} for reach in reaches]
    matcher = _by_address("DestinationIPInput", ranges, _take(_PLAIN)) if ranges else {"on_no_match": _take(_PLAIN)}
    return _listener("outbound", sidecar.OUTBOUND_PORT, [_ORIGINAL], matcher, (mtls, _PLAIN))


def _send(reach: Reach, mtls: Chain) -> Json:
    chain = _take(mtls if reach.wire is Wire.MUTUAL_TLS else _PLAIN)
    if not reach.plain_ports:
        return chain
    return {"matcher": _exact("DestinationPortInput", dict.fromkeys(reach.plain_ports, _PLAIN), chain)}


def _inbound(accepted: Inbound, mtls: Chain) -> Json:
    # Envoy's matcher does not backtrack: each matcher is the fallback of the one before it.
    otherwise = _take(_PLAIN) if accepted.anything else None
    if accepted.plain_peers:
        ranges = [{"ranges": [_range(peer)], "on_match": _take(_exception(peer))} for peer in accepted.plain_peers]
        otherwise = {"matcher": _by_address("SourceIPInput", ranges, otherwise)}
    if accepted.plain_ports:
        by_port = {port: _exception(port) for port in accepted.plain_ports}
        otherwise = {"matcher": _exact("DestinationPortInput", by_port, otherwise)}
    # Envoy formats this input as a list of quoted names.
    matcher = _exact("ApplicationProtocolInput", {f"'{ALPN}'": mtls}, otherwise)
    # The last one waits. Envoy leaves out the filters after one that has waited for too long.
    note, go_on = _FOR_PEERS
    filters = [note, _ORIGINAL, go_on, _tls_inspector(accepted.unlooked_ports)]
    # A policy may list an exception twice.
    exceptions = dict.fromkeys(map(_exception, (*accepted.plain_ports, *accepted.plain_peers)))
    chains = (mtls, *([_PLAIN] if accepted.anything else []), *exceptions)
    listener = _listener("inbound", sidecar.INBOUND_PORT, filters, matcher, chains)
    listener["additional_addresses"] = [{"address": dual_stack(sidecar.PEER_PORT)["address"]}]
    server = typed(
        f"{TLS}.DownstreamTlsContext",
        require_client_certificate=True,
        common_tls_context=mutual_tls(),
        # A resumed session presents no certificate, so a peer whose certificate has ended could connect for days.
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )
    encrypted = next(chain for chain in listener["filter_chains"] if chain["name"] == mtls.name)
    encrypted["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": server}
    encrypted["transport_socket_connect_timeout"] = HANDSHAKE_SECONDS
    (proxy,) = encrypted["filters"]
    proxy["typed_config"] |= AFTER_HANDSHAKE
    if accepted.longest_seconds:
        proxy["typed_config"]["max_downstream_connection_duration"] = f"{accepted.longest_seconds}s"
    return listener


def _exception(of: int | Network) -> Chain:
    """Return the chain of an exception: for a port or for peers."""
    return Chain(f"{EXCEPTED}-{of}", EXCEPTED)


def _tls_inspector(skipped_ports: tuple[int, ...]) -> Json:
    kind = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
    inspector = extension("envoy.filters.listener.tls_inspector", kind)
    # The end of a range is exclusive.
    skipped: list[Json] = [{"destination_port_range": {"start": port, "end": port + 1}} for port in skipped_ports]
    if skipped:
        inspector["filter_disabled"] = skipped[0] if len(skipped) == 1 else {"or_match": {"rules": skipped}}
    return inspector


def _listener(name: str, port: int, filters: list[Json], matcher: Json, chains: tuple[Chain, ...]) -> Json:
    return typed(
        "envoy.config.listener.v3.Listener",
        name=name,
        **dual_stack(port),
        # A client may wait for its server to send first: then Envoy must not wait for TLS indefinitely.
        listener_filters_timeout=DETECTION_SECONDS,
        per_connection_buffer_limit_bytes=BUFFER,
        socket_options=[*kernel_buffers(NEAR if name == "outbound" else FAR), INLINE],
        continue_on_listener_filters_timeout=True,
        listener_filters=filters,
        filter_chains=[_chain(chain.name, cluster(name, chain.kind)) for chain in chains],
        filter_chain_matcher=matcher,
        # Of the outbound listener, the clients are in the pod, and do not vanish. But conntrack forgets a connection
        # whose one side has closed while the other is silent, within a minute by default. What either side sends after
        # that would not reach the other.
        tcp_keepalive=KEEPALIVE,
    )


def _chain(name: str, to: str) -> Json:
    proxy = extension(
        "envoy.filters.network.tcp_proxy",
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix=to,
        cluster=to,
        # An application's connection may be idle for days.
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
    actions = {str(value): _take(chain) for value, chain in chains.items()}
    return _tree({"input": _input(name), "exact_match_map": {"map": actions}}, otherwise)


def _tree(tree: Json, otherwise: Json | None) -> Json:
    return {"matcher_tree": tree} | ({"on_no_match": otherwise} if otherwise else {})


def _range(network: Network) -> dict[str, Any]:
    return {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}
