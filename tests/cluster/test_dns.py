"""Names of Services, names of the pods behind a headless Service, and names that do not exist."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from hack.cluster import Cluster, NodeSpec, binaries
from hack.cluster.network import dns
from hack.cluster.spec import name_nodes
from hack.kubectl import Kubectl, eventually
from tests.cluster.pods import make_pod

IMAGE = "localhost/coredns:1"
PEERS = ("db-0", "db-1")
NOBODY = ("example.org", "nobody.default.svc.cluster.local", "db-2.db.default.svc.cluster.local")


def read_modules(name: str) -> dict[str, str]:
    go_mod = Path(binaries.__file__).with_name("go") / name / "go.mod"
    return dict(re.findall(r"^(?:require|\t)\s*(\S+) (v\S+)", go_mod.read_text(), re.MULTILINE))


def test_what_coredns_and_kubernetes_are_made_of_is_built_once() -> None:
    ours, theirs = read_modules("coredns"), read_modules("kubernetes")
    common = ours.keys() & theirs.keys()
    assert "k8s.io/client-go" in common
    assert {name: ours[name] for name in common} == {name: theirs[name] for name in common}


def read_pod(*nodes: NodeSpec) -> Any:
    return dns.render_deployment(nodes, IMAGE)["spec"]["template"]["spec"]


def test_no_taint_that_a_node_is_given_keeps_the_dns_off() -> None:
    one = NodeSpec("one", taints=("a=b:NoSchedule", "c:NoExecute"))
    two = NodeSpec("two", taints=("a=z:NoSchedule",))
    assert read_pod(one, two)["tolerations"] == [
        {"key": "a", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "c", "operator": "Exists", "effect": "NoExecute"},
    ]
    assert read_pod(NodeSpec("three"))["tolerations"] == []


@pytest.mark.parametrize(("nodes", "replicas"), [(1, 1), (2, 2), (5, 2)])
def test_each_node_has_one_dns_pod_at_most(nodes: int, replicas: int) -> None:
    assert dns.render_deployment(name_nodes(nodes), IMAGE)["spec"]["replicas"] == replicas


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Kubectl]:
    """A StatefulSet with a pod on each node, a headless Service of its own and one with an address."""
    kubectl = Kubectl(cluster.kubeconfig)
    labels = {"app": "db"}
    pod = make_pod("db")
    elsewhere = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    pod["spec"]["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [elsewhere]}}
    ports = [{"port": 80}]
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "db"},
            "spec": {"clusterIP": "None", "selector": labels, "ports": ports},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "front"},
            "spec": {"selector": labels, "ports": ports},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db"},
            "spec": {
                "serviceName": "db",
                "replicas": len(PEERS),
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod["spec"]},
            },
        },
    )
    kubectl.run("rollout", "status", "statefulset/db", "--timeout=60s")
    yield kubectl
    kubectl.run("delete", "statefulset/db", "service/db", "service/front")


def ask(kubectl: Kubectl, pod: str, name: str) -> str:
    return kubectl.attempt("exec", pod, "--", "busybox", "nslookup", "-type=a", name).stdout


def resolves(kubectl: Kubectl, pod: str, name: str, address: str) -> bool:
    return f"Address: {address}\n" in ask(kubectl, pod, name)


def test_pods_are_on_two_nodes_and_told_whom_to_ask(database: Kubectl, cluster: Cluster) -> None:
    assert {database.get("pod", pod)["spec"]["nodeName"] for pod in PEERS} == set(cluster.nodes)
    server = database.run("-n", "kube-system", "get", "service/kube-dns", "-o", "jsonpath={.spec.clusterIP}")
    for pod in PEERS:
        lines = database.run("exec", pod, "--", "busybox", "cat", "/etc/resolv.conf").splitlines()
        assert "search default.svc.cluster.local svc.cluster.local cluster.local" in lines
        assert f"nameserver {server}" in lines


@pytest.mark.parametrize("pod", PEERS)
def test_services_and_peers_have_names_on_each_node(database: Kubectl, pod: str) -> None:
    front = database.get("service", "front")["spec"]["clusterIP"]
    assert resolves(database, pod, "front.default.svc.cluster.local", front)
    for peer in PEERS:
        address = database.get("pod", peer)["status"]["podIP"]
        for name in (f"{peer}.db.default.svc.cluster.local", "db.default.svc.cluster.local"):
            eventually(partial(resolves, database, pod, name, address), seconds=10, what=f"an address of {name}")


@pytest.mark.parametrize("pod", PEERS)
@pytest.mark.parametrize(
    "name", ["example.org", "nobody.default.svc.cluster.local", "db-2.db.default.svc.cluster.local"]
)
def test_whoever_asks_for_nobody_is_told_so_at_once(database: Kubectl, pod: str, name: str) -> None:
    begun = monotonic()
    assert f"can't find {name}: NXDOMAIN" in ask(database, pod, name)
    assert monotonic() - begun < 3  # a lost query is repeated after five seconds
