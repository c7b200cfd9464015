"""Attacks by a user to whom RBAC allows everything, each refused by exactly one admission policy of the chart.

Each test also checks that the attack succeeds once that policy's binding is deleted.
"""

import json
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any

import pytest

from hack.cluster import Cluster
from hack.demo.attacks import NODE_LABEL, TARGET, binding
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.estate import labelled
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.installation import MALLORY
from tests.e2e.support.manifests import pod, sovereign
from tests.e2e.support.observed import audit
from tests.e2e.support.spaces import Space

INSIDE = "brest-1"


@dataclass(frozen=True)
class Attack:
    """An attack that ``guard`` refuses with a message that contains ``says``.

    ``policy`` is the value of the namespace's label. ``body`` is posted to ``path``; in the path, {space} stands for
    the namespace. With ``waiting``, the namespace has an unscheduled pod of that name.
    """

    guard: str
    says: str
    body: Json
    path: str = "/api/v1/namespaces/{space}/pods"
    policy: str | None = "secnumcloud"
    waiting: bool = False

    def run(self, attacker: Kubectl, space: str) -> CompletedProcess[str]:
        """Try the attack."""
        path = self.path.format(space=space)
        return attacker.attempt("create", "--raw", path, "-f", "-", stdin=json.dumps(self.body))


BY_NAMESPACE, BY_LABEL = "sovereignty-guard-pods-by-namespace", "sovereignty-guard-pods-by-label"
BINDINGS = "sovereignty-guard-bindings"
NODES = "sovereignty-guard-nodes"
LABELS = "sovereignty-guard-labels"
POD_BINDING = "/api/v1/namespaces/{space}/pods/waiting/binding"
OLD_BINDING = "/api/v1/namespaces/{space}/bindings"


def claims(policy: str, **spec: Any) -> Json:
    """Return a pod that names its policy itself."""
    return pod("attack", labels={"sovereignty.dev/policy": policy}, **spec)


def marked(**metadata: dict[str, str]) -> Json:
    """Return a Binding to an accepted node with additional metadata."""
    body = binding("waiting", INSIDE)
    return body | {"metadata": body["metadata"] | metadata}


CLAIM = marked(labels={"sovereignty.dev/policy": "hds"})


