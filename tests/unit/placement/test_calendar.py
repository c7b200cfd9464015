"""A decision's days are days in Paris: 23, 24 or 25 hours long."""

from datetime import UTC, date, datetime, timedelta

import pytest

from sovereign_operator.core.placement.calendar import NEVER, end_instant, first_instant, seconds_past

WINTER = date(2030, 1, 15)
SUMMER = date(2030, 7, 15)
SPRING_FORWARD = date(2030, 3, 31)
FALL_BACK = date(2030, 10, 27)


@pytest.mark.parametrize(
    ("day", "begins", "ends"),
    [
        pytest.param(WINTER, "2030-01-14T23:00Z", "2030-01-15T23:00Z", id="winter"),
        pytest.param(SUMMER, "2030-07-14T22:00Z", "2030-07-15T22:00Z", id="summer"),
        pytest.param(SPRING_FORWARD, "2030-03-30T23:00Z", "2030-03-31T22:00Z", id="23-hours-in-spring"),
        pytest.param(FALL_BACK, "2030-10-26T22:00Z", "2030-10-27T23:00Z", id="25-hours-in-autumn"),
        pytest.param(date(2032, 2, 29), "2032-02-28T23:00Z", "2032-02-29T23:00Z", id="leap-day"),
        pytest.param(date(2030, 12, 31), "2030-12-30T23:00Z", "2030-12-31T23:00Z", id="last-day-of-a-year"),
    ],
)
def test_a_day_lasts_from_midnight_to_midnight_in_paris(day: date, begins: str, ends: str) -> None:
    assert first_instant(day) == datetime.fromisoformat(begins)
    assert end_instant(day) == datetime.fromisoformat(ends)


@pytest.mark.parametrize("day", [date.min, date(1, 1, 2), date(1911, 3, 10), date(9999, 12, 30), date.max], ids=str)
def test_a_day_at_the_edge_of_the_calendar_still_has_a_beginning_before_its_end(day: date) -> None:
    assert first_instant(day) < end_instant(day)


@pytest.mark.parametrize(("offset", "seconds"), [(0, 1.0), (5, 6.0), (0.25, 1.25), (-3, 1.0)])
def test_an_instant_has_passed_a_second_after_it(offset: float, seconds: float) -> None:
    now = datetime(2030, 6, 15, 12, tzinfo=UTC)
    assert seconds_past(now + timedelta(seconds=offset), now) == seconds


def test_the_last_day_of_the_calendar_never_ends() -> None:
    assert end_instant(date.max) == NEVER


def test_one_day_ends_at_the_instant_at_which_the_next_begins() -> None:
    for offset in range(366):
        day = date(2030, 1, 1) + timedelta(days=offset)
        assert end_instant(day).astimezone(UTC) == first_instant(day + timedelta(days=1)).astimezone(UTC)
