import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hack.cluster import ClusterSpec, NodeSpec, down, get, up
from hack.cluster.local import LocalCluster
from hack.cluster.paths import locate_clusters
from hack.cluster.state import State, load
from hack.kubectl import Kubectl, eventually
from tests.cluster.pods import make_pod, start_pod, write_busybox_archive
from tests.cluster.snapshot import Snapshot, take_snapshot

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("machine", "own_state")]

NAME = "pytest-leaves-nothing"
SPEC = ClusterSpec(NAME, (NodeSpec("one"), NodeSpec("two")), backend="local")


@pytest.fixture
def before(own_state: Path) -> Snapshot:
    return take_snapshot(own_state)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_busybox_archive(tmp_path_factory.mktemp("images") / "busybox.tar")


def start_cluster_with_pod(archive: Path) -> tuple[LocalCluster, State]:
    cluster = up(SPEC)
    state = load(NAME)
    assert isinstance(cluster, LocalCluster)
    assert state is not None
    cluster.load_image(archive)
    pod = make_pod("web", node="one", ports=[{"containerPort": 80, "hostPort": 8080}])
    pod["spec"]["volumes"] = [{"name": "memory", "emptyDir": {"medium": "Memory"}}]
    start_pod(Kubectl(cluster.kubeconfig), pod)
    return cluster, state


def kill(state: State, unit: str) -> None:
    process = LocalCluster(state).find_process(unit)
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: not process.is_running(), what=f"end of {unit}")


def test_after_a_cluster_that_ran_a_pod(before: Snapshot, own_state: Path, archive: Path) -> None:
    cluster, state = start_cluster_with_pod(archive)
    while_up = before.list_changes(take_snapshot(own_state), state.index)
    assert {line.partition(":")[0] for line in while_up} == {
        "processes",
        "cgroups",
        "links",
        "routes",
        "files",
        "sysctls",
    }

    cluster.down()

    assert before.list_changes(take_snapshot(own_state), state.index) == []


@pytest.mark.parametrize(
    "units",
    [
        ("one.kubelet", "two.containerd", "kube-apiserver"),
        ("one.containerd", "etcd", "two.holder"),
        ("holder",),
    ],
)
def test_after_parts_were_killed(before: Snapshot, own_state: Path, archive: Path, units: tuple[str, ...]) -> None:
    cluster, state = start_cluster_with_pod(archive)
    for unit in units:
        kill(state, unit)

    cluster.down()

    assert before.list_changes(take_snapshot(own_state), state.index) == []


@pytest.mark.parametrize(
    "reached", ["cluster.json", "processes/holder.json", "logs/node-2.containerd.log", "logs/node-1.kubelet.log"]
)
def test_after_up_was_killed(before: Snapshot, own_state: Path, reached: str) -> None:
    argv = [sys.executable, "-m", "hack.cluster", "up", f"--name={NAME}", "--nodes=2", "--backend=local"]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        eventually((locate_clusters() / NAME / reached).exists, what=reached, pause=0.05)
        process.kill()
    state = load(NAME)
    assert state is not None

    assert down(NAME)

    assert before.list_changes(take_snapshot(own_state), state.index) == []
    assert get(NAME) is None
    assert not down(NAME)


def test_up_repairs_a_cluster_whose_parts_were_killed(archive: Path) -> None:
    cluster, state = start_cluster_with_pod(archive)
    kubectl = Kubectl(cluster.kubeconfig)
    try:
        for unit in ("one.kubelet", "two.holder", "etcd", "kube-apiserver", "kube-scheduler", "registry"):
            kill(state, unit)
        assert cluster.list_dead()

        up(SPEC)

        assert cluster.list_dead() == []
        assert kubectl.get("pod", "web")["status"]["phase"] == "Running"
        start_pod(kubectl, make_pod("another", node="two"))

        kill(state, "holder")

        up(SPEC)

        # The same pods, in new containers, as after a power cut of the machine.
        kubectl.run("wait", "--for=condition=Ready", "--timeout=60s", "pod/web", "pod/another")
    finally:
        cluster.down()
