"""In Strict, besides TCP, which goes through the sidecar, only packets that a network needs leave or enter a pod."""

import errno
import socket
from collections.abc import Callable
from ipaddress import ip_network
from typing import Final

import pytest

from hack.dataplane.netns import family_of, hears_nothing, send
from sovereign_operator.core.encryption.traffic_rules import DNS_PORT, Datagrams
from sovereign_operator.core.sidecar import contract as sidecar
from tests.dataplane.datagrams import mark
from tests.dataplane.links import APP_USER, V4, Addresses, Link

PROTOCOLS: Final = {
    "SCTP": 132,
    "UDP-Lite": 136,
    "DCCP": 33,
    "L2TP": 115,
    "GRE": 47,
    "IPIP": 4,
    "IPv6": 41,
    "ESP": 50,
    "AH": 51,
    "IGMP": 2,
    "experiments": 253,
}
"""Any user may open sockets of some of these; others carry packets that have no socket."""
UDP_PORT: Final = 4000
OTHER_PORT: Final = 4001


def udp_out(link: Link, addresses: Addresses) -> socket.socket:
    received = link.outside.datagrams(addresses.outside, UDP_PORT)
    send(link.pod.datagrams(addresses.any, uid=APP_USER), b"word", addresses.outside, UDP_PORT)
    return received


def udp_out_of_the_sidecar(link: Link, addresses: Addresses) -> socket.socket:
    received = link.outside.datagrams(addresses.outside, UDP_PORT)
    send(link.pod.datagrams(addresses.any, uid=sidecar.UID), b"word", addresses.outside, UDP_PORT)
    return received


def udp_from_the_port_of_dns(link: Link, addresses: Addresses) -> socket.socket:
    received = link.outside.datagrams(addresses.outside, UDP_PORT)
    send(link.pod.datagrams(addresses.any, DNS_PORT), b"word", addresses.outside, UDP_PORT)
    return received


def sent_in(link: Link, addresses: Addresses, port: int, sender: str, sender_port: int = 0) -> socket.socket:
    """Send a datagram to a port of the pod, and return the socket that would receive it."""
    received = link.pod.datagrams(addresses.any, port, uid=APP_USER)
    with link.outside.datagrams(sender, sender_port) as sending:
        send(sending, b"word", addresses.pod, port)
    return received


def udp_in(link: Link, addresses: Addresses) -> socket.socket:
    return sent_in(link, addresses, UDP_PORT, addresses.outside)


def udp_in_as_if_it_answered(link: Link, addresses: Addresses) -> socket.socket:
    return sent_in(link, addresses, UDP_PORT, addresses.remote, DNS_PORT)


def udp_in_to_the_port_of_dns(link: Link, addresses: Addresses) -> socket.socket:
    return sent_in(link, addresses, DNS_PORT, addresses.outside)


def udp_in_between_ports_of_dns(link: Link, addresses: Addresses) -> socket.socket:
    return sent_in(link, addresses, DNS_PORT, addresses.outside, DNS_PORT)


def udp_in_from_a_name_server_that_was_not_asked(link: Link, addresses: Addresses) -> socket.socket:
    return sent_in(link, addresses, DNS_PORT, addresses.remote, DNS_PORT)


def udp_out_as_if_it_asked_for_names(link: Link, addresses: Addresses) -> socket.socket:
    received = link.outside.datagrams(addresses.outside, DNS_PORT)
    send(link.pod.datagrams(addresses.any, DNS_PORT), b"word", addresses.outside, DNS_PORT)
    return received


def nothing_known_out(link: Link, addresses: Addresses) -> socket.socket:
    """In IPv6 this number means that no header follows; in IPv4 it is an ordinary protocol number."""
    received = link.outside.open(family_of(addresses.any), socket.SOCK_RAW, socket.IPPROTO_NONE)
    sender = link.pod.open(family_of(addresses.any), socket.SOCK_RAW, socket.IPPROTO_NONE)
    send(sender, b"words", addresses.outside)
    return received


ATTEMPTS: Final = (
    udp_out,
    udp_out_of_the_sidecar,
    udp_from_the_port_of_dns,
    udp_in,
    udp_in_as_if_it_answered,
    udp_in_to_the_port_of_dns,
    udp_out_as_if_it_asked_for_names,
    udp_in_between_ports_of_dns,
    udp_in_from_a_name_server_that_was_not_asked,
    nothing_known_out,
)


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.__name__)
@pytest.mark.parametrize("strict", [False, True], ids=["not strict", "strict"])
def test_datagrams_pass_unless_strict(
    bare_link: Link, addresses: Addresses, attempt: Callable[[Link, Addresses], socket.socket], *, strict: bool
) -> None:
    bare_link.redirect(strict=strict)
    received = attempt(bare_link, addresses)
    if not strict:
        assert received.recv(100)
        return
    mark(bare_link, addresses, inwards=True)
    assert hears_nothing(received)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_other_protocol_passes_in_strict(bare_link: Link, addresses: Addresses, protocol: str) -> None:
    link = bare_link
    number, family = PROTOCOLS[protocol], family_of(addresses.any)
    inside, outside = (net.open(family, socket.SOCK_RAW, number) for net in (link.pod, link.outside))

    def talk() -> None:
        send(inside, b"words of this protocol, of some length", addresses.outside)
        send(outside, b"words of this protocol, of some length", addresses.pod)

    talk()
    assert all(receiving.recv(100).endswith(b"of some length") for receiving in (inside, outside))
    link.redirect(strict=True)
    talk()
    mark(link, addresses, inwards=True)
    assert all(map(hears_nothing, (inside, outside)))