def fake_node(**labels: str) -> Json:
    """Return a Node that no kubelet registered."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "fake", "labels": labels}}


ATTACKS = {
    "a pod names its node": Attack(BY_NAMESPACE, "names node paris-1", pod("attack", nodeName=TARGET)),
    "a pod names a node that does not exist": Attack(BY_NAMESPACE, "names node no-1", pod("attack", nodeName="no-1")),
    "a pod by label names its node": Attack(
        BY_LABEL, "names node paris-1", claims("secnumcloud", nodeName=TARGET), policy=None
    ),
    "a Binding by hand": Attack(
        BINDINGS, "cannot be bound to node paris-1", binding("waiting", TARGET), POD_BINDING, waiting=True
    ),
    "a Binding by hand through the old endpoint": Attack(
        BINDINGS, "cannot be bound to node paris-1", binding("waiting", TARGET), OLD_BINDING, waiting=True
    ),
    "a Binding that changes the policy": Attack(
        LABELS, "leave them out of its Binding", CLAIM, OLD_BINDING, waiting=True
    ),
    "a Binding that brings a pod into scope": Attack(
        LABELS, "leave them out of its Binding", CLAIM, POD_BINDING, policy=None, waiting=True
    ),
    "a Binding that says where a pod was placed": Attack(
        LABELS,
        "leave them out of its Binding",
        marked(labels={"sovereignty.dev/placed-for": "secnumcloud"}),
        OLD_BINDING,
        policy=None,
        waiting=True,
    ),
    "a mistyped policy": Attack(BY_NAMESPACE, 'policy "secnumcluod"', pod("attack"), policy="secnumcluod"),
    "an empty policy": Attack(BY_NAMESPACE, 'policy ""', pod("attack"), policy=""),
    "an ill-formed policy": Attack(BY_NAMESPACE, 'policy "SecNum_Cloud"', pod("attack"), policy="SecNum_Cloud"),
    "a policy whose name no account can have": Attack(BY_NAMESPACE, 'policy "a..b"', pod("attack"), policy="a..b"),
    "a mistyped policy by label": Attack(BY_LABEL, 'policy "secnumcluod"', claims("secnumcluod"), policy=None),
    "an empty policy by label": Attack(BY_LABEL, 'policy ""', claims(""), policy=None),
    "a pod that claims another policy than its namespace": Attack(BY_NAMESPACE, "two policies", claims("hds")),
    "a mirror pod that no kubelet made": Attack(
        BY_NAMESPACE,
        "names node paris-1",
        pod("attack", nodeName=TARGET)
        | {"metadata": {"name": "attack", "annotations": {"kubernetes.io/config.mirror": "x"}}},
    ),
    "a node that brings the label": Attack(
        NODES, f"may not change {NODE_LABEL}", fake_node(**{NODE_LABEL: "accepted"}), "/api/v1/nodes"
    ),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_refused_by_one_guard_and_nothing_else(
    admin: Kubectl, mallory: Kubectl, space: Space, attack: Attack
) -> None:
    namespace = space(attack.policy)
    if attack.waiting:
        admin.create(pod("waiting", schedulerName="nobody"), namespace)

    refused = attack.run(mallory, namespace)
    assert refused.returncode
    assert f"ValidatingAdmissionPolicy '{attack.guard}'" in refused.stderr
    assert attack.says in refused.stderr
    assert "\n" not in refused.stderr.strip()

    with without_bindings(admin, attack.guard):
        eventually(lambda: attack.run(mallory, namespace).returncode == 0, seconds=20, what="success without the guard")
    eventually(lambda: attack.guard in attack.run(mallory, namespace).stderr, seconds=20, what="the guard again")
    admin.delete("node", "fake")


RELABEL = {"nodes": (), "nodes/status": ("--subresource=status",)}


@pytest.mark.parametrize("options", RELABEL.values(), ids=RELABEL.keys())
def test_nobody_labels_a_node_as_accepted(admin: Kubectl, mallory: Kubectl, options: tuple[str, ...]) -> None:
    patch = json.dumps({"metadata": {"labels": {NODE_LABEL: "accepted"}}})
    attack = ("patch", "node", TARGET, *options, "--type=merge", "-p", patch)
    refused = mallory.refusal(*attack)
    assert f"ValidatingAdmissionPolicy '{NODES}'" in refused
    assert "say in a Datacentre where the node stands" in refused

    with without_bindings(admin, NODES):
        eventually(lambda: mallory.attempt(*attack).returncode == 0, seconds=20, what="success without the guard")
    # Even without the guard the label does not last: the controller removes labels that it did not decide.
    eventually(lambda: labelled(admin) == {"brest-1", "lyon-1"}, seconds=20, what="the label gone")
    eventually(lambda: NODES in mallory.attempt(*attack, "--dry-run=server").stderr, seconds=20, what="the guard again")


def test_nobody_takes_the_label_off_an_accepted_node(mallory: Kubectl) -> None:
    """Without the label, a kubelet that restarts would end the policy's pods on the node."""
    assert NODES in mallory.refusal("label", "node", INSIDE, f"{NODE_LABEL}-")


def test_a_kubelet_does_not_label_its_node_as_accepted(cluster: Cluster) -> None:
    """The label has the reserved prefix for this reason: NodeRestriction, the API server's own plugin, refuses the
    kubelet.
    """
    kubelet = Kubectl(cluster.node_kubeconfig(TARGET))
    assert "is not allowed to modify labels" in kubelet.refusal("label", "node", TARGET, f"{NODE_LABEL}=accepted")


def test_nor_does_it_say_what_a_policy_thinks_of_it(cluster: Cluster) -> None:
    kubelet = Kubectl(cluster.node_kubeconfig(TARGET))
    verdict = f"verdict.{_POLICY}"
    for attack in (f"{verdict}=accepted, by me", f"{verdict}-", "verdict.sovereignty.dev/other=accepted"):
        refused = kubelet.refusal("annotate", "node", TARGET, attack, "--overwrite")
        assert f"ValidatingAdmissionPolicy '{NODES}'" in refused
        assert f"system:node:{TARGET} may not write verdict.sovereignty.dev/" in refused
    kubelet.run("annotate", "node", TARGET, "example.org/x=y", "--dry-run=server")


