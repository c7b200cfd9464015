"""If another client reverts what the operator writes into a workload, the operator notices, reports it, and writes less
often.
"""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.workload.decision import decide_workload
from sovereign_operator.core.workload.facts import (
    AdoptWorkload,
    LastWrite,
    ObserveWorkload,
    RefuseWorkload,
    WorkloadFacts,
)
from sovereign_operator.core.workload.rewrites import FEW, after_write, hold_back
from sovereign_operator.core.workload.status import report_workload
from tests.unit.workload.builders import ADOPTED, NOW, facts, template, workload, written


def taken_back(last: LastWrite | None, **fields: Any) -> WorkloadFacts:
    """Build facts in which the operator's label is missing from the workload."""
    return facts(target=workload(last_writer="other-operator"), last_write=last, **fields)


@pytest.mark.parametrize(
    ("last", "held"),
    [
        (None, False),
        (written(FEW - 1), False),
        (written(), True),
        (written(ago=timedelta(minutes=2)), False),
        (written(FEW + 1, ago=timedelta(minutes=3)), True),
        (written(FEW + 1, ago=timedelta(minutes=4)), False),
        (written(FEW + 100, ago=timedelta(minutes=29)), True),
        (written(FEW + 100, ago=timedelta(minutes=30)), False),
        # Another workload of the same name, and another policy.
        (written(uid="former"), False),
        (written(content="hds"), False),
    ],
)
def test_after_a_few_times_it_is_written_after_minutes_only(last: LastWrite | None, held: bool) -> None:
    action = decide_workload(taken_back(last))
    assert isinstance(action, RefuseWorkload if held else AdoptWorkload)
    if isinstance(action, RefuseWorkload):
        assert action.reason is ConditionReason.CONTESTED
        assert "probably other-operator" in action.message
        assert "enforce=secnumcloud" in action.message


def test_an_owned_workload_is_held_back_as_well() -> None:
    told = facts(
        spec=template(), target=workload(owner_uid="s", last_writer="kubectl"), last_write=written(content="d1")
    )
    action = decide_workload(told)
    assert isinstance(action, RefuseWorkload)
    assert "spec.template" in action.message


@pytest.mark.parametrize(
    ("last", "accepted"),
    [
        (written(ago=timedelta(minutes=2)), "False"),
        (written(ago=timedelta(minutes=11, seconds=59)), "False"),
        (written(ago=timedelta(minutes=12)), "True"),
        (written(FEW - 1), "True"),
    ],
)
def test_what_was_just_written_once_more_is_said_to_be_contested_until_it_stands(
    last: LastWrite, accepted: str
) -> None:
    standing = facts(target=workload(**ADOPTED, last_writer="other-operator"), last_write=last)
    assert decide_workload(standing) == ObserveWorkload()
    assert report_workload(standing, ObserveWorkload()).observations[0].status == accepted


@pytest.mark.parametrize(
    ("last", "changed", "expected"),
    [
        (None, True, written(1)),
        (written(1), True, written(2)),
        (written(2, ago=timedelta(minutes=1)), False, written(2, ago=timedelta(minutes=1), generation=8)),
        (written(1, ago=timedelta(minutes=10)), True, written(1)),
        (written(FEW, content="hds"), True, written(1)),
    ],
    ids=["the first", "another", "it changed nothing", "long after", "another policy"],
)
def test_writes_in_a_row_are_counted(last: LastWrite | None, changed: bool, expected: LastWrite) -> None:
    generation = expected.generation if not changed else 7
    assert after_write(taken_back(last), "w", generation, changed=changed) == expected


@given(st.lists(st.integers(1, 3600), min_size=20, max_size=200))
def test_however_often_it_is_taken_back_roll_outs_become_rare(seconds: list[int]) -> None:
    """Another client removes the label again and again: any ten minutes have only few writes."""
    told, writes = taken_back(None), []
    now = NOW
    for pause in seconds:
        now += timedelta(seconds=pause)
        told = facts(target=workload(last_writer="other"), last_write=told.last_write, now=now)
        action = decide_workload(told)
        if isinstance(action, AdoptWorkload):
            writes.append(now)
            told = facts(target=workload(), last_write=after_write(told, "w", 1, changed=True), now=now)
    for begin in writes:
        within = [write for write in writes if begin <= write < begin + timedelta(minutes=10)]
        assert len(within) <= FEW + 2


def test_nothing_is_held_back_that_writes_nothing() -> None:
    assert hold_back(taken_back(written()), ObserveWorkload()) is None
