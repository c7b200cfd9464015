"""Conditions change when their content changes, and a new status or reason causes an Event."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.conditions import MAX_EXAMPLES, Observation, examples, merge, notices
from sovereign_operator.core.report.guard_reasons import GuardReason
from sovereign_operator.core.report.reasons import NodeFinding, NodeReason, sentences

EARLIER, NOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
READY = Observation("Ready", "True", ConditionReason.ALL_INSIDE, "all 2 pod(s) run in brest")
STILL = Observation("Ready", "True", ConditionReason.ALL_INSIDE, "all 3 pod(s) run in brest")
LOST = Observation("Ready", "False", ConditionReason.PODS_OUTSIDE, "1 of 3 pod(s) outside")
NOT_KNOWN = Observation("Ready", "Unknown", ConditionReason.NO_PODS, "no pods yet")


def test_the_transition_time_moves_with_the_status_only() -> None:
    before = merge([READY], [], 1, EARLIER)
    (same,) = merge([STILL], before, 2, NOW)
    assert (same["lastTransitionTime"], same["message"]) == ("2026-01-01T00:00:00Z", STILL.message)
    assert same["observedGeneration"] == 2
    (changed,) = merge([LOST], before, 2, NOW)
    assert changed["lastTransitionTime"] == "2026-02-01T00:00:00Z"


def test_the_same_observation_again_is_the_same_condition() -> None:
    other = Observation("Enforced", "False", GuardReason.GUARDS_BROKEN, "admission bindings are missing")
    before = merge([READY, other], [], 1, EARLIER)
    assert merge([READY, other], before, 1, NOW) == before


def test_news_is_a_new_status_or_reason() -> None:
    before = merge([READY], [], 1, EARLIER)
    assert not notices([STILL], before)
    (told,) = notices([LOST], before)
    assert (told.type, told.reason, told.message) == ("Warning", "PodsOutside", LOST.message)
    assert not notices([NOT_KNOWN], before)
    assert [told.type for told in notices([READY], [])] == ["Normal"]


@given(st.lists(st.text(min_size=1, max_size=5), max_size=30))
def test_examples_are_at_most_ten_and_say_how_many_are_left_out(items: list[str]) -> None:
    text = examples(items)
    assert text.startswith(", ".join(items[:MAX_EXAMPLES]))
    assert text.endswith(f"and {len(items) - MAX_EXAMPLES} more") is (len(items) > MAX_EXAMPLES)


def test_a_line_of_findings_stays_readable() -> None:
    findings = tuple(NodeFinding(NodeReason.FOREIGN_LAW, f"finding {number}") for number in range(300))
    assert sentences(findings).endswith("; finding 9; and 290 more")
    assert sentences(findings[:2]) == "finding 0; finding 1"
