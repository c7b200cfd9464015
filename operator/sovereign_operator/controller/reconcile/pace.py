"""How often something is written that changes as often as pods come and go."""

from datetime import datetime, timedelta
from typing import Final

PACE: Final = timedelta(seconds=30)
"""The time between two writes of a status for nothing but a change of pods, or of a report."""


def wait_after(written: datetime | None, now: datetime) -> timedelta:
    """Return how long it must not be written again; nothing if it never was, or if the clock was set back."""
    age = now - written if written else PACE
    return PACE - age if timedelta(0) <= age < PACE else timedelta(0)
