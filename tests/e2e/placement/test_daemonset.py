"""A DaemonSet has a pod on each accepted node and on no other, whatever it tolerates."""

import json
from datetime import UTC, datetime

import pytest

from hack import estate
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.client import Client
from tests.e2e.support.estate import host_names, labelled, set_status
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.observed import condition, living_pods, placed_for
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.every_kubernetes

POLICY = "secnumcloud"
EVERY_NODE = {*estate.ACCEPTED, *estate.REFUSED}

AGENT = workload("DaemonSet", "agent")
SPEAKER = sovereign("agent", policy=POLICY, workloadRef={"kind": "DaemonSet", "name": "agent"})


def until_on(admin: Kubectl, namespace: str, nodes: set[str]) -> list[Json]:
    """Wait until the DaemonSet has exactly one ready pod on each of these nodes, and return the pods."""

    def look() -> list[Json]:
        found = admin.get("daemonset", "agent", namespace)
        pods = admin.list("pods", namespace)
        status = found["status"]
        assert status.get("observedGeneration") == found["metadata"]["generation"]
        assert (status["desiredNumberScheduled"], status["numberMisscheduled"]) == (len(nodes), 0), status
        assert status.get("updatedNumberScheduled") == status["numberReady"] == len(pods) == len(nodes), status
        assert sorted(pod["spec"].get("nodeName", "") for pod in pods) == sorted(nodes)
        return living_pods(admin, namespace)

    return eventually(look, seconds=90, what=f"a pod on each of {sorted(nodes)}")


def uids(pods: list[Json]) -> set[str]:
    """Return the pods' uids, which differ from those of their replacements."""
    return {pod["metadata"]["uid"] for pod in pods}


def test_in_a_labelled_namespace_it_makes_as_many_pods_as_there_are_accepted_nodes(
    admin: Kubectl, space: Space
) -> None:
    namespace = space()
    assert AGENT["spec"]["template"]["spec"]["tolerations"] == [{"operator": "Exists"}]
    admin.apply(AGENT, namespace=namespace)
    pods = until_on(admin, namespace, set(estate.ACCEPTED))
    assert all(placed_for(pod) == {POLICY} for pod in pods)
    # The DaemonSet controller never tried other nodes.
    told = [event for event in admin.list("events", namespace) if event["involvedObject"]["kind"] == "DaemonSet"]
    assert {event["reason"] for event in told} == {"SuccessfulCreate"}
    assert len(told) == len(estate.ACCEPTED)


def test_adopted_in_an_unlabelled_namespace_it_leaves_the_other_nodes(admin: Kubectl, space: Space) -> None:
    namespace = space(None)
    admin.apply(AGENT, namespace=namespace)
    until_on(admin, namespace, EVERY_NODE)
    admin.apply(SPEAKER, namespace=namespace)
    pods = until_on(admin, namespace, set(estate.ACCEPTED))
    assert all(placed_for(pod) == {POLICY} for pod in pods)
    admin.run("-n", namespace, "wait", "swl/agent", "--for=condition=Ready", "--timeout=60s")


@pytest.mark.parametrize("change", ["adopted", "updated"])
def test_one_that_was_there_before_its_namespace_was_labelled_comes_inside_once_it_is(
    admin: Kubectl, space: Space, change: str
) -> None:
    namespace = space(None)
    admin.apply(AGENT, namespace=namespace)
    before = until_on(admin, namespace, EVERY_NODE)
    admin.run("label", "namespace", namespace, f"sovereignty.dev/enforce={POLICY}")
    assert uids(until_on(admin, namespace, EVERY_NODE)) == uids(before)
    if change == "adopted":
        admin.apply(SPEAKER, namespace=namespace)
    else:
        admin.run("-n", namespace, "rollout", "restart", "daemonset/agent")
    pods = until_on(admin, namespace, set(estate.ACCEPTED))
    assert all(placed_for(pod) == {POLICY} for pod in pods)


