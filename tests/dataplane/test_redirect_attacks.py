"""Attempts, from within the pod or from outside, to bypass the sidecar.

Each test shows how the attack would be noticed, and most check that it works without the rule that prevents it.
"""

import re
import socket
import struct
from pathlib import Path
from typing import Final

import pytest

from hack.dataplane.netns import IMPATIENCE, Capture, Net, family_of, hears_nothing, send
from hack.kubectl import eventually
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.dataplane import redirect
from tests.dataplane.links import APP_PORT, APP_USER, DATABASE_PORT, LIVE_PROBE, PROBES, V4, V6, Addresses, Link
from tests.dataplane.packets import ACK, MARK, PSH, RST, SYN, mark, packet, segment, segments

REMOTE_PORT: Final = 80
SO_BINDTODEVICE: Final = 25
ETH_P_IP: Final = 0x0800
ETH_P_IPV6: Final = 0x86DD

UNUSED_PROBE: Final = sidecar.PROBE_PORTS[len(PROBES)]
RESERVED: Final = (
    sidecar.OUTBOUND_PORT,
    sidecar.INBOUND_PORT,
    sidecar.PEER_PORT,
    sidecar.HEALTH_PORT,
    sidecar.RESERVED_PORTS[0],
    sidecar.RESERVED_PORTS[-1],
    UNUSED_PROBE,
)


@pytest.mark.parametrize("port", RESERVED)
def test_nobody_outside_reaches_a_port_of_the_sidecar(link: Link, addresses: Addresses, port: int) -> None:
    listening = [link.listen(addresses, bound) for bound in {port, sidecar.INBOUND_PORT}]
    with pytest.raises(TimeoutError):
        link.outside.connect(addresses.pod, port, wait=IMPATIENCE)
    assert all(listener.hears_nothing() for listener in listening)


@pytest.mark.parametrize("port", [sidecar.OUTBOUND_PORT, sidecar.INBOUND_PORT, sidecar.PEER_PORT])
def test_nobody_inside_has_the_sidecar_call_itself(link: Link, addresses: Addresses, port: int) -> None:
    """The original destination of the connection would be the sidecar itself, in an endless loop."""
    listening = link.listen(addresses, port)
    for address in (addresses.own, addresses.pod):
        for user in (APP_USER, sidecar.UID):
            with pytest.raises(ConnectionRefusedError):
                link.pod.connect(address, port, uid=user)
    assert listening.hears_nothing()


def test_a_socket_bound_to_the_link_does_not_leave_by_it(link: Link, addresses: Addresses) -> None:
    """Any user may bind a socket to a device, and redirected packets are routed with that device in mind."""
    remote = link.outside.listen(addresses.remote, REMOTE_PORT)
    capture = Capture(link.outside)
    bound = link.pod.open(family_of(addresses.any), uid=APP_USER, wait=IMPATIENCE)
    bound.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"eth0")
    with pytest.raises(OSError, match=r"timed out|unreachable|refused"):
        bound.connect((addresses.remote, REMOTE_PORT))
    mark(link)
    packets = capture.until(MARK)
    assert segments(packets, REMOTE_PORT) == segments(packets, sidecar.OUTBOUND_PORT) == []
    assert remote.hears_nothing()


def link_local(net: Net) -> str:
    """Return the link-local address."""
    (address,) = re.findall(r"fe80:[0-9a-f:]+", net.ip("-6", "address", "show", "scope", "link"))
    return str(address)


def test_an_address_of_the_link_is_the_pods(link: Link) -> None:
    link.serve()
    own = link.listen(V6, sidecar.INBOUND_PORT)
    address, number = link_local(link.pod), link.outside.within(lambda: socket.if_nametoindex("eth0"))
    client = link.outside.open(socket.AF_INET6)
    # Both sides check for a while whether another host has their address.
    eventually(lambda: "tentative" not in link.pod.ip("address") + link.outside.ip("address"))
    client.connect((address, APP_PORT, 0, number))
    own.accept().close()


def test_an_address_of_the_link_is_no_way_out(link: Link) -> None:
    """Sockets for link-local addresses are bound to the link."""
    address = link_local(link.outside)
    outside = link.outside.open(socket.AF_INET6)
    outside.bind(("::", REMOTE_PORT))
    outside.listen()
    capture = Capture(link.outside)
    number = link.pod.within(lambda: socket.if_nametoindex("eth0"))
    app = link.pod.open(socket.AF_INET6, uid=APP_USER, wait=IMPATIENCE)
    with pytest.raises(OSError, match=r"timed out|unreachable|refused"):
        app.connect((address, REMOTE_PORT, 0, number))
    mark(link)
    assert segments(capture.until(MARK), REMOTE_PORT) == []


