"""When a sidecar asks for its certificate again, and what it reports meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.sidecar.outcome import LONGEST_MESSAGE, Kind, Outcome
from sovereign_operator.sidecar.renewal import Progress, next_step

FRESH, CERTIFIED = Progress(), Progress(certified=True)
CHANCES = st.floats(0, 1, exclude_max=True)
OUTCOMES = st.builds(Outcome, st.sampled_from(Kind), st.text(), st.integers(0, 1 << 64))
STATES = st.builds(Progress, st.booleans(), st.integers(0, 10**9), st.text())


@pytest.mark.parametrize(
    ("before", "outcome", "soonest", "latest"),
    [
        (FRESH, Outcome(Kind.ISSUED, "", 3600), 3240, 3600),
        (FRESH, Outcome(Kind.ISSUED, "", 10**30), 77760, 86400),
        # The certificate of an earlier start: there is no telling how much of its time has passed.
        (FRESH, Outcome(Kind.ISSUED, ""), 0, 0),
        (FRESH, Outcome(Kind.UNUSABLE, ""), 0, 0),
        (FRESH, Outcome(Kind.DELAYED, "", 20), 20, 22),
        (FRESH, Outcome(Kind.DELAYED, "", 10**9), 600, 660),
        (FRESH, Outcome(Kind.DELAYED, ""), 1, 1),
        (FRESH, Outcome(Kind.FAILED, ""), 1, 1),
        (Progress(failures=1), Outcome(Kind.FAILED, ""), 1, 2),
        (Progress(failures=3), Outcome(Kind.FAILED, ""), 4, 8),
        (Progress(failures=10**9), Outcome(Kind.FAILED, ""), 15, 30),
        (CERTIFIED, Outcome(Kind.DENIED, ""), 270, 300),
    ],
)
def test_the_pause_follows_from_the_outcome(before: Progress, outcome: Outcome, soonest: float, latest: float) -> None:
    pauses = [next_step(before, outcome, chance)[1].pause for chance in (0.0, 1.0)]
    assert sorted(pauses) == pytest.approx([soonest, latest])


@given(STATES, OUTCOMES, CHANCES)
def test_no_outcome_makes_it_ask_without_a_pause_for_long(before: Progress, outcome: Outcome, chance: float) -> None:
    after, step = next_step(before, outcome, chance)
    at_once = outcome.kind in (Kind.ISSUED, Kind.UNUSABLE)
    assert (0 if at_once else 1) <= step.pause <= 86400
    assert after.certified == (before.certified or outcome.kind is Kind.ISSUED)


@given(STATES, OUTCOMES, CHANCES)
def test_it_gives_up_only_without_a_certificate(before: Progress, outcome: Outcome, chance: float) -> None:
    step = next_step(before, outcome, chance)[1]
    assert step.gives_up == (outcome.kind is Kind.DENIED and not before.certified)


def test_the_pause_grows_with_each_failure_and_shrinks_after_an_answer() -> None:
    progress, pauses = FRESH, []
    for kind in (*[Kind.FAILED] * 7, Kind.ISSUED, Kind.FAILED):
        progress, step = next_step(progress, Outcome(kind, "", 5), 1.0)
        pauses.append(step.pause)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 4.5, 1]


def test_it_reports_a_message_when_it_changes() -> None:
    progress, reports = FRESH, []
    for message in ("no answer", "no answer", "denied", "no answer", "no answer"):
        progress, step = next_step(progress, Outcome(Kind.FAILED, message), 0.5)
        reports.append(step.report)
    assert reports == ["no answer", "", "denied", "no answer", ""]


@given(OUTCOMES)
def test_an_outcome_is_read_as_it_was_written(outcome: Outcome) -> None:
    assert Outcome.parse(str(outcome)) == outcome
    assert "\n" not in str(outcome)


def test_the_longest_outcome_fits_into_a_pipe() -> None:
    outcome = Outcome(Kind.FAILED, "\U0001f600" * 10**5, 10**9)
    assert Outcome.parse(str(outcome)).message == outcome.message[:LONGEST_MESSAGE]
    assert len(str(outcome)) < 65536


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Traceback",
        "[]",
        '{"kind": "Issued"}',
        '{"kind": "Gone", "message": "", "seconds": 1}',
        '{"kind": "Issued", "message": "", "seconds": -1}',
        "[" * 60_000,
    ],
)
def test_anything_else_is_no_outcome(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Outcome.parse(text)
