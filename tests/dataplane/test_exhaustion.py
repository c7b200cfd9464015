"""Who opens connections and reads nothing fills buffers: these fit into the sidecar's memory, and it goes on."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from hack.dataplane.netns import IMPATIENCE
from hack.dataplane.pods import PATIENCE, Pod, Road, memory_cgroup
from hack.kubectl import eventually
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.sidecar import LEAST_MEMORY
from tests.dataplane.conftest import APP_PORT, APP_USER, start
from tests.dataplane.talk import Echo, said

MIB: Final = 1024 * 1024
LIMITS: Final = (LEAST_MEMORY, 512 * MIB)
"""The least that a sidecar takes, and what the chart gives it."""
MANY: Final = 600
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
    """The client's sidecar has no more memory than that."""
    pods.client.cgroup = group
    return pods


def used(pod: Pod) -> int:
    """Return how much memory a sidecar and the kernel use for it."""
    assert pod.cgroup
    names = ("memory.current", "memory.usage_in_bytes")
    (found,) = (pod.cgroup / name for name in names if (pod.cgroup / name).exists())
    return int(found.read_text())


def alive(pod: Pod) -> bool:
    return pod.envoy is not None and pod.envoy.poll() is None


def hoard(pods: Road) -> Iterator[socket.socket]:
    """Connect as often as possible, and read nothing of what comes."""
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
