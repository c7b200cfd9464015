"""When the facts must be judged again: neither before something changes by itself, nor after."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec, QualificationStatus
from sovereign_operator.core.placement.derogation import Approval
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.next_change import next_change, seconds_to_next_change
from sovereign_operator.core.placement.verdicts import Verdicts
from tests import strategies
from tests.builders import (
    NEXT_YEAR,
    TODAY,
    TOMORROW,
    YESTERDAY,
    datacentre,
    derogation,
    facts,
    qualification,
    service,
)
from tests.unit.hypothesis_settings import ANY_EXAMPLE
from tests.unit.placement.canonical import canonical

MIDNIGHT = datetime(2030, 6, 15, 22, tzinfo=UTC)
"""The end of TODAY in Paris."""
A_DAY = timedelta(days=1)


def site_of(service: CloudServiceSpec) -> Facts:
    """Return facts with one site of one service and a policy that demands SecNumCloud."""
    return facts(services={"acme-cloud": service}, datacentres={"gra-1": datacentre()})


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(site_of(service(qualification(until=TODAY))), MIDNIGHT, id="ends-today"),
        pytest.param(site_of(service(qualification(until=TOMORROW))), MIDNIGHT + A_DAY, id="ends-tomorrow"),
        pytest.param(site_of(service(qualification(since=TOMORROW))), MIDNIGHT, id="begins-tomorrow"),
        pytest.param(site_of(service(qualification(until=None))), None, id="no-end"),
        pytest.param(site_of(service(qualification(until=YESTERDAY))), None, id="has-ended"),
        pytest.param(site_of(service()), None, id="no-qualification"),
        pytest.param(site_of(service(qualification("HDS", until=TODAY))), None, id="a-scheme-that-nobody-demands"),
        pytest.param(
            site_of(service(qualification(status=QualificationStatus.SUSPENDED, until=TODAY))),
            MIDNIGHT,
            id="a-suspended-one-ends-and-the-sentence-changes",
        ),
        pytest.param(
            facts(
                services={"acme-cloud": service()},
                datacentres={"gra-1": datacentre()},
                derogations=(derogation(until=TODAY),),
            ),
            MIDNIGHT,
            id="a-derogation-ends",
        ),
        pytest.param(
            facts(
                services={"acme-cloud": service()},
                datacentres={"gra-1": datacentre()},
                derogations=(derogation(until=TODAY, approval=Approval(1, "ann")),),
            ),
            None,
            id="a-derogation-ends-that-nobody-approved",
        ),
        pytest.param(facts(), None, id="no-datacentre"),
        pytest.param(
            facts(
                services={"acme-cloud": service(qualification(until=date(2030, 10, 27)))},
                datacentres={"gra-1": datacentre()},
            ),
            datetime(2030, 10, 27, 23, tzinfo=UTC),
            id="the-day-of-25-hours",
        ),
    ],
)
def test_the_next_look_is_when_a_verdict_changes_by_itself(told: Facts, expected: datetime | None) -> None:
    assert next_change(told) == expected


def test_at_the_instant_of_a_change_the_next_look_is_the_one_after() -> None:
    told = site_of(service(qualification(until=TODAY), qualification(since=NEXT_YEAR, until=None, decision="200")))
    assert next_change(told) == MIDNIGHT
    later = next_change(replace(told, now=MIDNIGHT))
    assert later == datetime(2031, 6, 14, 22, tzinfo=UTC)
    assert next_change(replace(told, now=later)) is None


def sampled(told: Facts, data: st.DataObject) -> list[datetime]:
    """Return instants after now at which something might change, computed without the code under test.

    Every midnight in Paris that borders a day in the facts, the microseconds beside it, and other random instants.
    """
    days = {
        day
        for service in told.services.values()
        for entry in service.qualifications
        for day in (entry.valid_from, entry.valid_until)
        if day
    } | {one.spec.until for one in told.derogations.values()}
    midnights = [
        datetime.combine(day + timedelta(days=offset), time.min, ZoneInfo("Europe/Paris")).astimezone(UTC)
        for day in days
        for offset in (0, 1)
        if date(1, 1, 3) < day < date(9999, 12, 30)
    ]
    besides = [instant + timedelta(microseconds=delta) for instant in midnights for delta in (-1, 0, 1)]
    anywhere = data.draw(st.lists(strategies.instants(), max_size=3))
    return sorted({instant for instant in (*besides, *anywhere) if instant > told.now})


@given(st.data())
def test_nothing_changes_before_the_next_change_and_something_changes_at_it(data: st.DataObject) -> None:
    told = data.draw(strategies.facts())
    now = canonical(Verdicts(told))
    change = next_change(told)
    for instant in sampled(told, data):
        if change is None or instant < change:
            assert canonical(Verdicts(replace(told, now=instant))) == now
    if change is not None:
        assert change > told.now
        assert canonical(Verdicts(replace(told, now=change))) != now


def test_the_strategies_reach_facts_that_change_and_facts_that_do_not() -> None:
    def change_of_a_node(told: Facts) -> bool:
        return next_change(told) is not None and bool(Verdicts(told).nodes)

    def no_change_of_a_site(told: Facts) -> bool:
        return next_change(told) is None and bool(Verdicts(told).sites)

    assert find(strategies.facts(), change_of_a_node, settings=ANY_EXAMPLE)
    assert find(strategies.facts(), no_change_of_a_site, settings=ANY_EXAMPLE)


@pytest.mark.parametrize(
    ("late", "longest", "seconds"),
    [
        (timedelta(0), A_DAY.total_seconds(), 36001.0),
        (timedelta(hours=9, minutes=59, seconds=59), 600.0, 2.0),
        (timedelta(0), 600.0, 600.0),
        (timedelta(hours=11), 600.0, 1.0),
    ],
    ids=["in ten hours", "in a second", "no later than asked", "it has passed meanwhile"],
)
def test_one_looks_again_a_second_after_the_next_change(late: timedelta, longest: float, seconds: float) -> None:
    ending = site_of(service(qualification(until=TODAY)))
    assert seconds_to_next_change(ending, MIDNIGHT - timedelta(hours=10) + late, longest) == seconds


def test_where_nothing_changes_by_itself_one_looks_again_as_late_as_allowed() -> None:
    assert seconds_to_next_change(site_of(service()), MIDNIGHT, 600.0) == 600.0