@pytest.mark.usefixtures("changed_estate")
def test_what_a_kubelet_says_of_itself_is_no_evidence(admin: Kubectl, cluster: Cluster) -> None:
    """A kubelet may label its node with a region. A datacentre that selects on it contains the node, but strict
    policies still refuse the node.
    """
    region = "topology.kubernetes.io/region"
    before = admin.get("node", TARGET)["metadata"]["labels"][region]
    site = {"serviceRef": {"name": "armor-snc"}, "country": "FR", "nodeSelector": {region: "armor-brest-snc"}}
    admin.delete("datacentre", "paris")
    admin.apply(
        {"apiVersion": "sovereignty.dev/v1alpha1", "kind": "Datacentre", "metadata": {"name": "brest-2"}, "spec": site}
    )
    kubelet = Kubectl(cluster.node_kubeconfig(TARGET))
    try:
        kubelet.run("label", "node", TARGET, f"{region}=armor-brest-snc", "--overwrite")
        verdict = eventually(
            lambda: (
                "brest-2" in (seen := admin.get("node", TARGET)["metadata"]["annotations"][f"verdict.{_POLICY}"])
                and seen
            ),
            what="a verdict about brest-2",
        )
        assert verdict.startswith("refused")
        assert TARGET not in labelled(admin)
    finally:
        kubelet.run("label", "node", TARGET, f"{region}={before}", "--overwrite")
        admin.delete("datacentre", "brest-2")


_POLICY = "sovereignty.dev/secnumcloud"


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
    place = "sovereignty-place-pods-by-namespace"
    attempt = ("-n", namespace, "create", "-f", "-")
    manifest = json.dumps(pod("attack", nodeName=TARGET))
    with without_bindings(admin, place):
        refused = eventually(
            lambda: "not placed" in (seen := mallory.attempt(*attempt, stdin=json.dumps(pod("free"))).stderr) and seen,
            what="refusal of a pod that is not placed",
        )
        assert f"ValidatingAdmissionPolicy '{BY_NAMESPACE}'" in refused
        assert place in refused
        with without_bindings(admin, BY_NAMESPACE):
            eventually(lambda: not mallory.attempt(*attempt, stdin=manifest).returncode, what="success without both")
            eventually(lambda: admin.get("pod", "attack", namespace)["status"]["phase"] == "Running", what="it runs")
    seen = eventually(lambda: audit(admin.get("pod", "attack", namespace)).get("verdict"), what="a verdict on the pod")
    assert seen.startswith("refused")


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


def test_a_mistyped_policy_is_told_to_whoever_writes_it(admin: Kubectl, space: Space) -> None:
    label = ("label", "namespace", space(None), "--overwrite")
    said = admin.attempt(*label, "sovereignty.dev/enforce=secnumcluod")
    assert said.returncode == 0
    assert "Warning: " in said.stderr
    assert 'there is no SovereigntyPolicy "secnumcluod" yet, so no pod can start' in said.stderr
    assert admin.attempt(*label, "sovereignty.dev/enforce=secnumcloud").stderr == ""


def test_nobody_says_who_asked_but_the_api_server(admin: Kubectl, mallory: Kubectl, space: Space) -> None:
    namespace = space(None)
    forged = sovereign("app", workloadRef={"kind": "Deployment", "name": "app"})
    forged["metadata"]["annotations"] = {"audit.sovereignty.dev/requested-by": "somebody else"}

    def requester() -> str:
        mallory.apply(forged, namespace=namespace, options=["--server-side", "--force-conflicts"])
        annotations: dict[str, str] = admin.get("swl", "app", namespace)["metadata"]["annotations"]
        return annotations["audit.sovereignty.dev/requested-by"]

    assert requester() == MALLORY
    mallory.run("-n", namespace, "delete", "swl", "app")
    with without_bindings(admin, "sovereignty-stamp-requester"):
        eventually(lambda: requester() == "somebody else", what="forgery without the stamp")
