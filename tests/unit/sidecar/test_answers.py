"""What an answer of the signer means: only its own words are a refusal."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.sidecar.answers import LARGEST, Answer, Issued, judge
from sovereign_operator.sidecar.outcome import Kind, Outcome

WORDS = {"reason": "R", "message": "m"}


def judged(status: int, content: Any, retry_after: str = "") -> Issued | Outcome:
    return judge(Answer(status, retry_after, json.dumps(content).encode()))


def test_a_certificate_comes_with_the_time_of_the_next_one() -> None:
    assert judged(200, {"certificateChain": "pem", "refreshInSeconds": 60, "more": 1}) == Issued("pem", 60)


@pytest.mark.parametrize(
    ("status", "retry_after", "kind", "seconds"),
    [
        (403, "", Kind.DENIED, 0),
        (503, "7", Kind.DELAYED, 7),
        (429, "999999999", Kind.DELAYED, 999999999),
        (503, "", Kind.DELAYED, 0),
        (503, "Fri, 31 Dec 1999 23:59:59 GMT", Kind.DELAYED, 0),
        (503, "-1", Kind.DELAYED, 0),
        (503, "1" * 5000, Kind.DELAYED, 0),
        (401, "", Kind.FAILED, 0),
        (500, "7", Kind.FAILED, 0),
        (404, "", Kind.FAILED, 0),
    ],
)
def test_the_status_says_what_follows(status: int, retry_after: str, kind: Kind, seconds: int) -> None:
    outcome = judged(status, WORDS, retry_after)
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.seconds) == (kind, seconds)


@pytest.mark.parametrize(
    "content",
    [
        {"certificateChain": "pem"},
        {"certificateChain": ["pem"], "refreshInSeconds": 60},
        {"certificateChain": "pem", "refreshInSeconds": "60"},
        {"certificateChain": "pem", "refreshInSeconds": 60.5},
        {"certificateChain": "pem", "refreshInSeconds": -60},
        WORDS,
    ],
)
def test_a_certificate_that_is_not_whole_is_a_failure(content: Any) -> None:
    outcome = judged(200, content)
    assert isinstance(outcome, Outcome)
    assert outcome.kind is Kind.FAILED


@given(st.integers(100, 599), st.text(max_size=20), st.binary(max_size=LARGEST + 10))
def test_no_answer_in_other_words_is_taken_for_a_refusal(status: int, retry_after: str, content: bytes) -> None:
    outcome = judge(Answer(status, retry_after, content))
    assert isinstance(outcome, Outcome)
    assert outcome.kind is Kind.FAILED