@pytest.mark.usefixtures("changed_estate")
def test_it_comes_to_a_datacentre_that_is_accepted_from_now_on(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.apply(AGENT, namespace=namespace)
    before = until_on(admin, namespace, set(estate.ACCEPTED))
    services = {service["metadata"]["name"]: service for service in estate.services(datetime.now(UTC).date())}
    qualified = services["armor-snc"]["spec"]["qualifications"]
    services["armor-public"]["spec"]["qualifications"] = qualified
    admin.apply(services["armor-public"], options=["--server-side", "--force-conflicts"])
    after = until_on(admin, namespace, {*estate.ACCEPTED, "nantes-1"})
    assert uids(before) < uids(after)


@pytest.mark.usefixtures("changed_estate")
def test_a_suspension_kills_none_of_its_pods_and_starts_none(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.apply(AGENT, SPEAKER, namespace=namespace)
    before = until_on(admin, namespace, set(estate.ACCEPTED))

    set_status(admin, "hexa-gouv", "Suspended")
    eventually(lambda: host_names(admin, POLICY) == ["brest-1"], what="the role without lyon-1")
    eventually(
        lambda: condition(admin, "swl", "agent", "Placed", namespace)["reason"] == "PodsOutside", what="reported"
    )
    # Without the label on the node, the DaemonSet controller would delete the pod there.
    assert uids(until_on(admin, namespace, set(estate.ACCEPTED))) == uids(before)

    admin.run("-n", namespace, "rollout", "restart", "daemonset/agent")
    after = until_on(admin, namespace, {"brest-1"})
    assert not uids(before) & uids(after)
    assert labelled(admin) == {"brest-1"}

    set_status(admin, "hexa-gouv", "Qualified")
    assert uids(after) < uids(until_on(admin, namespace, set(estate.ACCEPTED)))


@pytest.mark.usefixtures("changed_estate")
def test_rolled_out_beside_other_pods_on_a_refused_node_it_waits_for_a_pod_there_and_explain_says_how_to_go_on(
    admin: Kubectl, space: Space
) -> None:
    """The node keeps the label for the other pod, and the DaemonSet controller wants a pod on each node with the label.

    One that is missing or pending counts as unavailable. Source: ``rollingUpdate`` and ``updatedDesiredNodeCounts`` in
    pkg/controller/daemon/update.go of Kubernetes 1.36.
    """
    namespace, beside = space(), space()
    admin.apply(AGENT, namespace=namespace)
    before = until_on(admin, namespace, set(estate.ACCEPTED))
    admin.apply(pod("stays", nodeSelector={"kubernetes.io/hostname": "lyon-1"}), namespace=beside)
    admin.run("-n", beside, "wait", "pod/stays", "--for=condition=Ready", "--timeout=90s")
    stays = uids(living_pods(admin, beside))
    set_status(admin, "hexa-gouv", "Suspended")
    eventually(lambda: host_names(admin, POLICY) == ["brest-1"], what="the role without lyon-1")

    admin.run("-n", namespace, "rollout", "restart", "daemonset/agent")

    def waiting() -> str:
        pods = admin.list("pods", namespace)
        return next((str(each["metadata"]["name"]) for each in pods if not each["spec"].get("nodeName")), "")

    name = eventually(waiting, seconds=90, what="a pod that waits for lyon-1")
    said = Client(admin.kubeconfig).text("explain", f"pod/{name}", "-n", namespace, code=1)
    assert "wants it on lyon-1" in said
    assert "maxUnavailable of DaemonSet agent by the number of such nodes" in said

    more = {"spec": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}}
    admin.run("-n", namespace, "patch", "daemonset", "agent", "-p", json.dumps(more))

    def on_brest() -> list[Json]:
        found = living_pods(admin, namespace)
        assert [each["spec"]["nodeName"] for each in found] == ["brest-1"]
        assert not uids(found) & uids(before)
        return found

    after = eventually(on_brest, seconds=90, what="the new revision on brest-1")
    # Nothing else was touched for it.
    assert uids(living_pods(admin, beside)) == stays
    assert "lyon-1" in labelled(admin)
    admin.delete("pod", "stays", "--grace-period=1", namespace=beside)
    assert uids(until_on(admin, namespace, {"brest-1"})) == uids(after)
    eventually(lambda: labelled(admin) == {"brest-1"}, what="the label gone after the last pod")


OTHER = "sovereign-strict"
"""A preset policy that accepts only Brest."""

CHANGES: dict[str, tuple[tuple[str, ...], set[str], set[str]]] = {
    "another policy": ((f"sovereignty.dev/enforce={OTHER}", "--overwrite"), {"brest-1"}, {OTHER}),
    "out of scope": (("sovereignty.dev/enforce-",), EVERY_NODE, set()),
}


@pytest.mark.parametrize(("label", "nodes", "policies"), CHANGES.values(), ids=CHANGES.keys())
def test_when_its_namespace_changes_sides_no_selector_of_the_former_policy_stays(
    admin: Kubectl, space: Space, label: tuple[str, ...], nodes: set[str], policies: set[str]
) -> None:
    """No field manager owns the selector that admission wrote, so nothing else would remove it."""
    namespace = space()
    admin.apply(AGENT, namespace=namespace)
    before = until_on(admin, namespace, set(estate.ACCEPTED))
    admin.run("label", "namespace", namespace, *label)
    # The label alone changes no running pod; the next write of the DaemonSet is placed again.
    assert uids(until_on(admin, namespace, set(estate.ACCEPTED))) == uids(before)
    admin.run("-n", namespace, "rollout", "restart", "daemonset/agent")
    pods = until_on(admin, namespace, nodes)
    assert {frozenset(placed_for(pod)) for pod in pods} == {frozenset(policies)}
    marks = admin.get("daemonset", "agent", namespace)["metadata"].get("labels", {})
    assert marks.get("sovereignty.dev/placed-for") == next(iter(policies), None)


def test_a_selector_that_the_user_wrote_stays_when_nothing_is_in_scope(admin: Kubectl, space: Space) -> None:
    namespace = space(None)
    chosen = {"policy.sovereignty.node-restriction.kubernetes.io/secnumcloud": "accepted"}
    admin.apply(workload("DaemonSet", "agent", nodeSelector=chosen), namespace=namespace)
    admin.run("-n", namespace, "rollout", "restart", "daemonset/agent")
    assert admin.get("daemonset", "agent", namespace)["spec"]["template"]["spec"]["nodeSelector"] == chosen


@pytest.mark.usefixtures("changed_estate")
@pytest.mark.parametrize("label", [("sovereignty.dev/enforce-",), (f"sovereignty.dev/enforce={OTHER}", "--overwrite")])
def test_a_node_keeps_its_label_for_pods_whose_namespace_has_left(
    admin: Kubectl, space: Space, label: tuple[str, ...]
) -> None:
    """The pods still select on it: without it the DaemonSet controller would delete them."""
    namespace = space()
    admin.apply(AGENT, namespace=namespace)
    before = until_on(admin, namespace, set(estate.ACCEPTED))
    admin.run("label", "namespace", namespace, *label)
    set_status(admin, "hexa-gouv", "Suspended")
    eventually(lambda: host_names(admin, POLICY) == ["brest-1"], what="the role without lyon-1")
    eventually(lambda: "not-accepted" in str(admin.get("node", "lyon-1")["spec"].get("taints")), what="the taint")
    assert uids(until_on(admin, namespace, set(estate.ACCEPTED))) == uids(before)
    assert "lyon-1" in labelled(admin)
    admin.delete("daemonset", "agent", namespace=namespace)
    eventually(lambda: labelled(admin) == {"brest-1"}, what="the label gone after the last pod")
