import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster import kind
from hack.cluster.control_plane import components
from hack.cluster.nodes import node_components
from hack.cluster.spec import NodeSpec
from hack.cluster.state import State

PARIS = NodeSpec(
    "paris",
    labels={
        "topology.kubernetes.io/region": "eu-fr",
        "level": "high",
        "node-restriction.kubernetes.io/datacentre": "paris",
    },
    provider_id="sim:///paris",
    taints=("sovereign=true:NoSchedule",),
)
DALLAS = NodeSpec("dallas")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return State("demo", 3, "local", (PARIS, DALLAS))


@pytest.mark.parametrize(
    "flag",
    [
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--advertise-address=10.131.0.1",
        "--service-cluster-ip-range=10.131.16.0/20",
        "--kubelet-preferred-address-types=InternalIP",
        "--enable-aggregator-routing=true",
    ],
)
def test_flags_of_the_api_server(state: State, flag: str) -> None:
    assert flag in components.render_api_server(state).argv


def test_the_audit_log_is_on_and_in_the_clusters_folder(state: State) -> None:
    assert f"--audit-log-path={state.folder}/logs/audit.log" in components.render_api_server(state).argv
    assert yaml.safe_load(components.AUDIT_POLICY)["rules"] == [{"level": "Metadata"}]


def test_the_control_planes_units_have_their_programs_names(state: State) -> None:
    names = [unit.name for unit in components.render_units(state)]
    assert names == ["etcd", "kube-apiserver", "registry", "kube-controller-manager", "kube-scheduler"]


def test_a_kubelet_sets_the_labels_that_it_may(state: State) -> None:
    flags = node_components.render_kubelet_flags(state, PARIS)
    assert "--node-labels=level=high,topology.kubernetes.io/region=eu-fr" in flags
    assert not [flag for flag in node_components.render_kubelet_flags(state, DALLAS) if "labels" in flag]


def test_a_kubelets_configuration(state: State) -> None:
    config = node_components.render_kubelet_config(state, PARIS)
    assert config["providerID"] == "sim:///paris"
    assert config["registerWithTaints"] == [{"key": "sovereign", "value": "true", "effect": "NoSchedule"}]
    assert config["cgroupRoot"] == "/sovereign3/paris"
    assert config["clusterDNS"] == ["10.131.16.10"]
    assert not {"providerID", "registerWithTaints"} & set(node_components.render_kubelet_config(state, DALLAS))


def test_pods_of_each_node_have_the_range_that_is_routed_there(state: State) -> None:
    config: Any = node_components.render_cni_config(state, DALLAS)
    assert config["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.131.129.0/24"}]]


def test_containerd_pulls_everything_from_the_clusters_registry(state: State) -> None:
    config = tomllib.loads(node_components.render_containerd_config("/run/node/bin/cni-0"))
    plugins = config["plugins"]
    assert plugins["io.containerd.cri.v1.images"]["registry"]["config_path"] == "/run/node/etc/registries"
    assert plugins["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == node_components.PAUSE_IMAGE
    assert plugins["io.containerd.cri.v1.runtime"]["cni"]["bin_dirs"] == ["/run/node/bin/cni-0"]
    registry = components.locate_registry(state)
    hosts = tomllib.loads(node_components.render_registry_config(registry))
    assert hosts == {"server": registry, "host": {registry: {"capabilities": ["pull", "resolve"]}}}


def test_sockets_of_a_node_are_at_short_paths_of_its_own() -> None:
    assert node_components.CONTAINERD_SOCKET.startswith("/run/")
    assert len(node_components.CONTAINERD_SOCKET) < 107


def test_a_node_has_its_own_places_to_write(state: State) -> None:
    mounts = node_components.render_mounts(state, "paris")
    targets = [mount["target"] for mount in mounts]
    assert {"/run", "/var", "/tmp", "/proc/sys/kernel/panic", "/proc/sys/vm/overcommit_memory"} <= set(targets)
    assert targets.index("/proc") < targets.index("/proc/sys/kernel/panic")
    assert targets.index("/sys") < targets.index("/sys/fs/cgroup")
    sources = [mount["source"] for mount in mounts if mount["target"] in {"/var", "/tmp"}]
    assert all(source.startswith(str(state.folder / "nodes" / "paris")) for source in sources)


def test_kinds_configuration(state: State) -> None:
    config = kind.render_config(state)
    assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker", "worker"]
    control_plane, paris, dallas = config["nodes"]
    assert control_plane["extraMounts"] == [{"hostPath": f"{state.folder}/audit", "containerPath": "/audit"}]
    assert paris["labels"] == {"topology.kubernetes.io/region": "eu-fr", "level": "high"}
    assert read_patch(paris) == [
        {"op": "add", "path": "/nodeRegistration/name", "value": "paris"},
        {"op": "test", "path": "/nodeRegistration/kubeletExtraArgs/1/name", "value": "provider-id"},
        {"op": "replace", "path": "/nodeRegistration/kubeletExtraArgs/1/value", "value": "sim:///paris"},
        {
            "op": "add",
            "path": "/nodeRegistration/taints",
            "value": [{"key": "sovereign", "value": "true", "effect": "NoSchedule"}],
        },
    ]
    assert read_patch(dallas) == [{"op": "add", "path": "/nodeRegistration/name", "value": "dallas"}]


def read_patch(node: Any) -> Any:
    (patch,) = node["kubeadmConfigPatchesJSON6902"]
    assert (patch["group"], patch["version"], patch["kind"]) == ("kubeadm.k8s.io", "v1beta4", "JoinConfiguration")
    return yaml.safe_load(patch["patch"])


def test_kinds_names_of_containers() -> None:
    names = [kind.name_container("demo", number) for number in range(3)]
    assert names == ["demo-worker", "demo-worker2", "demo-worker3"]
