"""A pod in scope runs on accepted nodes only, even if one of the rules that keep it there is gone."""

import json

import pytest

from hack.demo.attacks import NODE_LABEL, TARGET
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.guards import BY_NAMESPACE, without_bindings, without_placement
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import audit, placed_for
from tests.e2e.support.sidecars import dry_run
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.every_kubernetes


def test_an_affinity_for_any_node_finds_only_accepted_ones(admin: Kubectl, mallory: Kubectl, space: Space) -> None:
    namespace = space()
    terms = [
        {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [TARGET]}]},
        {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]},
    ]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    mallory.create(pod("open", affinity=affinity, tolerations=[{"operator": "Exists"}]), namespace)
    node = eventually(lambda: admin.get("pod", "open", namespace)["spec"].get("nodeName"), what="a node")
    assert node in {"brest-1", "lyon-1"}


def test_a_pod_cannot_undo_its_placement(mallory: Kubectl, space: Space) -> None:
    """Kubernetes lets the node selector of a gated pod only grow; the policy's label is in it from the start."""
    namespace = space()
    mallory.create(
        pod("gated", schedulingGates=[{"name": "example.org/wait"}], nodeSelector={NODE_LABEL: "no"}), namespace
    )
    for value in (None, "no"):
        patch = json.dumps({"spec": {"nodeSelector": {NODE_LABEL: value}}})
        refused = mallory.refusal("-n", namespace, "patch", "pod", "gated", "--type=merge", "-p", patch)
        assert "spec.nodeSelector" in refused


def test_without_placement_the_guard_lets_no_pod_in(admin: Kubectl, mallory: Kubectl, space: Space) -> None:
    """Two rules keep a pod from a refused node; with both removed the pod runs there, and an audit annotation reports
    it.
    """
    namespace = space()
    attempt = ("-n", namespace, "create", "-f", "-")
    manifest = json.dumps(pod("attack", nodeName=TARGET))
    with without_placement(admin) as missing:
        refused = eventually(
            lambda: "not placed" in (seen := mallory.attempt(*attempt, stdin=json.dumps(pod("free"))).stderr) and seen,
            what="refusal of a pod that is not placed",
        )
        assert f"ValidatingAdmissionPolicy '{BY_NAMESPACE}'" in refused
        assert missing in refused
        with without_bindings(admin, BY_NAMESPACE):
            eventually(lambda: not mallory.attempt(*attempt, stdin=manifest).returncode, what="success without both")
            eventually(lambda: admin.get("pod", "attack", namespace)["status"]["phase"] == "Running", what="it runs")
    seen = eventually(lambda: audit(admin.get("pod", "attack", namespace)).get("verdict"), what="a verdict on the pod")
    assert seen.startswith("refused")
    # What was created again takes effect after a moment.
    eventually(lambda: placed_for(dry_run(mallory, pod("again"), namespace)), what="placement again")


def test_without_the_guard_the_kubelet_still_refuses(admin: Kubectl, mallory: Kubectl, space: Space) -> None:
    """The kubelet of the node that the pod names checks the node selector that placement wrote."""
    namespace = space()
    with without_bindings(admin, BY_NAMESPACE):
        manifest = json.dumps(pod("attack", nodeName=TARGET))
        attempt = ("-n", namespace, "create", "-f", "-")
        eventually(lambda: not mallory.attempt(*attempt, stdin=manifest).returncode, what="success without the guard")
    status = eventually(
        lambda: (seen := admin.get("pod", "attack", namespace)["status"])["phase"] == "Failed" and seen, what="failure"
    )
    assert status["reason"] == "NodeAffinity"


def test_a_grant_to_every_service_account_accepts_no_node(admin: Kubectl, mallory: Kubectl, space: Space) -> None:
    """The guards check what a service account may do. If it may do everything, each node would look accepted."""
    namespace = space()
    attempt = ("-n", namespace, "create", "--dry-run=server", "-f", "-")
    manifest = json.dumps(pod("attack", nodeName=TARGET))
    grant = ("--clusterrole=cluster-admin", "--group=system:serviceaccounts")
    admin.run("create", "clusterrolebinding", "overgranted", *grant)
    try:
        refused = eventually(
            lambda: "meaningless roles" in (seen := mallory.attempt(*attempt, stdin=manifest).stderr) and seen,
            what="refusal by the meaningless roles",
        )
        assert f"ValidatingAdmissionPolicy '{BY_NAMESPACE}'" in refused
    finally:
        admin.delete("clusterrolebinding", "overgranted")
    eventually(lambda: "names node" in mallory.attempt(*attempt, stdin=manifest).stderr, what="roles mean something")
