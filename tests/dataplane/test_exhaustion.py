"""Clients that open connections and read nothing fill buffers: these fit into the sidecar's memory, and it survives.

Meanwhile it refuses further connections in that direction, and says how many.
"""

import contextlib
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from hack.dataplane.netns import IMPATIENCE
from hack.dataplane.pods import PATIENCE, Pod, Road, memory_cgroup
from hack.kubectl import eventually
from sovereign_operator.agent.node_check import has_ipv6
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.controller.observed.sidecar_polling import read_stats
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import LEAST_MEMORY, Probe, ProbeKind
from sovereign_operator.dataplane.envoy import ALPN
from sovereign_operator.dataplane.kubelets import HEALTH_CHECK
from sovereign_operator.dataplane.memory import FOLLOWER, Budget
from tests.dataplane.links import APP_PORT, APP_USER
from tests.dataplane.roads import PERMISSIVE, STRICT, start
from tests.dataplane.talk import Echo, frame, literal, refused, said

MIB: Final = 1024 * 1024
LIMITS: Final = (LEAST_MEMORY, 512 * MIB)
"""The least memory that a sidecar may have, and the chart's default."""
MANY: Final = 600
ALL: Final = 1100
"""More connections than Envoy accepts on any port."""
GREEDY_PORT: Final = 8081


