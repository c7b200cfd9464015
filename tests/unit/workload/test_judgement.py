"""What a policy says of one pod."""

from dataclasses import replace
from typing import Any

import pytest

from sovereign_operator.core.workload.judgement import Count, judge_pod
from sovereign_operator.core.workload.scope import Judge, Mode
from tests.unit.workload.builders import POLICY, VERDICTS, pod

HELD, WARNED, AUDITED = (Judge(POLICY, mode) for mode in Mode)
RUNS: dict[str, Any] = {"known": True, "placed_for": POLICY, "static": False, "bare": False}
INSIDE, OUTSIDE, PENDING = pod("app-1", "good"), pod("app-1", "bad"), pod("app-1", None, waiting="0/4 nodes fit")

# A policy, a pod, what else is known, and what it counts as, with the reason.
CASES: dict[str, tuple[Judge, Any, dict[str, Any], str, str]] = {
    "inside": (HELD, INSIDE, {}, "inside", ""),
    "outside": (HELD, OUTSIDE, {}, "outside", "bad"),
    "on a node that is gone": (HELD, pod("app-1", "gone"), {}, "outside", "gone"),
    "pending": (HELD, PENDING, {}, "pending", "0/4 nodes fit"),
    "of an unknown policy": (HELD, OUTSIDE, {"known": False, "placed_for": None, "bare": True}, "unknown", ""),
    "from before the label": (HELD, INSIDE, {"placed_for": None}, "inside older", ""),
    "placed for the former policy": (HELD, OUTSIDE, {"placed_for": "hds"}, "outside older", "bad"),
    "static, which nothing places": (HELD, INSIDE, {"placed_for": None, "static": True}, "inside", ""),
    "without a sidecar": (HELD, INSIDE, {"bare": True}, "inside bare", ""),
    "all at once": (HELD, OUTSIDE, {"placed_for": None, "bare": True}, "outside older bare", "bad"),
    "tried with a warning": (WARNED, OUTSIDE, {"placed_for": None, "bare": True}, "outside", "bad"),
    "tried with an audit": (AUDITED, INSIDE, {"placed_for": None, "bare": True}, "inside", ""),
}


@pytest.mark.parametrize(("judge", "seen", "more", "counts", "why"), CASES.values(), ids=CASES)
def test_a_pod_counts_as(judge: Judge, seen: Any, more: dict[str, Any], counts: str, why: str) -> None:
    judged = judge_pod(judge, seen, VERDICTS.get(seen.node or ""), **(RUNS | more))
    assert (" ".join(judged.counts()), judged.why) == (counts, why)
    assert judged.all_is_well == (counts == "inside")


def test_a_pod_that_cannot_be_read_is_outside_wherever_it_runs() -> None:
    unreadable = replace(INSIDE, unreadable=True)
    judged = judge_pod(HELD, unreadable, VERDICTS["good"], **RUNS)
    assert ([*judged.counts()], judged.why) == ([Count.OUTSIDE], "")
