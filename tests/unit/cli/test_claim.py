"""What ``explain`` says of a SovereignWorkload that puts no workload in scope."""

import pytest

from sovereign_operator.cli.answers.claim import Claim, Condition, NoTarget, explain_claim
from sovereign_operator.cli.gather.workloads import target_of

CONFLICT = Condition("Accepted", "False", "PolicyConflict", "namespace ward enforces hospital, and this names other")
UNREADY = Condition("Ready", "False", "PolicyConflict", "not in scope")
MET = Condition("Ready", "True", "AllInside", "all 2 pod(s) run in brest")
GONE = NoTarget("there is no Deployment records", "create it", wrong=True)
SELECTED = NoTarget("it is about all pods with app=db", "explain one of them")


@pytest.mark.parametrize(
    ("conditions", "target", "why", "advice", "exit_code"),
    [
        ((CONFLICT, UNREADY), None, "PolicyConflict: namespace ward enforces hospital", "leave spec.policyRef out", 1),
        ((Condition("Accepted", "False", "Odd", "why"),), None, "Odd: why", "do what the message says", 1),
        ((), GONE, "there is no Deployment records", "create it", 1),
        # What its conditions say may be older than that.
        ((MET,), GONE, "there is no Deployment records", "create it", 1),
        ((CONFLICT,), GONE, "there is no Deployment records", "create it", 1),
        ((MET,), SELECTED, "it is about all pods with app=db", "explain one of them", 0),
        ((), SELECTED, "it is about all pods with app=db", "explain one of them", 0),
        ((CONFLICT,), SELECTED, "it is about all pods with app=db; PolicyConflict", "leave spec.policyRef out", 1),
    ],
)
def test_a_sovereign_workload(
    conditions: tuple[Condition, ...], target: NoTarget | None, why: str, advice: str, exit_code: int
) -> None:
    answer = explain_claim("ward", Claim("x", conditions), target)
    assert answer.why.startswith(why)
    assert answer.next.startswith(advice)
    assert answer.exit_code == exit_code


def test_one_that_leads_to_no_workload() -> None:
    metadata = {"name": "db", "namespace": "ward", "uid": "u", "generation": 1}
    by_selector = {"metadata": metadata, "spec": {"podSelector": {"matchLabels": {"app": "db"}}}}
    found = target_of(by_selector)
    assert found == NoTarget(
        "it is about all pods with app=db", "explain one of those that kubectl -n ward get pods -l 'app=db' lists"
    )
    going = {"metadata": metadata | {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}}
    assert target_of(going) == NoTarget("it is being deleted: nothing follows from it any more")
    unreadable = target_of({"metadata": metadata, "spec": {"workloadRef": 3}})
    assert isinstance(unreadable, NoTarget)
    assert unreadable.wrong
