"""When a SovereignWorkload is reconciled again, and what is kept in its status if it cannot be read."""

from dataclasses import replace

import pytest

from sovereign_operator.core.workload.facts import WorkloadFacts
from sovereign_operator.core.workload.next_look import patience, seconds_to_next_look
from sovereign_operator.core.workload.readiness import CURRENT, Readiness, ReadinessState
from sovereign_operator.core.workload.status import report_unread
from tests.unit.workload.builders import facts, pod, workload

ROLLING = workload(readiness=Readiness(ReadinessState.IN_PROGRESS))
READY, LATE = replace(pod("a"), ready=True), pod("b")

CASES: dict[str, tuple[WorkloadFacts, float]] = {
    "it is as it should be": (facts(target=workload(readiness=CURRENT), pods=(LATE,)), 600.0),
    "it failed": (facts(target=workload(readiness=Readiness(ReadinessState.FAILED))), 600.0),
    "it is not there": (facts(target=None), 600.0),
    "it rolls out": (facts(target=ROLLING, pods=(READY, LATE)), 10.0),
    "it rolls out, and all of its pods are ready": (facts(target=ROLLING, pods=(READY,)), 1.0),
    "it rolls out, and has no pods": (facts(target=ROLLING), 1.0),
}


@pytest.mark.parametrize(("told", "seconds"), CASES.values(), ids=CASES)
def test_one_that_is_carried_out_is_looked_at_again(told: WorkloadFacts, seconds: float) -> None:
    assert seconds_to_next_look(told) == seconds


@pytest.mark.parametrize(
    ("refused_for", "seconds"), [(0.0, 10.0), (20.0, 10.0), (21.0, 10.5), (600.0, 300.0), (86400.0, 300.0)]
)
def test_one_that_cannot_be_carried_out_is_looked_at_less_and_less_often(refused_for: float, seconds: float) -> None:
    assert patience(refused_for) == seconds


def test_of_one_that_cannot_be_read_only_what_was_done_is_kept() -> None:
    done = {"run": {"template": "x"}, "lastWrite": {"uid": "w"}}
    report = report_unread({**done, "inside": 3, "conditions": []}, "spec: no")
    assert report.status == done
    assert [(seen.type, seen.status, seen.reason) for seen in report.observations] == [("Ready", "False", "Unreadable")]
