"""``preview`` of facts that would change: what is gone, another day, a derogation."""

import pytest

from tests.unit.cli.preview_files import NAMESPACE, POLICY, Asker, deployment, node, ours, pod

RUNNING = (
    NAMESPACE,
    deployment("portal", uid="1"),
    pod("portal-abc-1", "brest-1", owner=("ReplicaSet", "portal-abc"), hashed="abc"),
)


@pytest.mark.parametrize(
    ("without", "outcome"),
    [
        ("dctr/brest", "hangs"),
        ("csvc/armor", "hangs"),
        ("node/brest-1", "hangs"),
        ("node/paris-1", "runs"),
        ("datacentre/paris", "runs"),
    ],
)
def test_what_is_gone(ask: Asker, without: str, outcome: str) -> None:
    assert ask.outcomes(*RUNNING, options=("--without", without))["Deployment/portal"][1] == outcome


def test_another_day_ends_qualifications(ask: Asker) -> None:
    last, after = (ask.outcomes(*RUNNING, day=day)["Deployment/portal"][1] for day in ("2031-06-15", "2031-06-16"))
    assert (last, after) == ("runs", "hangs")


def test_a_derogation_in_a_file_counts_as_approved(ask: Asker) -> None:
    waives = ours(
        "Derogation",
        "pilot",
        policyRef={"name": "secnumcloud"},
        serviceRef={"name": "globex"},
        scheme="SecNumCloud",
        reason="pilot",
        until="2030-12-31",
    )
    moving = pod("alone", "paris-1")
    assert ask.outcomes(NAMESPACE, moving)["Pod/alone"][1] == "moves"
    assert ask.outcomes(NAMESPACE, moving, waives)["Pod/alone"][1] == "runs"
    assert ask.outcomes(NAMESPACE, moving, waives, day="2031-01-01")["Pod/alone"][1] == "moves"


@pytest.mark.parametrize(
    ("evidence", "label", "outcome"),
    [("Declared", "general", "hangs"), ("PoolDeclared", "general", "runs"), ("PoolDeclared", "another", "hangs")],
)
def test_a_datacentre_that_takes_the_nodes_of_a_pool(ask: Asker, evidence: str, label: str, outcome: str) -> None:
    """Whatever their uids are: the pool was upgraded, and its node is a new one."""
    pool = "pool.node-restriction.kubernetes.io/name"
    form = {"name": "general", "nodeSelector": {pool: "general"}, "providerIDs": ["openstack:///gra/"]}
    upgraded = node("brest-1", uid="upgraded", labels={pool: label})
    upgraded["spec"]["providerID"] = "openstack:///gra/0815"
    claims = ours("Datacentre", "brest", serviceRef={"name": "armor"}, country="FR", nodePools=[form])
    demands = {**POLICY, "spec": {**POLICY["spec"], "nodeEvidence": evidence}}
    files = (claims, upgraded, demands, NAMESPACE, deployment("portal"))
    assert ask.outcomes(*files)["Deployment/portal"][1] == outcome
