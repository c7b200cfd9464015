"""What Karpenter may write on a node that it registers, nobody else may, and Karpenter may not at any other time.

Its NodePools say that policies will accept their nodes, by the label that the controller writes on accepted nodes. The
label attracts pods, and admits none: the host role decides.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hack.cluster import Cluster
from hack.demo.attacks import NODE_LABEL
from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from tests.e2e.support.estate import labelled, restore_estate
from tests.e2e.support.guards import NODES
from tests.e2e.support.installation import KARPENTER
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import told
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.every_kubernetes

NODE = "registering-1"
UNREGISTERED = {"key": "karpenter.sh/unregistered", "effect": "NoExecute"}
PROMISE = {NODE_LABEL: "accepted", names.node_host_label("secnumcloud"): "accepted"}
TAINTED: Json = {"taints": [UNREGISTERED]}


@pytest.fixture(scope="module")
def karpenter(admin: Kubectl, cluster: Cluster) -> Iterator[Kubectl]:
    """The user that the values name, to whom RBAC allows everything: whatever refuses it is a guard."""
    admin.run("create", "clusterrolebinding", KARPENTER, "--clusterrole=cluster-admin", f"--user={KARPENTER}")
    yield Kubectl(cluster.user_kubeconfig(KARPENTER))
    admin.delete("clusterrolebinding", KARPENTER)


@pytest.fixture
def unregistered(admin: Kubectl) -> Iterator[str]:
    """A node as its kubelet registers it for Karpenter, with the taint and without labels of the NodePool."""
    admin.create(node(spec=TAINTED))
    yield NODE
    admin.delete("node", NODE)


def node(labels: dict[str, str] | None = None, spec: Json | None = None) -> Json:
    """Return a node with room for pods, which nothing runs."""
    room = {"cpu": "4", "memory": "8Gi", "pods": "10"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE, **(labels or {})}},
        "spec": spec or {},
        "status": {"capacity": room, "allocatable": room},
    }


def create(person: Kubectl, body: Json) -> str:
    """Create a node as a dry run, and return why that was refused; empty if it was not."""
    words = ("create", "--dry-run=server", "-f", "-")
    return person.attempt(*words, stdin=json.dumps(body)).stderr


def change(person: Kubectl, *way: str, metadata: Json, spec: Json | None = None, name: str = NODE) -> str:
    """Change a node as a dry run, and return why that was refused; empty if it was not."""
    patch = json.dumps({"metadata": metadata, **({"spec": spec} if spec is not None else {})})
    return person.attempt("patch", "node", name, *way, "--dry-run=server", "--type=merge", "-p", patch).stderr


def registers(person: Kubectl, *way: str, **metadata: Any) -> str:
    """Do what Karpenter does in one request: write labels, and take the taint away."""
    return change(person, *way, metadata=metadata or {"labels": PROMISE}, spec={"taints": []})


@pytest.mark.usefixtures("unregistered")
def test_karpenter_registers_a_node_with_the_label_of_its_node_pool(karpenter: Kubectl) -> None:
    assert not registers(karpenter)
    assert not create(karpenter, node(PROMISE, TAINTED) | {"metadata": {"name": "other-1", "labels": PROMISE}})


@pytest.mark.usefixtures("unregistered")
def test_nobody_else_uses_that(mallory: Kubectl) -> None:
    """Not even a user who may update nodes, and who could put the taint there as well."""
    for said in (registers(mallory), change(mallory, metadata={"labels": PROMISE})):
        assert f"ValidatingAdmissionPolicy '{NODES}'" in said
        assert "may not change" in said
        assert "karpenter.sh/unregistered" not in said
    assert NODES in create(mallory, node(PROMISE, TAINTED) | {"metadata": {"name": "other-1", "labels": PROMISE}})


def test_nor_does_a_kubelet_that_registers(cluster: Cluster) -> None:
    """It brings the taint itself, as Karpenter demands. NodeRestriction keeps it from bringing the label."""
    kubelet = Kubectl(cluster.user_kubeconfig(f"system:node:{NODE}", ["system:nodes"]))
    assert not create(kubelet, node(spec=TAINTED))
    assert "is not allowed to set the following labels" in create(kubelet, node(PROMISE, TAINTED))


def test_a_kubelet_adds_no_label_of_a_pool(cluster: Cluster) -> None:
    kubelet = Kubectl(cluster.node_kubeconfig("paris-1"))
    mark = {"labels": {"pool.node-restriction.kubernetes.io/name": "general"}}
    assert "is not allowed to modify labels" in change(kubelet, metadata=mark, name="paris-1")


@pytest.mark.usefixtures("unregistered")
@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"labels": {NODE_LABEL: "refused"}}, id="another-value"),
        pytest.param({"labels": {NODE_LABEL: ""}}, id="no-value"),
        pytest.param({"labels": {names.NODE_DATACENTRE_LABEL: "brest"}}, id="the-datacentre"),
        pytest.param({"labels": {names.NODE_UID_LABEL: "x"}}, id="the-uid"),
        pytest.param({"labels": {**PROMISE, names.NODE_DATACENTRE_LABEL: "brest"}}, id="the-datacentre-as-well"),
        pytest.param({"annotations": {"verdict.sovereignty.dev/secnumcloud": "accepted"}}, id="a-verdict"),
    ],
)
def test_a_stolen_token_of_karpenter_writes_nothing_else(karpenter: Kubectl, metadata: Json) -> None:
    assert f"ValidatingAdmissionPolicy '{NODES}'" in registers(karpenter, **metadata)


@pytest.mark.usefixtures("unregistered")
def test_nor_through_the_status(karpenter: Kubectl) -> None:
    assert NODES in change(karpenter, "--subresource=status", metadata={"labels": PROMISE})


@pytest.mark.parametrize("name", ["paris-1", "nantes-1"])
def test_nor_on_a_node_that_is_registered(karpenter: Kubectl, name: str) -> None:
    said = change(karpenter, metadata={"labels": PROMISE}, name=name)
    assert f"ValidatingAdmissionPolicy '{NODES}'" in said
    assert "while the node has the taint karpenter.sh/unregistered:NoExecute" in said


def test_bringing_the_taint_in_the_same_request_does_not_help(karpenter: Kubectl) -> None:
    assert NODES in change(karpenter, metadata={"labels": PROMISE}, spec=TAINTED, name="paris-1")


def test_a_label_that_the_controller_does_not_confirm_is_gone_at_once(
    admin: Kubectl, karpenter: Kubectl, unregistered: str
) -> None:
    karpenter.run("label", "node", unregistered, f"{NODE_LABEL}=accepted")
    eventually(lambda: unregistered not in labelled(admin), seconds=20, what="the label gone")
    verdict = admin.get("node", unregistered)["metadata"]["annotations"]["verdict.sovereignty.dev/secnumcloud"]
    assert verdict.startswith(f"refused: {unregistered} is in no datacentre")


@pytest.fixture
def without_controller(admin: Kubectl) -> Iterator[None]:
    """End all controllers, and start them again."""
    admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-controller", "--replicas=0")
    eventually(lambda: not admin.list("pods", NAMESPACE, selector=CONTROLLER_PODS), what="no controller")
    yield
    restore_estate(admin)


@pytest.mark.usefixtures("without_controller")
def test_a_pod_that_the_label_attracts_does_not_start_and_says_why(
    admin: Kubectl, karpenter: Kubectl, space: Space
) -> None:
    """The worst case: a stolen token, and no controller to remove the label. The role still decides."""
    namespace = space()
    karpenter.create(node(PROMISE, TAINTED))
    try:
        # Nor may it take back or change what is there: without the label, pods of the policy would end.
        for value in (None, "refused"):
            assert NODES in registers(karpenter, labels={NODE_LABEL: value})
        # The node is unready, as no kubelet runs there. The pod tolerates that, and fits nowhere else.
        only_there = {"kubernetes.io/hostname": NODE}
        admin.create(pod("attracted", nodeSelector=only_there, tolerations=[{"operator": "Exists"}]), namespace)
        eventually(lambda: told(admin, namespace, f"cannot be bound to node {NODE}"), what="why the pod waits")
        assert "nodeName" not in admin.get("pod", "attracted", namespace)["spec"]
    finally:
        admin.delete("node", NODE)
