"""A pod and the network outside it, with a link between them: addresses, ports and rules."""

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from hack.dataplane.netns import Listener, Net
from sovereign_operator.core.encryption.traffic_rules import Datagrams
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.dataplane import redirect

APP_USER: Final = 1000
APP_PORT: Final = 8080
DATABASE_PORT: Final = 5432
DEAD_PORT: Final = 5433
PROBES: Final = (
    Probe(ProbeKind.HTTP, APP_PORT, "/healthz"),
    Probe(ProbeKind.TCP, DATABASE_PORT),
    Probe(ProbeKind.GRPC, APP_PORT),
    Probe(ProbeKind.TCP, DEAD_PORT),
)
HTTP_PROBE, LIVE_PROBE, GRPC_PROBE, DEAD_PROBE = sidecar.PROBE_PORTS[: len(PROBES)]


@dataclass(frozen=True)
class Addresses:
    """Addresses of one family."""

    any: str
    own: str
    """``localhost``."""
    pod: str
    outside: str
    """The other end of the pod's link."""
    remote: str
    """Another address outside."""
    nowhere: str
    """An address that outside reports as unreachable."""


V4: Final = Addresses("0.0.0.0", "127.0.0.1", "10.77.0.2", "10.77.0.1", "10.78.0.9", "10.79.0.9")
V6: Final = Addresses("::", "::1", "fd77::2", "fd77::1", "fd78::9", "fd79::9")

NAME_SERVERS: Final = (ip_network(V4.remote), ip_network(V6.remote))
"""The name server has the other address outside."""


@dataclass(frozen=True)
class Link:
    """A pod, and the network outside it."""

    pod: Net
    outside: Net

    def listen(self, addresses: Addresses, port: int, uid: int = sidecar.UID) -> Listener:
        """Listen in the pod, as the sidecar unless another user is named."""
        return self.pod.listen(addresses.any, port, uid=uid)

    def serve(self, port: int = APP_PORT) -> None:
        """Have an application listen on a port: connections are only redirected to the sidecar if there is one."""
        self.pod.listen("::", port, uid=APP_USER)

    def redirect(self, *datagrams: Datagrams, strict: bool = False, keep_peers: bool = False) -> None:
        """Load the rules; in Strict these datagrams may pass. ``keep_peers``: as for a sidecar on PEER_PORT."""
        own = (V4.pod, V6.pod) if keep_peers else ()
        self.pod.nft(redirect.rules_of(PROBES, datagrams if strict else None, NAME_SERVERS, own))


def connect(pod: Net, outside: Net) -> None:
    """Connect two network namespaces, which get the addresses of their names."""
    pod.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", outside.name)
    for net, name in ((pod, "pod"), (outside, "outside")):
        net.ip("link", "set", "eth0", "up")
        net.ip("address", "add", f"{getattr(V4, name)}/24", "dev", "eth0")
        net.ip("address", "add", f"{getattr(V6, name)}/64", "dev", "eth0", "nodad")
    for found, bits in ((V4, 32), (V6, 128)):
        outside.ip("address", "add", f"{found.remote}/{bits}", "dev", "lo")
        outside.ip("route", "add", "unreachable", f"{found.nowhere}/{bits}")
        pod.ip("route", "add", "default", "via", found.outside)
    outside.sysctl("net.ipv4.ip_forward", 1)
    outside.sysctl("net.ipv6.conf.all.forwarding", 1)