def send_past_routes(link: Link, words: bytes) -> None:
    """Send a packet for any address to the pod from outside, as a neighbour with CAP_NET_RAW can."""
    frames = link.outside.open(socket.AF_PACKET, socket.SOCK_DGRAM)
    (hardware,) = re.findall(r"link/ether (\S+)", link.pod.ip("link", "show", "eth0"))
    kind = ETH_P_IPV6 if words[0] >> 4 == 6 else ETH_P_IP
    frames.sendto(words, ("eth0", kind, 0, 0, bytes.fromhex(hardware.replace(":", ""))))


@pytest.mark.parametrize("strict", [False, True], ids=["not strict", "strict"])
@pytest.mark.parametrize("target", ["own", "remote", "nowhere"])
def test_a_neighbour_reaches_no_address_that_is_not_the_pods(
    bare_link: Link, addresses: Addresses, target: str, *, strict: bool
) -> None:
    """A redirected packet gets an address of the link before the kernel checks its destination.

    The sidecar would connect to its original destination: to a port that is open on ``localhost`` alone, or anywhere.
    """
    bare_link.redirect(strict=strict)
    bare_link.serve()
    bare_link.listen(addresses, sidecar.INBOUND_PORT)
    capture = Capture(bare_link.outside)
    # So that the pod has the hardware address of its neighbour.
    mark(bare_link, addresses)
    capture.until(MARK)
    for port, address in ((40000, getattr(addresses, target)), (40001, addresses.pod)):
        words = segment(addresses.outside, address, ports=(port, APP_PORT), numbers=(1, 0), flags=SYN, data=b"")
        send_past_routes(bare_link, packet(addresses.outside, address, words))
    mark(bare_link, addresses)
    packets = capture.until(MARK)
    assert [answer[13] for answer in segments(packets, 40001)] == [SYN | ACK]
    assert segments(packets, 40000) == []


@pytest.mark.parametrize("listens", [APP_USER, sidecar.UID])
def test_what_translation_of_addresses_misses_is_refused(bare_link: Link, addresses: Addresses, listens: int) -> None:
    """If packets ever got past it, they would go nowhere."""
    app = bare_link.listen(addresses, APP_PORT, listens)
    remote = bare_link.outside.listen(addresses.remote, REMOTE_PORT)
    script, ports = redirect.rules_of(PROBES, None), (sidecar.INBOUND_PORT, sidecar.OUTBOUND_PORT)
    missed = [f"meta l4proto tcp redirect to :{port}" for port in ports]
    for rule in missed:
        assert script.count(rule) == 1
        script = script.replace(rule, "")
    bare_link.pod.nft(script)
    with pytest.raises(ConnectionRefusedError):
        bare_link.outside.connect(addresses.pod, APP_PORT, wait=IMPATIENCE)
    with pytest.raises(TimeoutError):
        bare_link.pod.connect(addresses.remote, REMOTE_PORT, uid=APP_USER, wait=IMPATIENCE)
    assert all(one.hears_nothing() for one in (app, remote))


