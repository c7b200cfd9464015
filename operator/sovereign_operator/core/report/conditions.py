"""Conditions: what was observed, merged with what stood there before."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sovereign_operator.core.report.reason import Reason
from sovereign_operator.core.report.reasons import line

MAX_EXAMPLES = 10
"""Status holds counts and at most this many examples."""

MAX_MESSAGE = 32768
"""Characters of a condition's message."""


@dataclass(frozen=True)
class Observation:
    """One condition, before it is known when it last changed."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: Reason
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", line(self.message, MAX_MESSAGE))


@dataclass(frozen=True)
class Notice:
    """An Event to post about an object."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def merge(
    observations: Iterable[Observation], previous: Iterable[Mapping[str, Any]], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """Return conditions as the API has them; the transition time stays while the status stays."""
    before = {condition["type"]: condition for condition in previous}
    merged = []
    for observed in observations:
        known = before.get(observed.type)
        unchanged = known is not None and known["status"] == observed.status
        merged.append(
            {
                "type": observed.type,
                "status": observed.status,
                "reason": observed.reason.value,
                "message": observed.message,
                "lastTransitionTime": known["lastTransitionTime"] if known and unchanged else timestamp(now),
                "observedGeneration": generation,
            }
        )
    return merged


def notices(observations: Iterable[Observation], previous: Iterable[Mapping[str, Any]]) -> tuple[Notice, ...]:
    """Return one Event for each condition that now says something else. Unknown is no news."""
    before = {condition["type"]: (condition["status"], condition["reason"]) for condition in previous}
    return tuple(
        Notice("Normal" if observed.status == "True" else "Warning", observed.reason.value, observed.message)
        for observed in observations
        if observed.status != "Unknown" and before.get(observed.type) != (observed.status, observed.reason.value)
    )


def condition_of(status: Mapping[str, Any], wanted: str) -> Mapping[str, Any]:
    """Return the condition of a type that an object's status has; empty if it has none."""
    return next((entry for entry in status.get("conditions") or () if entry["type"] == wanted), {})


def timestamp(instant: datetime) -> str:
    """Return an instant as the API writes it: RFC 3339, UTC, whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def examples(items: Iterable[str], more: str = "and {} more") -> str:
    """Return at most ten items as text, saying how many were left out."""
    listed = list(items)
    shown = ", ".join(listed[:MAX_EXAMPLES])
    left = len(listed) - MAX_EXAMPLES
    return f"{shown} {more.format(left)}" if left > 0 else shown
