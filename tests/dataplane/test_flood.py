"""More connections are begun than the kernel can queue: it answers with SYN cookies, which no socket owns."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from hack.dataplane.netns import IMPATIENCE, Net
from hack.dataplane.pods import PATIENCE, Pod, Road
from hack.kubectl import eventually
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.sidecar import contract as sidecar
from tests.dataplane.links import APP_PORT, APP_USER
from tests.dataplane.packets import SYN, segment
from tests.dataplane.roads import start
from tests.dataplane.talk import Echo, said

SECRET: Final = b"the-patient-has-measles"


def cookies_sent(pod: Pod) -> int:
    path = Path("/proc/thread-self/net/netstat")
    names, values = (line.split() for line in pod.net.within(path.read_text).splitlines() if line.startswith("TcpExt:"))
    return int(values[names.index("SyncookiesSent")])


@contextmanager
def flood(source: Net, target: Pod, port: int) -> Iterator[None]:
    """Begin connections to a pod, one after the other, from addresses that do not answer."""
    over = threading.Event()
    raw = source.open(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def send() -> None:
        number = 0
        while not over.is_set():
            number += 1
            address = f"198.18.{number >> 8 & 255}.{number & 255}"
            begun = segment(
                address, target.address, ports=(1024 + number % 60000, port), numbers=(1, 0), flags=SYN, data=b""
            )
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(begun), 0, 0, 64, socket.IPPROTO_TCP, 0)
            packet = header + socket.inet_aton(address) + socket.inet_aton(target.address) + begun
            with contextlib.suppress(OSError):
                raw.sendto(packet, (target.address, 0))

    sending = threading.Thread(target=send)
    sending.start()
    try:
        eventually(lambda: cookies_sent(target) > 0, seconds=PATIENCE, what="SYN cookies")
        yield
    finally:
        over.set()
        sending.join()


def test_a_flood_neither_stops_the_sidecar_nor_opens_the_application(pods: Road) -> None:
    """By default the kernel sends cookies as soon as more connections have begun than a listener's backlog allows."""
    start(pods, EncryptionMode.STRICT)
    with Echo(pods.server.net, APP_PORT), flood(pods.node, pods.server, APP_PORT):
        before = cookies_sent(pods.server)
        for _ in range(5):
            assert said(pods.client.net, pods.server.address, APP_PORT, SECRET) == SECRET
        assert cookies_sent(pods.server) > before
    pods.server.stop()
    pods.server.net.listen("", APP_PORT, uid=APP_USER)
    # The application takes the sidecar's port, with a backlog so short that it is always full.
    thief = pods.server.net.listen("", sidecar.PEER_PORT, uid=APP_USER)
    thief.bound.listen(1)
    with flood(pods.node, pods.server, APP_PORT):
        client = pods.node.connect(pods.server.address, APP_PORT, wait=PATIENCE)
        client.sendall(SECRET)
        with thief.accept() as found:
            found.sendall(SECRET)
            for one in (found, client):
                one.settimeout(IMPATIENCE)
                with pytest.raises(TimeoutError):
                    one.recv(len(SECRET))
        with pytest.raises((TimeoutError, ConnectionError)):
            client.recv(len(SECRET))