def test_a_segment_of_which_conntrack_makes_nothing_does_not_leave(link: Link) -> None:
    """An answer that belongs to no connection is not redirected."""
    capture = Capture(link.outside)
    raw = link.pod.open(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    words = segment(V4.pod, V4.remote, ports=(40000, REMOTE_PORT), numbers=(1, 1), flags=SYN | ACK, data=b"secret")
    send(raw, words, V4.remote)
    mark(link)
    assert segments(capture.until(MARK), REMOTE_PORT) == []
    link.pod.nft(f"delete table inet {redirect.TABLE}")
    send(raw, words, V4.remote)
    mark(link)
    assert segments(capture.until(MARK), REMOTE_PORT) == [words]


def test_a_socket_without_an_owner_says_nothing_outside(link: Link) -> None:
    """Data that a closed socket still has to send has no owner, and conntrack may have forgotten the connection."""
    link.listen(V4, sidecar.OUTBOUND_PORT)
    link.pod.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
    for state in ("established", "fin_wait", "unacknowledged", "max_retrans"):
        link.pod.sysctl(f"net.netfilter.nf_conntrack_tcp_timeout_{state}", 1)
    capture = Capture(link.outside)
    app = link.pod.connect(V4.remote, REMOTE_PORT, uid=APP_USER)
    # No acknowledgement arrives, so the data is sent again and again.
    link.pod.ip("link", "set", "lo", "down")
    app.sendall(b"secret")
    app.close()
    eventually(lambda: tracked(link) == 0)
    until_said_again(link)
    mark(link)
    assert segments(capture.until(MARK), REMOTE_PORT) == []

    script, refusal = redirect.rules_of(PROBES, None), "meta l4proto tcp ct state invalid,new drop"
    assert script.count(refusal) == 1
    link.pod.nft(script.replace(refusal, ""))
    until_said_again(link)
    mark(link)
    assert b"secret" in b"".join(segments(capture.until(MARK), REMOTE_PORT))


def tracked(link: Link) -> int:
    """Return how many connections conntrack tracks in the pod."""
    path = Path("/proc/sys/net/netfilter/nf_conntrack_count")
    return int(link.pod.within(path.read_text))


def said_again(link: Link) -> int:
    """Return how many segments were retransmitted in the pod."""
    path = Path("/proc/thread-self/net/snmp")
    names, values = (line.split() for line in link.pod.within(path.read_text).splitlines() if line.startswith("Tcp:"))
    return int(values[names.index("RetransSegs")])


def until_said_again(link: Link) -> None:
    """Wait until another segment is retransmitted."""
    before = said_again(link)
    eventually(lambda: said_again(link) > before)


def test_the_way_of_an_old_connection_of_the_sidecar_is_open_to_nobody_else(link: Link, addresses: Addresses) -> None:
    """Conntrack keeps a connection for longer than its socket exists, and a new one with the same ports matches it."""
    link.pod.sysctl("net.ipv4.tcp_fin_timeout", 1)
    remote = link.outside.listen(addresses.remote, REMOTE_PORT)
    with link.pod.connect(addresses.remote, REMOTE_PORT, uid=sidecar.UID) as own:
        port = own.getsockname()[1]
        peer = remote.accept()
    assert peer.recv(1) == b""  # the peer does not close its side, so that the socket in the pod ends without an answer
    capture = Capture(link.outside)
    thief = link.pod.open(family_of(addresses.any), uid=APP_USER, wait=IMPATIENCE)
    while True:
        try:
            thief.bind((addresses.any, port))
        except OSError:
            continue
        break
    with peer, pytest.raises(OSError, match=r"timed out|refused"):
        thief.connect((addresses.remote, REMOTE_PORT))
    mark(link)
    assert segments(capture.until(MARK), REMOTE_PORT) == []


def test_a_tcp_probe_is_no_door_for_what_conntrack_does_not_follow(link: Link) -> None:
    """A segment sent straight to the application's port would belong to the connection that the probe made."""
    link.pod.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
    app = link.pod.listen(V4.pod, DATABASE_PORT, uid=APP_USER)
    capture = Capture(link.outside)
    with link.outside.connect(V4.pod, LIVE_PROBE) as thief, app.accept() as found:
        port = thief.getsockname()[1]
        mark(link)
        synack = next(part for part in segments(capture.until(MARK), port) if part[13] == SYN | ACK)
        theirs, mine = struct.unpack_from("!II", synack, 4)
        raw = link.outside.open(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)

        def smuggle() -> None:
            words = segment(
                V4.outside,
                V4.pod,
                ports=(port, DATABASE_PORT),
                numbers=(mine, theirs + 1),
                flags=PSH | ACK,
                data=b"smuggled",
            )
            send(raw, words, V4.pod)
            send(link.outside.datagrams(V4.outside), b"last", V4.pod, 9)

        last = link.pod.datagrams(V4.any, 9)
        smuggle()
        assert last.recv(10) == b"last"
        assert hears_nothing(found)
        # Without the rule that drops it, the segment arrives: it is well formed.
        script = redirect.rules_of(PROBES, None)
        refusal = "ct state invalid drop"
        assert script.count(refusal) == 1
        link.pod.nft(script.replace(f"meta l4proto tcp {refusal}", ""))
        smuggle()
        assert found.recv(10) == b"smuggled"


def test_payload_in_the_first_segment_is_refused_too(link: Link) -> None:
    """TCP Fast Open passes it to an application before the handshake ends."""
    app = link.pod.listen(V4.pod, DATABASE_PORT, uid=APP_USER)
    capture = Capture(link.outside)
    raw = link.outside.open(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    send(raw, segment(V4.outside, V4.pod, ports=(40000, LIVE_PROBE), numbers=(1, 0), flags=SYN, data=b"words"), V4.pod)
    mark(link)
    (answer,) = segments(capture.until(MARK), 40000)
    assert answer[13] & (RST | SYN) == RST
    assert app.hears_nothing()


@pytest.mark.parametrize("words", range(5, 16))
def test_no_option_of_tcp_hides_payload(link: Link, words: int) -> None:
    """Where payload begins depends on the length of the header."""
    app = link.pod.listen(V4.pod, DATABASE_PORT, uid=APP_USER)
    raw = link.outside.open(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    capture = Capture(link.outside)
    for port, data in ((40000, b""), (40001, b"x")):
        send(
            raw,
            segment(V4.outside, V4.pod, ports=(port, LIVE_PROBE), numbers=(1, 0), flags=SYN, data=data, words=words),
            V4.pod,
        )
    mark(link)
    packets = capture.until(MARK)
    empty, full = segments(packets, 40000)[0], segments(packets, 40001)[0]
    assert empty[13] == SYN | ACK
    assert full[13] & (RST | SYN) == RST
    assert app.hears_nothing()
