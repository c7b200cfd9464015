"""What happens on nodes when their datacentre is no longer accepted, and when it is accepted again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import CompletedProcess

import pytest

from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.estate import host_names, labelled, set_status
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.observed import condition, events, living_pods, metric, nodes_of, told
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.usefixtures("changed_estate")


def taints(admin: Kubectl, node: str) -> set[str]:
    """Return keys and effects of a node's taints."""
    return {f"{taint['key']}:{taint['effect']}" for taint in admin.get("node", node)["spec"].get("taints", ())}


@contextmanager
def cordoned(admin: Kubectl, node: str) -> Iterator[None]:
    """Cordon a node for a while."""
    admin.run("cordon", node)
    try:
        yield
    finally:
        admin.run("uncordon", node)


AVOID = "sovereignty.dev/not-accepted:PreferNoSchedule"


@pytest.mark.every_kubernetes
def test_a_suspension_stops_new_pods_at_once_and_kills_none(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    namespace = space()
    # Pods of an earlier test's deleted policy may still be terminating: their nodes are tainted until then.
    eventually(
        lambda: not any(AVOID in taints(admin, node) for node in ("brest-1", "lyon-1")), what="nodes that nobody avoids"
    )
    # The scheduler guarantees no spread, so each half of the pods has only one node available.
    for closed, replicas in (("lyon-1", 2), ("brest-1", 4)):
        with cordoned(admin, closed):
            admin.apply(workload("Deployment", "app", replicas), namespace=namespace)
            admin.run("-n", namespace, "rollout", "status", "deployment/app", "--timeout=90s")
    admin.apply(sovereign("app", workloadRef={"kind": "Deployment", "name": "app"}), namespace=namespace)
    admin.run("-n", namespace, "wait", "swl/app", "--for=condition=Ready", "--timeout=90s")
    assert nodes_of(living_pods(admin, namespace)) == {"brest-1", "lyon-1"}
    before = {entry["metadata"]["uid"] for entry in living_pods(admin, namespace)}

    set_status(admin, "hexa-gouv", "Suspended")

    eventually(lambda: host_names(admin, "secnumcloud") == ["brest-1"], seconds=20, what="the role without lyon-1")
    placed = eventually(
        lambda: (seen := condition(admin, "swl", "app", "Placed", namespace))["status"] == "False" and seen,
        what="pods reported outside",
    )
    assert placed["reason"] == "PodsOutside"
    assert "SecNumCloud 3.2 (decision EX-201) is suspended" in placed["message"]
    assert f"kubectl -n {namespace} rollout restart deployment/app" in placed["message"]
    eventually(lambda: "PodsOutside" in events(admin, namespace, "app"), what="an Event")
    outside = f'sovereign_pods_in_scope{{namespace="{namespace}",place="outside",policy="secnumcloud"}}'
    eventually(lambda: metric(admin, cluster, outside) > 0, what="the metric that pages people")
    # The label stays for the running pods, because a kubelet that restarts would kill them without it; the taint makes
    # the scheduler prefer other nodes.
    assert "lyon-1" in labelled(admin)
    eventually(lambda: AVOID in taints(admin, "lyon-1"), what="the taint")
    assert {entry["metadata"]["uid"] for entry in living_pods(admin, namespace)} == before
    refused = admin.refusal("-n", namespace, "create", "-f", "-", stdin=json.dumps(pod("late", nodeName="lyon-1")))
    assert "node not accepted" in refused

    admin.run("-n", namespace, "rollout", "restart", "deployment/app")
    admin.run("-n", namespace, "wait", "swl/app", "--for=condition=Ready", "--timeout=90s")
    assert nodes_of(living_pods(admin, namespace)) == {"brest-1"}
    eventually(
        lambda: labelled(admin) == {"brest-1"} and AVOID not in taints(admin, "lyon-1"),
        what="lyon-1 without label and taint",
    )

    set_status(admin, "hexa-gouv", "Qualified")
    eventually(lambda: host_names(admin, "secnumcloud") == ["brest-1", "lyon-1"], what="lyon-1 back")
    eventually(lambda: labelled(admin) == {"brest-1", "lyon-1"}, what="its label back")


@pytest.mark.every_kubernetes
def test_only_what_admission_placed_keeps_a_label_on_a_node(admin: Kubectl, mallory: Kubectl, space: Space) -> None:
    """A node keeps a policy's label for placed pods. If unplaced pods counted, other pods could start on it as well."""
    label = {"sovereignty.dev/placed-for": "secnumcloud"}
    chosen = {
        "kubernetes.io/hostname": "lyon-1",
        "policy.sovereignty.node-restriction.kubernetes.io/secnumcloud": "accepted",
    }
    for namespace, labels in ((space(None), label), (space(None), {})):
        # A SovereignWorkload makes the controller watch the namespace's pods; the pod itself is not in scope.
        none = {"kind": "Deployment", "name": "none"}
        admin.apply(sovereign("app", policy="secnumcloud", workloadRef=none), namespace=namespace)
        mallory.create(pod("squatter", labels=labels, nodeSelector=chosen), namespace)
        admin.run("-n", namespace, "wait", "pod/squatter", "--for=condition=Ready", "--timeout=60s")
    set_status(admin, "hexa-gouv", "Suspended")
    eventually(lambda: labelled(admin) == {"brest-1"}, what="the label gone from lyon-1")


@pytest.mark.usefixtures("emptied")
def test_a_node_that_is_full_keeps_neither_its_label_nor_what_was_said(admin: Kubectl, cluster: Cluster) -> None:
    """A kubelet may annotate its node until the annotations have no room left."""
    verdict = "verdict.sovereignty.dev/secnumcloud"

    def annotations() -> Json:
        found: Json = admin.get("node", "lyon-1")["metadata"]["annotations"]
        return found

    eventually(lambda: annotations()[verdict].startswith("accepted"), what="what is said of an accepted node")
    left = 256 * 1024 - sum(len(key) + len(value) for key, value in annotations().items()) - len("example.org/x")
    kubelet = Kubectl(cluster.node_kubeconfig("lyon-1"))
    filled = json.dumps({"metadata": {"annotations": {"example.org/x": "x" * left}}})
    kubelet.run("patch", "node", "lyon-1", "--type=merge", "--patch-file=/dev/stdin", stdin=filled)

    set_status(admin, "hexa-gouv", "Suspended")
    eventually(lambda: labelled(admin) == {"brest-1"}, what="the label gone from lyon-1")
    eventually(lambda: verdict not in annotations(), what="nothing said that is not so")
    kubelet.run("annotate", "node", "lyon-1", "example.org/x-")
    eventually(lambda: annotations()[verdict].startswith("refused"), what="the truth, once there is room")


def test_a_crowd_of_annotations_on_a_node_delays_no_withdrawal(admin: Kubectl, cluster: Cluster) -> None:
    """Many small annotations cost the API server most: a write of such a node once took longer than a request may."""
    kubelet = Kubectl(cluster.node_kubeconfig("lyon-1"))

    def annotate(value: str | None) -> CompletedProcess[str]:
        crowd = json.dumps({"metadata": {"annotations": {f"{number:05}": value for number in range(20_000)}}})
        return kubelet.attempt("patch", "node", "lyon-1", "--type=merge", "--patch-file=/dev/stdin", stdin=crowd)

    assert "too many annotations" in annotate("").stderr
    # The node may have them from before the guard was installed.
    with without_bindings(admin, "sovereignty-guard-nodes"):
        eventually(lambda: not annotate("").returncode, what="a crowded node")
    try:
        set_status(admin, "hexa-gouv", "Suspended")
        eventually(lambda: host_names(admin, "secnumcloud") == ["brest-1"], seconds=5, what="the role without lyon-1")
        eventually(lambda: labelled(admin) == {"brest-1"}, what="the label gone from lyon-1")
        eventually(lambda: told(admin, "default", "too many labels or annotations"), what="an Event that says why")
    finally:
        done = annotate(None)
    assert not done.returncode, done.stderr


@pytest.fixture
def emptied(admin: Kubectl) -> Iterator[None]:
    """Remove the annotation with which a test filled a node."""
    yield
    admin.run("annotate", "node", "lyon-1", "example.org/x-")
