"""Clients that open connections and read nothing fill buffers: these fit into the sidecar's memory, and it survives."""

import contextlib
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from hack.dataplane.netns import IMPATIENCE
from hack.dataplane.pods import PATIENCE, Pod, Road, memory_cgroup
from hack.kubectl import eventually
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import LEAST_MEMORY, Probe, ProbeKind
from sovereign_operator.dataplane.kubelets import HEALTH_CHECK
from tests.dataplane.links import APP_PORT, APP_USER
from tests.dataplane.roads import start
from tests.dataplane.talk import Echo, frame, literal, said

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


@pytest.fixture
def limited(group: Path, pods: Road) -> Road:
    """Two pods, of which the client's sidecar has this memory limit."""
    pods.client.cgroup = group
    return pods


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
    shown = subprocess.check_output(["ip", "netns", "exec", pod.net.name, "ss", "-Htmn"], text=True)
    return sum(int(number) for number in re.findall(r"[(,][rfw]([0-9]+)(?=[,)])", shown))


def alive(pod: Pod) -> bool:
    return pod.envoy is not None and pod.envoy.poll() is None


def hoard(pods: Road) -> Iterator[socket.socket]:
    """Open as many connections as possible, and read nothing from them."""
    with contextlib.suppress(OSError):
        for _ in range(MANY):
            connection = pods.client.net.open(socket.AF_INET, uid=APP_USER, wait=IMPATIENCE)
            connection.connect((pods.server.address, GREEDY_PORT))
            yield connection


def test_connections_that_read_nothing_do_not_take_the_sidecar_away(limited: Road, limit: int) -> None:
    start(limited, EncryptionMode.STRICT)
    with (
        Echo(limited.server.net, GREEDY_PORT, greeting=b"x" * 8 * MIB),
        Echo(limited.server.net, APP_PORT),
    ):
        hoarded = list(hoard(limited))
        assert len(hoarded) > 50
        levels: list[int] = []

        def is_full() -> bool:
            assert alive(limited.client), f"killed with {levels[-1:]} bytes in use"
            levels.append(used(limited.client))
            return len(levels) > 10 and max(levels[-5:]) - min(levels[-5:]) < MIB

        eventually(is_full, seconds=PATIENCE, what="as much as there is to come")
        assert alive(limited.client)
        assert max(levels) < limit * 0.95
        for connection in hoarded:
            connection.close()
        eventually(
            lambda: said(limited.client.net, limited.server.address, APP_PORT, b"word") == b"word",
            seconds=PATIENCE,
            what="talk as before",
        )
    assert alive(limited.client)


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
