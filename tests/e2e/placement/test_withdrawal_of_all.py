"""When no node is accepted: developers are told, and nothing that runs is stopped."""

import pytest

from hack.kubectl import Kubectl, eventually
from tests.e2e.support.estate import host_names, set_status
from tests.e2e.support.manifests import sovereign, workload
from tests.e2e.support.observed import condition, living_pods, nodes_of
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.usefixtures("changed_estate")


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
    ready = eventually(
        lambda: (seen := condition(admin, "spol", "secnumcloud", "Ready"))["status"] == "False" and seen,
        what="the policy's own word",
    )
    assert ready["reason"] == "NoNodeAccepted"
    assert "is suspended" in ready["message"]


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
