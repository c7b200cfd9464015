"""The address of the peer, as the application sees it: that of the client, as without a sidecar.

The sidecar ends each inbound connection and makes one of its own to the application, which would come from the pod's
own address. But Redis names its replicas by the address that they come from, databases and web servers have lists of
addresses, and logs are read for them. Only a process with CAP_NET_ADMIN or CAP_NET_RAW may send from an address that is
not its own, and the sidecar has no capabilities. So the rules in the pod's network namespace give its connection the
address of the client, and the sidecar only has to say which one that is:

1. The redirect forwards connections for the pod's own address to PEER_PORT.
2. For what it accepts there, the sidecar does not connect to the address that the client connected to, but to *the
   address of the client*, at the port that the client connected to. Its listeners say so by Envoy's filter state.
   Envoy sends these packets with PRIORITY, which any process may set.
3. Before such a packet is routed, the rules replace its destination by the pod's own address. So it stays in the pod.
   Then they replace its source by what was its destination, the client's address. Conntrack does the opposite with
   packets of the application.

The decision by which mode, port and peer a connection was accepted holds for the very port that it leads to, as both
come from the same original destination. The port of the client is replaced, because an address has no room for it
beside the port of the application.

The following do not get the address of the client: connections for another address of the pod, such as that of a
further network, and pods whose agent or sidecar is of an earlier version. These connections go to INBOUND_PORT, and the
application sees its pod's own address as the peer's. So agent and sidecar may be replaced in any order.
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from sovereign_operator.core.sidecar.contract import INBOUND_PORT, PEER_PORT, UID
from sovereign_operator.dataplane.envoy import Json, extension

PRIORITY: Final = 6
"""The priority (SO_PRIORITY) of packets to the pod's own application. It is the highest that needs no capability, and
no other packet of the sidecar has one."""

Address = IPv4Address | IPv6Address

_PEER: Final = "sovereignty.peer"
"""The name of the client's address among the filter state of a connection. A connection to INBOUND_PORT has none."""
_DESTINATION: Final = "envoy.network.transport_socket.original_dst_address"
"""Envoy's name for the destination of a connection. It replaces the one that the client connected to."""
_ONWARD: Final = f"meta l4proto tcp meta skuid {UID} meta priority 0:{PRIORITY:x}"
_SOL_SOCKET, _SO_PRIORITY = 1, 12


def socket_option() -> Json:
    """Return the option of the sockets for connections to the pod's own application."""
    return {"level": _SOL_SOCKET, "name": _SO_PRIORITY, "int_value": PRIORITY}


def note_peer() -> Json:
    """Return the listener filter that notes the address of the client, for connections to PEER_PORT.

    It has to come before the filter that restores the original destination, because it looks at the redirected port.
    """
    noted = {"object_key": _PEER, "factory_key": "envoy.string", **_text("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")}
    others = {"start": INBOUND_PORT, "end": INBOUND_PORT + 1}
    return _setting([noted]) | {"filter_disabled": {"destination_port_range": others}}


def go_on_to_peer() -> Json:
    """Return the listener filter that makes the noted address the destination, with the port of the application.

    It has to come after the filter that restores the original destination. Envoy ignores a text that it cannot parse:
    that of the other family, and both if no address was noted.
    """
    peer, port = f"%FILTER_STATE({_PEER}:PLAIN)%", "%DOWNSTREAM_LOCAL_PORT%"
    return _setting([{"object_key": _DESTINATION, **_text(text)} for text in (f"{peer}:{port}", f"[{peer}]:{port}")])


def _setting(values: list[Json]) -> Json:
    kind = "envoy.extensions.filters.listener.set_filter_state.v3.Config"
    return extension("envoy.filters.listener.set_filter_state", kind, on_accept=values)


def _text(text: str) -> Json:
    return {"format_string": {"text_format_source": {"inline_string": text}}}


def own_addresses(known: Iterable[str]) -> Sequence[Address]:
    """Return the addresses for which peers are kept, out of those that a pod is known by: one of each family.

    What is no address is left out.
    """
    found: dict[int, Address] = {}
    for text in sorted(known):
        try:
            address = ip_address(text)
        except ValueError:
            continue
        found.setdefault(address.version, address)
    return tuple(found.values())


def accept(own: Iterable[Address]) -> Iterator[str]:
    """Forward connections for the pod's own addresses to PEER_PORT. For the chain ``listened``."""
    for address in own:
        yield f"meta l4proto tcp {family(address)} daddr {address} redirect to :{PEER_PORT}"


def enter_pod(own: Iterable[Address]) -> Iterator[str]:
    """Replace the destination of connections to the application. For the chain ``outbound``, before all other rules."""
    for address in own:
        protocol = f"meta nfproto ipv{address.version}"
        yield f"{protocol} {_ONWARD} fib daddr type != local dnat {family(address)} to {address}"


def name_peer() -> Iterator[str]:
    """Replace their source by what was their destination. The chain ``peers``."""
    yield "type nat hook postrouting priority srcnat; policy accept;"
    for version in ("ip", "ip6"):
        yield f'oifname "lo" {_ONWARD} ct status & dnat == dnat snat {version} to ct original {version} daddr'


def stay() -> str:
    """Drop connections to the application that would leave the pod, in plaintext, for want of translation."""
    return f"{_ONWARD} drop"


def family(address: Address) -> str:
    """Return the name of an address's family in rules."""
    return "ip6" if isinstance(address, IPv6Address) else "ip"
