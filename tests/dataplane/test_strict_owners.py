"""The sidecar is gone and the application has taken its port: in Strict only packets of the sidecar's sockets pass.

The kernel also sends packets for an application that no socket owns: SYN cookies, and data that a closed socket still
has to send.
"""

import contextlib
import socket
import struct
from pathlib import Path
from typing import Final

import pytest

from hack.dataplane.netns import IMPATIENCE, Capture, Listener, send
from hack.kubectl import eventually
from sovereign_operator.core.sidecar import contract as sidecar
from tests.dataplane.links import APP_PORT, APP_USER, HTTP_PROBE, V4, Addresses, Link
from tests.dataplane.packets import ACK, MARK, PSH, SYN, mark, segment, segments
from tests.dataplane.talk import exchange

SECRET: Final = b"the-patient-has-measles"
LONG: Final = SECRET * 10_000
REMOTE_PORT: Final = 80
NEVER, WHEN_FULL, ALWAYS = range(3)
"""When the kernel answers with a SYN cookie."""
PORTS: Final = {sidecar.INBOUND_PORT: APP_PORT, HTTP_PROBE: HTTP_PROBE, sidecar.HEALTH_PORT: sidecar.REDIRECTED_PORT}
"""The ports on which the sidecar listens, and the ports by which clients outside reach them."""


def cookies(link: Link, when: int) -> None:
    link.pod.sysctl("net.ipv4.tcp_syncookies", when)


def connected(link: Link, addresses: Addresses, port: int = APP_PORT) -> socket.socket | None:
    """Connect from outside; return None on timeout."""
    with contextlib.suppress(TimeoutError):
        return link.outside.connect(addresses.pod, port, wait=IMPATIENCE)
    return None


def taken(listener: Listener) -> socket.socket | None:
    """Accept a connection; return None on timeout."""
    listener.bound.settimeout(IMPATIENCE)
    with contextlib.suppress(TimeoutError):
        return listener.accept()
    return None


def rest(connection: socket.socket) -> bytes:
    """Return all data until the end of a connection."""
    with connection.makefile("rb") as stream:
        return stream.read()


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("when", [NEVER, ALWAYS])
def test_who_takes_a_port_of_the_sidecar_hears_nothing(link: Link, addresses: Addresses, port: int, when: int) -> None:
    link.redirect(strict=True)
    cookies(link, when)
    link.serve()
    thief = link.listen(addresses, port, APP_USER)
    client = connected(link, addresses, PORTS[port])
    if client and (found := taken(thief)):
        client.sendall(SECRET)
        found.settimeout(IMPATIENCE)
        with found, pytest.raises((TimeoutError, ConnectionError)):
            found.recv(len(SECRET))


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("when", [NEVER, ALWAYS])
def test_who_takes_a_port_of_the_sidecar_says_nothing(link: Link, addresses: Addresses, port: int, when: int) -> None:
    """Neither if it keeps its connection open nor if it closes it and leaves the rest to the kernel."""
    link.redirect(strict=True)
    cookies(link, when)
    link.serve()
    thief = link.listen(addresses, port, APP_USER)
    capture = Capture(link.outside)
    for close in (False, True):
        client = connected(link, addresses, PORTS[port])
        if client and (found := taken(thief)):
            with found:
                found.sendall(SECRET)
                if close:
                    found.close()
                client.settimeout(IMPATIENCE)
                with pytest.raises((TimeoutError, ConnectionError)):
                    client.recv(len(SECRET))
    mark(link)
    assert SECRET not in b"".join(capture.until(MARK))


@pytest.mark.parametrize("when", [NEVER, WHEN_FULL, ALWAYS])
def test_the_sidecar_goes_on_whatever_the_kernel_answers_with(link: Link, addresses: Addresses, when: int) -> None:
    link.redirect(strict=True)
    cookies(link, when)
    link.serve()
    own = link.listen(addresses, sidecar.INBOUND_PORT)
    remote = link.outside.listen(addresses.remote, REMOTE_PORT)
    with link.outside.connect(addresses.pod, APP_PORT) as client, own.accept() as found:
        exchange(client, found)
        # The sidecar may close before the other side has read everything.
        found.sendall(LONG)
        found.close()
        assert rest(client) == LONG
    with link.pod.connect(addresses.remote, REMOTE_PORT, uid=sidecar.UID) as client, remote.accept() as found:
        exchange(client, found)
        client.sendall(LONG)
        client.close()
        assert rest(found) == LONG


def test_who_knocks_where_nobody_listens_is_told_so(link: Link, addresses: Addresses) -> None:
    """As without the redirect: the kernel's refusal contains nothing from the application."""
    link.redirect(strict=True)
    with pytest.raises(ConnectionRefusedError):
        link.outside.connect(addresses.pod, APP_PORT)


def test_a_cookie_of_the_sidecar_is_worth_nothing_to_who_takes_its_port(link: Link) -> None:
    """A cookie is valid for two minutes, for any process that listens by then. Here both sides cooperate."""
    link.redirect(strict=True)
    cookies(link, ALWAYS)
    link.serve()
    link.pod.sysctl("net.ipv4.tcp_fin_timeout", 1)
    link.outside.nft("table ip quiet { chain out { type filter hook output priority 0; tcp flags rst drop; }; }")
    raw = link.outside.open(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    capture = Capture(link.outside)

    def say(flags: int, numbers: tuple[int, int], words: bytes = b"", source: int = 40000) -> None:
        made = segment(V4.outside, V4.pod, ports=(source, APP_PORT), numbers=numbers, flags=flags, data=words)
        send(raw, made, V4.pod)

    own = link.listen(V4, sidecar.INBOUND_PORT)
    say(SYN, (1, 0))
    mark(link)
    (answer,) = segments(capture.until(MARK), 40000)
    (cookie,) = struct.unpack_from("!I", answer, 4)
    say(ACK, (2, cookie + 1))
    with own.accept() as found:
        found.sendall(b"hello")
    say(ACK, (2, cookie + 1 + len(b"hello") + 1))
    eventually(lambda: not knows(link, 40000), what="the end of the sidecar's connection")
    own.bound.close()

    thief = link.listen(V4, sidecar.INBOUND_PORT, APP_USER)
    say(SYN, (1, 0), source=40001)
    say(ACK, (2, cookie + 1))
    # No process owns the connection until it is accepted.
    say(PSH | ACK, (2, cookie + 1), SECRET)
    with thief.accept() as found:
        found.settimeout(IMPATIENCE)
        say(PSH | ACK, (2, cookie + 1), SECRET)
        with pytest.raises(TimeoutError):
            found.recv(len(SECRET))


def knows(link: Link, port: int) -> bool:
    """Return whether the pod has a socket whose peer has this port."""
    path = Path("/proc/thread-self/net/tcp")
    return f":{port:04X} " in link.pod.within(path.read_text)