@pytest.fixture(params=LIMITS, ids=["least", "default"])
def limit(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


@pytest.fixture
def group(limit: int) -> Iterator[Path]:
    with memory_cgroup(limit) as made:
        yield made


def used(pod: Pod) -> int:
    """Return how much memory the cgroup of a sidecar uses."""
    assert pod.cgroup
    names = ("memory.current", "memory.usage_in_bytes")
    (found,) = (pod.cgroup / name for name in names if (pod.cgroup / name).exists())
    return int(found.read_text())


def kept_by_kernel(pod: Pod) -> int:
    """Return how much memory the kernel uses for a sidecar's connections, if its cgroup does not count that."""
    assert pod.cgroup
    if (pod.cgroup / "memory.current").exists():
        return 0
    shown = subprocess.check_output(["ip", "netns", "exec", pod.net.name, "ss", "-HtmneO"], text=True)
    # The application has sockets there, too.
    own = "".join(line for line in shown.splitlines() if f"uid:{sidecar.UID} " in line)
    return sum(int(number) for number in re.findall(r"[(,][rfw]([0-9]+)(?=[,)])", own))


def alive(pod: Pod) -> bool:
    return pod.envoy is not None and pod.envoy.poll() is None


def hoard(pods: Road) -> Iterator[socket.socket]:
    """Open as many connections as possible, and read nothing from them."""
    with contextlib.suppress(OSError):
        for _ in range(MANY):
            connection = pods.client.net.open(socket.AF_INET, uid=APP_USER, wait=IMPATIENCE)
            connection.connect((pods.server.address, GREEDY_PORT))
            yield connection


def is_accepted(connection: socket.socket) -> bool:
    """Whether the server's greeting arrives, of which nothing is read."""
    connection.settimeout(PATIENCE)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b"x"
    except ConnectionError:
        return False


def refusals(pods: Road, pod: Pod) -> int:
    """Return how many connections a sidecar says that it refused."""
    _, state = pods.ask(pod, sidecar.STATE_PATH)
    found = read_stats(state).refused
    assert found is not None
    return found


def talks(pods: Road) -> bool:
    """Whether one more client gets its answer."""
    try:
        return said(pods.client.net, pods.server.address, APP_PORT, b"word") == b"word"
    except ConnectionError:
        return False


def fill_up(pods: Road, pod: Pod, most: int) -> tuple[list[socket.socket], list[int]]:
    """Stall as many connections as one of the sidecars accepts. Return these, and how much memory it used meanwhile."""
    hoarded = list(hoard(pods))
    assert len(hoarded) == MANY
    accepted = [connection for connection in hoarded if is_accepted(connection)]
    assert len(accepted) == most
    levels: list[int] = []

    def is_full() -> bool:
        assert alive(pod), f"killed with {levels[-1:]} bytes in use"
        levels.append(used(pod) + kept_by_kernel(pod))
        return len(levels) > 10 and max(levels[-5:]) - min(levels[-5:]) < MIB

    eventually(is_full, seconds=PATIENCE, what="as much as there is to come")
    return accepted, levels


@pytest.mark.parametrize(
    ("side", "mode"), [("client", STRICT), ("server", STRICT), ("client", PERMISSIVE), ("server", PERMISSIVE)]
)
def test_connections_that_read_nothing_do_not_take_the_sidecar_away(
    group: Path, limit: int, pods: Road, side: str, mode: EncryptionMode
) -> None:
    """They take its place from others, until one of them ends: encryption.md says so."""
    pod: Pod = getattr(pods, side)
    pod.cgroup = group
    start(pods, mode)
    # No token, so no supervisor; and no probe.
    most = Budget(limit, reserved=0 if has_ipv6() else FOLLOWER).one_way
    with (
        Echo(pods.server.net, GREEDY_PORT, greeting=b"x" * 8 * MIB),
        Echo(pods.server.net, APP_PORT),
        Echo(pods.client.net, APP_PORT),
    ):
        # One connection goes on all the time.
        with pods.client.net.connect(pods.server.address, APP_PORT, uid=APP_USER) as steady:
            steady.sendall(b"first")
            assert steady.recv(5, socket.MSG_WAITALL) == b"first"
            assert refusals(pods, pod) == 0
            stalled, levels = fill_up(pods, pod, most - 1)
            assert max(levels) < limit * 0.95
            # Those that the server's sidecar refuses must not take others with them, which are just being opened.
            before = refusals(pods, pod)
            assert before == MANY - len(stalled)
            # The next client, and one without a sidecar, which Strict lets in nowhere.
            assert refused(pods.client.net, pods.server.address, APP_PORT)
            assert refused(pods.node, pods.server.address, APP_PORT, uid=0) is (side == "server" or mode is STRICT)
            assert refusals(pods, pod) > before
            steady.sendall(b"still")
            assert steady.recv(5, socket.MSG_WAITALL) == b"still"
            # The other direction has room.
            assert said(pods.server.net, pods.client.address, APP_PORT, b"word") == b"word"
            stalled.pop().close()
            eventually(lambda: talks(pods), seconds=PATIENCE, what="room for one more client")
        for connection in stalled:
            connection.close()
        eventually(lambda: talks(pods), seconds=PATIENCE, what="talk as before")
    assert alive(pod)


def client_hello() -> bytes:
    """Return the first words of mutual TLS with our protocol, which need no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([ALPN])
    written = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), written).do_handshake()
    return written.read()


@pytest.mark.parametrize("limit", [LEAST_MEMORY], ids=["least"])
def test_in_strict_who_has_no_certificate_takes_up_connections_for_seconds_only(group: Path, pods: Road) -> None:
    """But for these it does, as often as it likes: encryption.md says so."""
    pods.server.cgroup = group
    start(pods, STRICT)
    with Echo(pods.server.net, APP_PORT), contextlib.ExitStack() as stack:
        assert talks(pods)
        for _ in range(ALL // 10):
            stranger = stack.enter_context(pods.node.connect(pods.server.address, APP_PORT))
            with contextlib.suppress(ConnectionError):
                stranger.sendall(client_hello())
        assert not talks(pods)
        assert refusals(pods, pods.server) > 0
        eventually(lambda: talks(pods), seconds=PATIENCE, what="room, once the strangers are disconnected")


@pytest.fixture
def limited(group: Path, pods: Road) -> Road:
    """Two pods, of which the client's sidecar has this memory limit."""
    pods.client.cgroup = group
    return pods


def http(path: str) -> bytes:
    """Return many HTTP requests for a path."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 1000


def grpc() -> bytes:
    """Return many concurrent gRPC requests, none of which is complete."""
    method = ((":method", "POST"), (":scheme", "http"), (":path", HEALTH_CHECK), (":authority", "x"))
    asked, content = b"".join(literal(*each) for each in method), b"x" * 16384
    calls = b"".join(frame(1, 4, asked, stream) + frame(0, 0, content, stream) for stream in range(1, 400, 2))
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, b"", 0) + calls


PROBES: Final = (Probe(ProbeKind.HTTP, APP_PORT, "/healthz"), Probe(ProbeKind.GRPC, APP_PORT))
OPEN_PORTS: Final = {
    sidecar.REDIRECTED_PORT: http(sidecar.READY_PATH),
    sidecar.PROBE_PORTS[0]: http("/healthz"),
    sidecar.PROBE_PORTS[1]: grpc(),
}
"""The ports that accept connections from anyone, and what the test sends there."""


def test_nobody_fills_the_memory_through_the_ports_of_kubelets(limited: Road, limit: int) -> None:
    """These accept connections from anyone, without a certificate."""
    pod = limited.client
    pod.tell(EncryptionMode.STRICT)
    pod.start(PROBES)
    limited.until_ready(pod)
    levels: list[int] = []

    def is_full() -> bool:
        assert alive(pod), f"killed with {levels[-1:]} bytes in use"
        levels.append(used(pod) + kept_by_kernel(pod))
        return len(levels) > 10 and max(levels[-5:]) - min(levels[-5:]) < MIB

    with Echo(pod.net, APP_PORT, late=True):
        flooded = []
        for port, words in OPEN_PORTS.items():
            with contextlib.suppress(OSError):
                for _ in range(ALL):
                    connection = limited.node.open(socket.AF_INET, wait=IMPATIENCE)
                    flooded.append(connection)
                    connection.connect((pod.address, port))
                    connection.setblocking(False)
                    with contextlib.suppress(OSError):
                        while connection.send(words):
                            pass
            levels.append(used(pod) + kept_by_kernel(pod))
        eventually(is_full, seconds=PATIENCE, what="as much as there is to come")
        assert max(levels) < limit * 0.95
        for connection in flooded:
            connection.close()
    limited.until_ready(pod)
    assert alive(pod)
