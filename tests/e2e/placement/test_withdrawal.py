"""What happens when a datacentre is no longer accepted, and when it is accepted again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from subprocess import CompletedProcess
from zoneinfo import ZoneInfo

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.estate import host_names, labelled, set_qualification, set_status
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.observed import audit, condition, events, living_pods, metric, nodes_of, told
from tests.e2e.support.shifted_clock import shifted
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.usefixtures("changed_estate")

PARIS = ZoneInfo("Europe/Paris")


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
    eventually(lambda: labelled(admin) == {"brest-1"} and AVOID not in taints(admin, "lyon-1"), what="lyon-1 clean")

    set_status(admin, "hexa-gouv", "Qualified")
    eventually(lambda: host_names(admin, "secnumcloud") == ["brest-1", "lyon-1"], what="lyon-1 back")
    eventually(lambda: labelled(admin) == {"brest-1", "lyon-1"}, what="its label back")


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


def test_what_nobody_vouches_for_is_not_said(admin: Kubectl, space: Space) -> None:
    """Pods of a deleted policy, or of a namespace that left it, no longer carry an accepting verdict."""
    admin.apply(estate.policy(admin, "passing"))
    namespace = space(None)
    admin.create(pod("old"), namespace)
    admin.run("-n", namespace, "wait", "pod/old", "--for=condition=Ready", "--timeout=60s")
    admin.run("label", "namespace", namespace, "sovereignty.dev/enforce=passing")
    eventually(lambda: admin.create(pod("new"), namespace), what="a pod in scope")

    def said(name: str) -> str:
        verdict: str = audit(admin.get("pod", name, namespace))["verdict"]
        return verdict

    eventually(lambda: said("new").startswith("accepted"), what="a verdict on a new pod")
    eventually(lambda: said("old"), what="a verdict on an old pod")
    admin.delete("sovereigntypolicy", "passing")
    for name in ("new", "old"):
        eventually(lambda: said(name) == UNKNOWN, what="nobody vouches for it")  # noqa: B023 - called at once
    admin.run("label", "namespace", namespace, "sovereignty.dev/enforce-")
    for name in ("new", "old"):
        eventually(lambda: not audit(admin.get("pod", name, namespace)), what="nothing said")  # noqa: B023


UNKNOWN = "unknown: there is no SovereigntyPolicy passing, or it cannot be read: nobody vouches for where this pod runs"


def test_audit_annotations_follow_the_verdict(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.create(pod("one"), namespace)
    found = eventually(
        lambda: "decision-id" in (seen := audit(admin.get("pod", "one", namespace))) and seen, what="annotations"
    )
    bound = admin.get("pod", "one", namespace)["spec"]["nodeName"]
    service = {"brest-1": "armor-snc", "lyon-1": "hexa-gouv"}[bound]
    decision = {"brest-1": "EX-101", "lyon-1": "EX-201"}[bound]
    assert found["datacentre"] == bound.removesuffix("-1")
    assert (found["policy"], found["service"], found["evidence"]) == ("secnumcloud", service, "Declared")
    assert f"SecNumCloud 3.2 (decision {decision})" in found["qualification"]
    assert found["node-uid"] == admin.get("node", bound)["metadata"]["uid"]
    assert found["verdict"].startswith("accepted")
    log = admin.run("-n", NAMESPACE, "logs", "-l", CONTROLLER_PODS, "--tail=-1")
    assert f'"decision": "{found["decision-id"]}"' in log

    set_status(admin, service, "Withdrawn")
    later = eventually(
        lambda: (seen := audit(admin.get("pod", "one", namespace)))["verdict"].startswith("refused") and seen,
        what="the new verdict on the pod",
    )
    assert "was withdrawn" in later["verdict"]
    assert later["decision-id"] != found["decision-id"]
    assert "qualification" not in later


def test_time_alone_ends_an_acceptance_and_begins_another(admin: Kubectl, cluster: Cluster) -> None:
    """At midnight in Paris a derogation ends and a qualification begins, without any write."""
    last_day = datetime.now(PARIS).date()
    midnight = datetime.combine(last_day + timedelta(days=1), time.min, PARIS)
    with shifted(admin, cluster) as server:
        admin.apply(_pilot(last_day))
        eventually(lambda: host_names(admin, "pilot") == ["brest-1", "nantes-1"], what="a derogation in force")
        # Each reconciliation of the cluster begins with a request to the API server: the one that this change causes
        # gets the new time.
        server.now = midnight - timedelta(seconds=15)
        set_qualification(admin, "armor-snc", "validFrom", midnight.date().isoformat())
        eventually(lambda: host_names(admin, "pilot") == ["nantes-1"], what="a qualification yet to begin")

        def changed() -> tuple[list[str], datetime] | None:
            hosts = host_names(admin, "pilot")
            return (hosts, server.now) if hosts != ["nantes-1"] else None

        hosts, seen_at = eventually(changed, what="what midnight changes")
        assert hosts == ["brest-1"]
        assert midnight <= seen_at < midnight + timedelta(seconds=10)
        eventually(lambda: labelled(admin, "pilot") == {"brest-1"}, what="the label where it belongs")
        said = admin.get("node", "nantes-1")["metadata"]["annotations"]["verdict.sovereignty.dev/pilot"]
        assert said.startswith("refused")

        admin.delete("sovereigntypolicy", "pilot")
        eventually(
            lambda: admin.attempt("get", "clusterrole", "sovereignty:host:pilot").returncode,
            what="no role without policy",
        )
        eventually(lambda: not labelled(admin, "pilot"), what="no label without policy")


def test_a_node_that_registers_anew_counts_for_nothing(admin: Kubectl) -> None:
    """The node's machine may now be another one than the declared one."""
    node = admin.get("node", "brest-1")
    admin.run("patch", "datacentre", "brest", "--type=merge", "-p", _declare("brest-1", "00000000-somebody-else"))
    eventually(lambda: "brest-1" not in host_names(admin, "secnumcloud"), what="brest-1 out")

    def verdict() -> str:
        annotations = admin.get("node", "brest-1")["metadata"]["annotations"]
        return str(annotations["verdict.sovereignty.dev/secnumcloud"])

    # The controller writes nodes after roles.
    eventually(lambda: "registered again" in verdict(), what="the verdict on the node")
    admin.run("patch", "datacentre", "brest", "--type=merge", "-p", _declare("brest-1", node["metadata"]["uid"]))
    eventually(lambda: "brest-1" in host_names(admin, "secnumcloud"), what="brest-1 back")


