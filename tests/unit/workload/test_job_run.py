"""A Job that a SovereignWorkload owns runs once for each template."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core.workload.decision import decide_workload
from sovereign_operator.core.workload.facts import (
    JobRun,
    ObserveWorkload,
    Outcome,
    OwnWorkload,
    Workload,
    WorkloadFacts,
)
from sovereign_operator.core.workload.job_run import begins, has_run, record
from sovereign_operator.core.workload.readiness import Readiness, ReadinessState
from sovereign_operator.core.workload.status import report_workload
from tests.unit.workload.builders import NOW, facts, workload
from tests.unit.workload.job_runs import job, run, spec


def told(
    run: JobRun | None = None, target: Workload | None = None, ttl: int | None = 5, **fields: Any
) -> WorkloadFacts:
    """Build facts about the SovereignWorkload."""
    return facts(spec=spec(ttl), target=target, run=run, **fields)


def test_it_is_recorded_before_it_is_created() -> None:
    new = told()
    action = decide_workload(new)
    assert isinstance(action, OwnWorkload)
    assert begins(new, action)
    assert record(new, action) == run(asked=NOW)
    assert report_workload(new, action).status["run"]["asked"] == "2030-06-15T12:00:00Z"


@pytest.mark.parametrize(
    ("before", "again"),
    [
        (run(uid="j", outcome="Complete"), False),
        (run(uid="j", outcome="Failed"), False),
        # The Job was begun; who deleted it, and whether it had ended by then, does not matter.
        (run(uid="j"), False),
        # The Job was requested and never seen: it is created again as long as it cannot have run and been deleted.
        (run(), True),
        (run(asked=NOW - timedelta(seconds=5)), False),
        # A changed template is another run.
        (run(template="0" * 16, uid="j", outcome="Complete"), True),
    ],
)
def test_one_that_ran_is_not_created_again(before: JobRun, again: bool) -> None:
    assert isinstance(decide_workload(told(before)), OwnWorkload if again else ObserveWorkload)
    assert has_run(told(before)) is not again


def test_one_without_a_ttl_that_was_never_seen_is_created_however_late() -> None:
    late = run(ttl=None, asked=NOW - timedelta(days=300))
    assert isinstance(decide_workload(told(late, ttl=None)), OwnWorkload)


def test_a_policy_that_changed_is_no_reason_to_run_again() -> None:
    done = told(run(uid="j", outcome="Complete"), enforced="hds", as_rendered=False)
    done = replace(done, spec=done.spec.model_copy(update={"policy_ref": None}))
    assert isinstance(decide_workload(done), ObserveWorkload)


@pytest.mark.parametrize(
    ("before", "target", "after"),
    [
        (run(), job(), run(uid="j")),
        (run(uid="j"), job(outcome="Complete"), run(uid="j", outcome="Complete")),
        (run(uid="j", outcome="Complete"), None, run(uid="j", outcome="Complete")),
        (None, job(outcome="Failed"), run(asked=NOW, uid="j", outcome="Failed")),
        # A Job of the same name with another owner.
        (run(), workload(WorkloadKind.JOB, owner_uid="other"), run()),
        (run(uid="old"), job(uid="new"), run(asked=NOW, uid="new")),
    ],
)
def test_what_becomes_of_it_is_recorded(before: JobRun | None, target: Workload | None, after: JobRun) -> None:
    seen = told(before, target, as_rendered=True)
    assert record(seen, ObserveWorkload()) == after


def test_one_of_another_template_is_not_taken_for_this_ones() -> None:
    seen = told(None, job(), as_rendered=False)
    assert record(seen, ObserveWorkload()) == JobRun("", NOW, "j")


def test_one_that_the_server_refused_was_not_begun() -> None:
    new = told()
    report = report_workload(new, decide_workload(new), Outcome(refused="spec.template: Required value"))
    assert "run" not in report.status


def test_other_kinds_have_no_run() -> None:
    assert record(facts(), ObserveWorkload()) is None
    assert not has_run(facts())


FAILED = Readiness(ReadinessState.FAILED, "it failed: it has reached its limit")


@pytest.mark.parametrize(
    ("before", "target", "expected", "words"),
    [
        (run(uid="j"), job(outcome="Complete"), ("True", "JobComplete"), "completed"),
        (run(uid="j"), job(outcome="Failed", readiness=FAILED), ("False", "JobFailed"), "reached its limit"),
        (run(uid="j", outcome="Complete"), None, ("True", "JobComplete"), "to run it again"),
        (run(uid="j", outcome="Failed"), None, ("False", "JobFailed"), "to run it again"),
        (run(uid="j"), None, ("Unknown", "JobGone"), "was not seen"),
        (run(uid="j"), job(), ("True", "WorkloadCurrent"), "no pods"),
    ],
)
def test_ready_says_how_it_ended(
    before: JobRun, target: Workload | None, expected: tuple[str, str], words: str
) -> None:
    seen = told(before, target, as_rendered=True)
    ready = report_workload(seen, decide_workload(seen)).observations[-1]
    assert (ready.status, ready.reason.value) == expected
    assert words in ready.message
