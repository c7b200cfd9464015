"""Days as French decisions count them: first and last day are days in Europe/Paris, with summer time."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

PARIS: Final = ZoneInfo("Europe/Paris")
NEVER: Final = datetime.max.replace(tzinfo=UTC)


def first_instant(day: date) -> datetime:
    """Return the midnight at which a day begins."""
    return datetime.combine(day, time.min, PARIS)


def end_instant(day: date) -> datetime:
    """Return the first instant after a day: what ends on its last day ends here."""
    return NEVER if day == date.max else first_instant(day + timedelta(days=1))


def seconds_past(instant: datetime, now: datetime) -> float:
    """Return in how many seconds an instant has passed for certain.

    The API server tells its time in whole seconds: one more makes sure.
    """
    return max((instant - now).total_seconds(), 0.0) + 1.0
