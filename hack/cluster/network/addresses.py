"""A cluster's addresses, all inside one /16 of its own.

====================  =========================================================
``10.B.0.0/24``       nodes: the control plane is .1, the nodes are .10 and up
``10.B.1.0/30``       the link between this machine (.1) and the cluster (.2)
``10.B.16.0/20``      services: .16.1 is the API server, .16.10 is the DNS server
``10.B.128.0/17``     pods: one /24 per node
====================  =========================================================

B is 128 plus the cluster's index. A dual-stack cluster also has IPv6 addresses, which only its namespaces can reach:

==========================  ===================================================
``fd73:6f76:B::/64``        nodes: the control plane is ::1, the nodes are ::a and up
``fd73:6f76:B:1::/112``     services
``fd73:6f76:B:100::/56``    pods: one /64 per node
==========================  ===================================================
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from hack.cluster.errors import ClusterError

FIRST_BLOCK = 128
INDICES = range(64)


@dataclass(frozen=True)
class Addresses6:
    """The IPv6 addresses (RFC 4193) of the cluster with this index, if it is dual-stack."""

    index: int

    @property
    def block(self) -> IPv6Network:
        """The network of all the cluster's addresses."""
        return IPv6Network(f"fd73:6f76:{FIRST_BLOCK + self.index:x}::/48")

    @property
    def nodes(self) -> IPv6Network:
        """The nodes' network."""
        return IPv6Network((self.block[0], 64))

    @property
    def control_plane(self) -> IPv6Address:
        """The gateway of the nodes' network."""
        return self.block[1]

    @property
    def services(self) -> IPv6Network:
        """The ClusterIPs."""
        return IPv6Network((self.block[1 << 64], 112))

    @property
    def pods(self) -> IPv6Network:
        """All pods' addresses."""
        return IPv6Network((self.block[0x100 << 64], 56))

    def node(self, number: int) -> IPv6Address:
        """Return the address of the node with this number, counted from 0."""
        return self.nodes[10 + number]

    def pods_of(self, number: int) -> IPv6Network:
        """Return the pods' range on the node with this number, counted from 0."""
        return IPv6Network((self.pods[number << 64], 64))


@dataclass(frozen=True)
class Addresses:
    """The addresses of the cluster with this index."""

    index: int
    dual_stack: bool = False

    @property
    def families(self) -> "tuple[Addresses | Addresses6, ...]":
        """These addresses, and the IPv6 ones of a dual-stack cluster."""
        return (self, Addresses6(self.index)) if self.dual_stack else (self,)

    @property
    def link(self) -> str:
        """The name, on this machine, of the cluster's only network interface (15 characters at most)."""
        return f"sovereign{self.index}"

    @property
    def block(self) -> IPv4Network:
        """The network of all the cluster's addresses."""
        return IPv4Network((f"10.{FIRST_BLOCK + self.index}.0.0", 16))

    @property
    def nodes(self) -> IPv4Network:
        """The nodes' network."""
        return IPv4Network((self.block[0], 24))

    @property
    def control_plane(self) -> IPv4Address:
        """The address of the API server."""
        return self.block[1]

    @property
    def machine(self) -> IPv4Address:
        """This machine's address as seen from the cluster."""
        return self.block[0x0101]

    @property
    def uplink(self) -> IPv4Address:
        """The cluster's end of the link to this machine."""
        return self.block[0x0102]

    @property
    def services(self) -> IPv4Network:
        """The ClusterIPs."""
        return IPv4Network((self.block[0x1000], 20))

    @property
    def kubernetes_service(self) -> IPv4Address:
        """The ClusterIP of ``kubernetes.default``."""
        return self.services[1]

    @property
    def dns_service(self) -> IPv4Address:
        """The ClusterIP of the DNS server, which kubelets write into the pods' resolv.conf."""
        return self.services[10]

    @property
    def pods(self) -> IPv4Network:
        """All pods' addresses."""
        return IPv4Network((self.block[0x8000], 17))

    def node(self, number: int) -> IPv4Address:
        """Return the address of the node with this number, counted from 0."""
        return self.nodes[10 + number]

    def pods_of(self, number: int) -> IPv4Network:
        """Return the pods' range on the node with this number, counted from 0."""
        return IPv4Network((self.pods[number * 256], 24))


def choose_index(taken: Iterable[int], routes: Iterable[IPv4Network]) -> int:
    """Return the lowest index that no cluster has and whose addresses this machine has no route to.

    The default route does not count. Raises ClusterError when there is none.
    """
    taken = set(taken)
    routes = [route for route in routes if route.prefixlen]
    for index in INDICES:
        block = Addresses(index).block
        if index not in taken and not any(block.overlaps(route) for route in routes):
            return index
    raise ClusterError(
        "no free addresses: each cluster needs one of the 64 networks 10.128.0.0/16 to 10.191.0.0/16 to "
        "which this machine has no route yet; take clusters down, or remove routes to these networks"
    )
