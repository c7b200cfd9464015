from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster import Cluster, ClusterError, ClusterSpec, NodeSpec, down, prerequisites, up
from hack.cluster.state import list_names
from hack.kubectl import Kubectl
from tests.cluster.pods import write_busybox_archive

SHARED = ClusterSpec(
    "pytest-shared",
    (
        NodeSpec(
            "paris",
            labels={
                "topology.kubernetes.io/region": "eu-fr",
                "topology.kubernetes.io/zone": "eu-fr-a",
                "node-restriction.kubernetes.io/datacentre": "paris",
                "example.com/level": "high",
            },
            provider_id="sim:///eu-fr-a/paris",
            taints=("example.com/sovereign=true:PreferNoSchedule",),
        ),
        NodeSpec("dallas", labels={"topology.kubernetes.io/region": "us-south"}),
    ),
    backend="local",
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cluster: makes a real cluster on this machine; needs root")


@pytest.fixture(scope="session")
def machine() -> None:
    """Skips tests if no local cluster can run."""
    try:
        prerequisites.check()
    except ClusterError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="package")
def cluster(machine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:  # noqa: ARG001
    """A cluster of two nodes with BusyBox as ``nginx`` and as ``localhost/busybox:1``."""
    down(SHARED.name)
    cluster = up(SHARED)
    cluster.load_image(write_busybox_archive(tmp_path_factory.mktemp("images") / "busybox.tar"))
    yield cluster
    cluster.down()


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    return Kubectl(cluster.kubeconfig)


@pytest.fixture
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A separate place for clusters' folders, with a path longer than a socket's may be.

    Clusters that a failed test leaves there are taken down.
    """
    home = tmp_path / ("long" * 30)
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    yield home
    for name in list_names():
        down(name)
