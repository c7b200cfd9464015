"""A datagram that always passes, in Strict as well: it tells when all others would have arrived."""

from typing import Final

from hack.dataplane.netns import send
from sovereign_operator.core.encryption.traffic_rules import DNS_PORT
from tests.dataplane.links import APP_USER, Addresses, Link

MARK: Final = b"the last one"


def mark(link: Link, addresses: Addresses, *, inwards: bool) -> None:
    """Send a datagram that always passes: everything sent before it has arrived by then, or never will."""
    dns = link.outside.datagrams(addresses.remote, DNS_PORT)
    client = link.pod.datagrams(addresses.any, uid=APP_USER)
    send(client, MARK, addresses.remote, DNS_PORT)
    found, peer = dns.recvfrom(100)
    assert found == MARK
    if inwards:
        dns.sendto(MARK, peer)
        assert client.recv(100) == MARK
