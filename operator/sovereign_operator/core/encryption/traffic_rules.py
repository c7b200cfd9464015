"""The traffic rules of a policy: which traffic is mutual TLS, and which passes unchanged."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Self

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.core.encryption.wire import Wire

Network = IPv4Network | IPv6Network

HIGHEST_PORT: Final = 65535

DNS_PORT: Final = 53


@dataclass(frozen=True)
class Reach:
    """How a sidecar sends to a network, unless a smaller network has a rule of its own."""

    network: Network
    wire: Wire
    plain_ports: tuple[int, ...] = ()
    """Where that is mutual TLS: ports that are sent plaintext all the same, in order."""


@dataclass(frozen=True)
class Inbound:
    """How a sidecar accepts connections."""

    plain_ports: tuple[int, ...]
    plain_peers: tuple[Network, ...]
    anything: bool
    """Whether it accepts plaintext from any peer on any port."""
    unlooked_ports: tuple[int, ...] = ()
    """The ports that get nothing but plaintext, because the server speaks first."""
    longest_seconds: int | None = None
    """The longest time that a mutual TLS connection lasts."""


@dataclass(frozen=True)
class Destination:
    """A destination without a sidecar."""

    network: Network
    ports: tuple[int, ...] = ()
    """Empty: all of them."""


@dataclass(frozen=True)
class Datagrams:
    """UDP that may pass in Strict between a pod and these peers, in both directions."""

    peers: Network
    ports: range
    """Of the side that receives the first datagram."""

    def __str__(self) -> str:
        """As a network and ports: ``10.244.0.0/16 5004-5104``."""
        return f"{self.peers} {self.ports[0]}-{self.ports[-1]}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read such a text. Raises ValueError if it is none."""
        network, ports = text.split()
        first, last = map(int, ports.split("-"))
        if not 0 < first <= last <= HIGHEST_PORT:
            raise ValueError(f"no ports: {ports!r}")
        return cls(ip_network(network), range(first, last + 1))


def cluster_networks(wanted: EncryptionInTransit) -> list[Network]:
    """Return where mutual TLS is sent from Preferred on, but for exceptions."""
    return [ip_network(network) for network in wanted.cluster_networks]


def outbound(wanted: EncryptionInTransit, always_plain: Iterable[Destination]) -> tuple[Reach, ...]:
    """Return what is sent where; anywhere else as it is. ``always_plain``: the API server, and DNS.

    An exception counts in all networks that lie within it: of several that hold an address, the smallest decides, so
    each says what the larger ones say, too.
    """
    if wanted.mode in (EncryptionMode.OFF, EncryptionMode.PERMISSIVE):
        return ()
    cluster = cluster_networks(wanted)
    plain = [*always_plain]
    plain += [Destination(named.addresses, tuple(named.ports)) for named in wanted.plain_destinations]
    networks = {*cluster, *(destination.network for destination in plain)}
    return tuple(_reach(network, cluster, plain) for network in sorted(networks, key=_in_order))


def inbound(wanted: EncryptionInTransit) -> Inbound:
    """Return how sidecars accept connections besides mutual TLS."""
    return Inbound(
        plain_ports=tuple(sorted(named.port for named in wanted.plain_ports)),
        plain_peers=tuple(sorted((named.addresses for named in wanted.plain_peers), key=_in_order)),
        anything=wanted.mode is not EncryptionMode.STRICT,
        unlooked_ports=tuple(sorted(named.port for named in wanted.plain_ports if named.server_first)),
        longest_seconds=wanted.longest_connection_seconds,
    )


def datagrams(wanted: EncryptionInTransit) -> tuple[Datagrams, ...] | None:
    """Return which UDP may pass beside DNS; None: all of it."""
    if wanted.mode is not EncryptionMode.STRICT:
        return None
    named = (
        Datagrams(ip_network(one.network), range(one.port, (one.end_port or one.port) + 1))
        for one in wanted.plain_datagrams
    )
    return tuple(sorted(named, key=lambda one: (_in_order(one.peers), one.ports.start, one.ports.stop)))


def _reach(network: Network, cluster: list[Network], plain: list[Destination]) -> Reach:
    if not is_within_any(network, cluster):
        return Reach(network, Wire.PLAIN)
    ports: set[int] = set()
    for destination in plain:
        if _is_within(network, destination.network):
            if not destination.ports:
                return Reach(network, Wire.PLAIN)
            ports |= set(destination.ports)
    return Reach(network, Wire.MUTUAL_TLS, tuple(sorted(ports)))


def is_within_any(network: Network, others: Iterable[Network]) -> bool:
    """Return whether a network lies in one of these, or is one."""
    return any(_is_within(network, other) for other in others)


def _is_within(network: Network, other: Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(other, IPv4Network) and network.subnet_of(other)
    return isinstance(other, IPv6Network) and network.subnet_of(other)


def _in_order(network: Network) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen
