"""What an answer of the signer means. Pure."""

import json
import re
from http import HTTPStatus
from typing import Final, NamedTuple

from sovereign_operator.sidecar.outcome import Kind, Outcome

LARGEST: Final = 64 * 1024
"""Bytes of an answer. A chain of certificates has a few thousand."""

_MEANINGS: Final = {
    HTTPStatus.UNAUTHORIZED: (Kind.FAILED, "the signer does not accept the pod's token"),
    HTTPStatus.FORBIDDEN: (Kind.DENIED, "the signer refuses this pod a certificate"),
    HTTPStatus.TOO_MANY_REQUESTS: (Kind.DELAYED, "the signer issues no certificate yet"),
    HTTPStatus.SERVICE_UNAVAILABLE: (Kind.DELAYED, "the signer issues no certificate yet"),
}
"""By status, what an answer means that gives a reason."""
_SECONDS: Final = re.compile(r"[0-9]{1,9}")


class Answer(NamedTuple):
    """An answer of the signer."""

    status: int
    retry_after: str
    """The header; empty without one."""
    content: bytes
    """The body, as far as it was read: a byte more than LARGEST if it is too large."""


class Issued(NamedTuple):
    """A certificate, which is not checked yet."""

    chain: str
    """In PEM, with the pod's certificate first."""
    refresh_seconds: int
    """When to ask for the next one."""


def judge(answer: Answer) -> Issued | Outcome:
    """Decide what an answer means.

    Only an answer in the signer's own words counts as a refusal: without them, something else may have answered.
    """
    if len(answer.content) > LARGEST:
        return _useless(answer, f"of more than {LARGEST} bytes")
    try:
        content = json.loads(answer.content)
    except (ValueError, RecursionError):
        return _useless(answer, "that is not JSON")
    match answer.status, content:
        case HTTPStatus.OK, {"certificateChain": str(chain), "refreshInSeconds": int(seconds)} if seconds > 0:
            return Issued(chain, seconds)
        case status, {"reason": str(reason), "message": str(message)} if status in _MEANINGS:
            kind, meaning = _MEANINGS[HTTPStatus(status)]
            seconds = _seconds(answer.retry_after) if kind is Kind.DELAYED else 0
            return Outcome(kind, f"{meaning}: {reason}: {message}", seconds)
        case _:
            return _useless(answer, "that this sidecar does not understand")


def _useless(answer: Answer, what: str) -> Outcome:
    return Outcome(Kind.FAILED, f"the signer answered with status {answer.status} and content {what}")


def _seconds(retry_after: str) -> int:
    """Return the seconds of a header Retry-After; 0 if it has none, such as a date."""
    return int(retry_after) if _SECONDS.fullmatch(retry_after) else 0
