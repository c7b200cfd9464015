"""The status of a Datacentre: whether nodes stand there, which do not that it claims, and what policies say of it."""

import pytest

from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.status import report_datacentre
from sovereign_operator.core.placement.verdicts import Verdicts
from tests.builders import datacentre, demand, facts, node, policy, service

WORKER = node("worker-1", region="gra")
HERE = {"gra": datacentre(WORKER)}
READY: dict[str, tuple[Facts, tuple[str, str]]] = {
    "nodes stand there": (facts(WORKER, datacentres=HERE), ("True", "NodesPresent")),
    "nodes stand there, which no policy accepts": (
        facts(WORKER, datacentres=HERE, services={"acme-cloud": service()}),
        ("True", "NodesPresent"),
    ),
    "the node is not in the cluster": (facts(datacentres=HERE), ("False", "NoNodes")),
    "the node registered again": (facts(node("worker-1", "anew"), datacentres=HERE), ("False", "NoNodes")),
    "another one claims its node, too": (
        facts(WORKER, datacentres={**HERE, "rbx": datacentre(WORKER)}),
        ("False", "ClaimedTwice"),
    ),
    "another one claims one of its nodes, too": (
        facts(WORKER, node("worker-2"), datacentres={"gra": datacentre(WORKER, node("worker-2")), "rbx": HERE["gra"]}),
        ("True", "NodesPresent"),
    ),
    "its service is not there": (facts(WORKER, datacentres=HERE, services={}), ("False", "ServiceNotFound")),
    "a node has another region": (
        facts(WORKER, datacentres=HERE, services={"acme-cloud": service(regions=("rbx",))}),
        ("False", "NodeContradicted"),
    ),
}


@pytest.mark.parametrize(("told", "expected"), READY.values(), ids=READY.keys())
def test_a_datacentre_is_ready_if_nodes_stand_there_and_nothing_contradicts_them(
    told: Facts, expected: tuple[str, str]
) -> None:
    (ready,) = report_datacentre("gra", told, Verdicts(told)).observations
    assert (ready.status, ready.reason) == expected


def test_a_datacentre_names_the_entries_that_are_no_node_of_the_cluster() -> None:
    """The nodes that exist must not hide the entries that match no node."""
    told = facts(
        WORKER, node("worker-2", "anew"), datacentres={"gra": datacentre(WORKER, node("worker-2"), node("wroker-3"))}
    )
    (ready,) = report_datacentre("gra", told, Verdicts(told)).observations
    assert (ready.status, ready.reason) == ("True", "NodesPresent")
    assert "1 node(s) of Acme Cloud: worker-1; 2 of spec.nodes not found: " in ready.message
    assert "worker-2 has the uid anew, not " in ready.message
    assert "no node is called wroker-3" in ready.message


def test_datacentres_that_claim_the_same_node_both_say_so() -> None:
    """One that has other nodes as well stays Ready."""
    second = node("worker-2")
    told = facts(WORKER, second, datacentres={"gra": datacentre(WORKER, second), "rbx": datacentre(second)})
    verdicts = Verdicts(told)
    why = "worker-2 is claimed by the datacentres gra and rbx, and stands in none of them until only one claims it"
    for name, begun in (("gra", "1 node(s) of Acme Cloud: worker-1"), ("rbx", "no node of this cluster stands here")):
        report = report_datacentre(name, told, verdicts)
        assert report.observations[0].message == f"{begun}; 1 node(s) claimed by others, too: {why}"
        assert report.status["nodesClaimedTwice"] == 1
        assert report.status["claimedTwice"] == [{"node": "worker-2", "message": why}]


def test_a_datacentre_without_its_service_names_the_nodes_that_do_not_stand_there_as_well() -> None:
    told = facts(datacentres=HERE, services={})
    message = report_datacentre("gra", told, Verdicts(told)).observations[0].message
    assert message.startswith("there is no CloudService acme-cloud")
    assert message.endswith("; 1 of spec.nodes not found: no node is called worker-1")


def test_a_datacentre_lists_what_policies_say_of_it_refusals_first() -> None:
    policies = {"a-lenient": policy(), "b-hds": policy(demand("HDS")), "c-secnumcloud": policy(demand())}
    told = facts(WORKER, datacentres=HERE, policies=policies)
    status = report_datacentre("gra", told, Verdicts(told)).status
    assert [(entry["policy"], entry["accepted"], entry["reasons"]) for entry in status["policies"]] == [
        ("b-hds", False, ["QualificationMissing"]),
        ("a-lenient", True, []),
        ("c-secnumcloud", True, []),
    ]
    assert status["acceptedBy"] == "a-lenient, c-secnumcloud"
    assert "SecNumCloud 3.2 (decision 100), until 2031-06-15" in status["policies"][2]["message"]