def ping(link: Link, addresses: Addresses, *, inwards: bool) -> None:
    """Send an echo request and wait for the reply. Raises TimeoutError."""
    asking, asked = (link.outside, addresses.pod) if inwards else (link.pod, addresses.outside)
    version = family_of(addresses.any)
    protocol = socket.IPPROTO_ICMP if version == socket.AF_INET else socket.IPPROTO_ICMPV6
    kind = 8 if version == socket.AF_INET else 128
    asking.sysctl("net.ipv4.ping_group_range", "0 0")
    echo = asking.open(version, socket.SOCK_DGRAM, protocol, wait=0.5)
    words = b"word" * 250
    send(echo, bytes([kind, 0, 0, 0, 0, 0, 0, 1]) + words, asked)
    assert words in echo.recv(2000)


@pytest.mark.parametrize("inwards", [False, True], ids=["out", "in"])
def test_echoes_pass_unless_strict(link: Link, addresses: Addresses, *, inwards: bool) -> None:
    ping(link, addresses, inwards=inwards)
    link.redirect(strict=True)
    with pytest.raises(TimeoutError):
        ping(link, addresses, inwards=inwards)


def test_what_had_begun_before_does_not_go_on(link: Link, addresses: Addresses) -> None:
    server = link.outside.datagrams(addresses.outside, UDP_PORT)
    client = link.pod.datagrams(addresses.any, uid=APP_USER)
    send(client, b"word", addresses.outside, UDP_PORT)
    _, peer = server.recvfrom(10)
    server.sendto(b"word", peer)
    assert client.recv(10)
    link.redirect(strict=True)
    send(client, b"word", addresses.outside, UDP_PORT)
    server.sendto(b"word", peer)
    mark(link, addresses, inwards=True)
    assert hears_nothing(server)
    assert hears_nothing(client)


def test_errors_come_through(link: Link, addresses: Addresses) -> None:
    link.redirect(strict=True)
    with pytest.raises(OSError, match=r"route to host|unreachable") as refused:
        link.pod.connect(addresses.nowhere, 80, uid=sidecar.UID)
    assert refused.value.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH}


def test_neighbours_are_found(link: Link, addresses: Addresses) -> None:
    link.redirect(strict=True)
    for net in (link.pod, link.outside):
        net.ip("neighbour", "flush", "dev", "eth0")
    remote = link.outside.listen(addresses.remote, 80)
    link.pod.connect(addresses.remote, 80, uid=sidecar.UID).close()
    remote.accept().close()


def test_what_is_allowed_by_name_passes_in_both_directions_and_nothing_else_does(
    bare_link: Link, addresses: Addresses
) -> None:
    link, peer = bare_link, addresses.outside
    link.redirect(Datagrams(ip_network(peer), range(UDP_PORT - 10, UDP_PORT + 1)), strict=True)
    server = link.outside.datagrams(peer, UDP_PORT)
    client = link.pod.datagrams(addresses.any, uid=APP_USER)
    send(client, b"word", peer, UDP_PORT)
    server.sendto(b"answer", server.recvfrom(10)[1])
    assert client.recv(10) == b"answer"

    asked = link.pod.datagrams(addresses.any, UDP_PORT, uid=APP_USER)
    asking = link.outside.datagrams(peer)
    send(asking, b"word", addresses.pod, UDP_PORT)
    asked.sendto(b"answer", asked.recvfrom(10)[1])
    assert asking.recv(10) == b"answer"

    others = [
        link.outside.datagrams(peer, OTHER_PORT),
        link.outside.datagrams(addresses.remote, UDP_PORT),
        link.pod.datagrams(addresses.any, OTHER_PORT),
    ]
    send(client, b"word", peer, OTHER_PORT)
    send(client, b"word", addresses.remote, UDP_PORT)
    send(asking, b"word", addresses.pod, OTHER_PORT)
    stranger = link.outside.datagrams(addresses.remote)
    send(stranger, b"word", addresses.pod, UDP_PORT)
    mark(link, addresses, inwards=True)
    assert all(map(hears_nothing, [*others, asked]))


def test_within_the_pod_everything_passes(link: Link, addresses: Addresses) -> None:
    link.redirect(strict=True)
    for address in (addresses.own, addresses.pod):
        server = link.pod.datagrams(address, UDP_PORT, uid=APP_USER)
        send(link.pod.datagrams(addresses.any, uid=APP_USER), b"word", address, UDP_PORT)
        assert server.recv(10) == b"word"


def test_allowed_datagrams_of_one_family_say_nothing_of_the_other(bare_link: Link) -> None:
    bare_link.redirect(Datagrams(ip_network("fd00::/8"), range(UDP_PORT, UDP_PORT + 1)), strict=True)
    received = udp_out(bare_link, V4)
    mark(bare_link, V4, inwards=False)
    assert hears_nothing(received)