def test_no_accepted_node_is_said_to_the_developer(admin: Kubectl, space: Space) -> None:
    namespace = space()
    set_status(admin, "hexa-gouv", "Suspended")
    set_status(admin, "armor-snc", "Suspended")
    eventually(lambda: host_names(admin, "secnumcloud") == [], what="no node accepted")
    admin.apply(
        workload("Deployment", "app"),
        sovereign("app", workloadRef={"kind": "Deployment", "name": "app"}),
        namespace=namespace,
    )
    said = "no node is accepted by policy secnumcloud: ask a cluster admin to read"

    def told() -> bool:
        placed = condition(admin, "swl", "app", "Placed", namespace)
        # Before pods exist the condition is False as well, with another reason.
        assert placed["reason"] == "PodsPending"
        return said in placed["message"]

    eventually(told, what="word of it")
    ready = condition(admin, "sovereigntypolicy", "secnumcloud", "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "NoNodeAccepted")
    assert "is suspended" in ready["message"]


def _pilot(until: date) -> Json:
    derogation = {
        "service": "armor-public",
        "scheme": "SecNumCloud",
        "reason": "pilot",
        "approver": "CISO",
        "until": until.isoformat(),
    }
    return {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "SovereigntyPolicy",
        "metadata": {"name": "pilot"},
        "spec": {
            "countries": ["FR"],
            "technologyOrigins": ["EU"],
            "qualifications": [{"scheme": "SecNumCloud", "minimumVersion": "3.2"}],
            "derogations": [derogation],
        },
    }


def _declare(node: str, uid: str) -> str:
    return f'{{"spec": {{"nodes": [{{"name": "{node}", "uid": "{uid}"}}]}}}}'


def test_nothing_that_runs_is_stopped_while_it_could_run_nowhere(admin: Kubectl, space: Space) -> None:
    namespace = space(None)
    admin.apply(workload("DaemonSet", "app"), namespace=namespace)
    eventually(lambda: len(living_pods(admin, namespace)) == 4, what="pods on all nodes")
    before = {entry["metadata"]["uid"] for entry in living_pods(admin, namespace)}
    for service in ("armor-snc", "hexa-gouv"):
        set_status(admin, service, "Suspended")
    eventually(lambda: not host_names(admin, "secnumcloud"), seconds=20, what="no node accepted")

    reference = {"kind": "DaemonSet", "name": "app"}
    admin.apply(sovereign("app", policy="secnumcloud", workloadRef=reference), namespace=namespace)
    accepted = eventually(lambda: condition(admin, "swl", "app", "Accepted", namespace), what="an answer")
    assert (accepted["status"], accepted["reason"]) == ("False", "NoNodeAccepted")
    assert {entry["metadata"]["uid"] for entry in living_pods(admin, namespace)} == before

    set_status(admin, "armor-snc", "Qualified")
    eventually(lambda: nodes_of(living_pods(admin, namespace)) == {"brest-1"}, what="it placed once it can be")
