"""How long certificates from a datacentre are trusted. Only an end by date has a grace period."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec, QualificationStatus
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core.identity.trust_window import TrustWindow, trust_windows
from sovereign_operator.core.placement.calendar import NEVER, PARIS, end_instant
from sovereign_operator.core.placement.derogation import Approval, Derogation, Derogations
from sovereign_operator.core.placement.facts import Facts, Pair
from tests import fact_variants, strategies
from tests.builders import (
    LAST_YEAR,
    NEXT_YEAR,
    TODAY,
    TOMORROW,
    YESTERDAY,
    datacentre,
    demand,
    derogation,
    facts,
    policy,
    qualification,
    service,
)
from tests.unit.hypothesis_settings import ANY_EXAMPLE
from tests.unit.placement import oracle

A_WEEK = timedelta(days=7)
"""The default grace period."""
A_DAY = timedelta(days=1)
END_OF_YESTERDAY = datetime(2030, 6, 14, 22, tzinfo=UTC)
"""Midnight in Paris, fourteen hours before NOW."""
END_OF_TODAY = END_OF_YESTERDAY + A_DAY
SUSPENDED, WITHDRAWN = QualificationStatus.SUSPENDED, QualificationStatus.WITHDRAWN


def told(
    service: CloudServiceSpec,
    policy: SovereigntyPolicySpec | None = None,
    derogations: tuple[Derogation, ...] = (),
) -> Facts:
    """Return facts with one site of one service."""
    return facts(
        services={"acme-cloud": service},
        datacentres={"gra-1": datacentre()},
        policies=None if policy is None else {"demo": policy},
        derogations=derogations,
    )


def window(facts: Facts) -> TrustWindow | None:
    """Return the trust window of the one site under the one policy, without accepted_until."""
    found = trust_windows(facts).get(Pair("demo", "gra-1"))
    return found and replace(found, accepted_until=None)


def accepting(until: datetime | None) -> TrustWindow:
    return TrustWindow(accepting=True, until=until)


def on_grace(until: datetime) -> TrustWindow:
    return TrustWindow(accepting=False, until=until)


ENDED = service(qualification(until=YESTERDAY))
A_YEAR = timedelta(days=365)
"""The longest possible grace period."""
LONG_AGO = TODAY - timedelta(days=9)

TENURES: dict[str, tuple[Facts, TrustWindow | None]] = {
    "ends today": (told(service(qualification(until=TODAY))), accepting(END_OF_TODAY + A_WEEK)),
    "no end is recorded": (told(service(qualification(until=None))), accepting(None)),
    "nothing is demanded": (told(service(), policy()), accepting(None)),
    "the last day of the calendar": (told(service(qualification(until=date.max))), accepting(NEVER)),
    "the last day but one, and grace beyond": (
        told(service(qualification(until=date(9999, 12, 30)))),
        accepting(NEVER),
    ),
    "two schemes, the first to end counts": (
        told(service(qualification(), qualification("HDS", until=TODAY)), policy(demand(), demand("HDS"))),
        accepting(END_OF_TODAY + A_WEEK),
    ),
    "two schemes, one without an end": (
        told(service(qualification(until=None), qualification("HDS", until=TODAY)), policy(demand(), demand("HDS"))),
        accepting(END_OF_TODAY + A_WEEK),
    ),
    "a decision and its renewal are one": (
        told(service(qualification(until=TODAY), qualification(until=TOMORROW, decision="200"))),
        accepting(END_OF_TODAY + A_DAY + A_WEEK),
    ),
    "a derogation": (
        told(service(), derogations=(derogation(until=TODAY),)),
        accepting(END_OF_TODAY + A_WEEK),
    ),
    "another grace period": (
        told(service(qualification(until=TODAY)), policy(demand(), grace=timedelta(hours=1))),
        accepting(END_OF_TODAY + timedelta(hours=1)),
    ),
    "no grace": (
        told(service(qualification(until=TODAY)), policy(demand(), grace=timedelta(0))),
        accepting(END_OF_TODAY),
    ),
    "ended yesterday": (told(ENDED), on_grace(END_OF_YESTERDAY + A_WEEK)),
    "ended yesterday, no grace": (told(ENDED, policy(demand(), grace=timedelta(0))), None),
    "ended yesterday, grace over since a minute": (
        told(ENDED, policy(demand(), grace=timedelta(hours=13, minutes=59))),
        None,
    ),
    "ended yesterday, grace over this instant": (told(ENDED, policy(demand(), grace=timedelta(hours=14))), None),
    "ended yesterday, a second of grace is left": (
        told(ENDED, policy(demand(), grace=timedelta(hours=14, seconds=1))),
        on_grace(END_OF_YESTERDAY + timedelta(hours=14, seconds=1)),
    ),
    "ended a year ago, and so long is grace": (
        told(service(qualification(since=None, until=LAST_YEAR)), policy(demand(), grace=A_YEAR)),
        on_grace(END_OF_TODAY),
    ),
    "ended long ago": (told(service(qualification(until=LONG_AGO))), None),
    "the derogation ended yesterday": (
        told(service(), derogations=(derogation(until=YESTERDAY),)),
        on_grace(END_OF_YESTERDAY + A_WEEK),
    ),
    "the derogation ended yesterday, and was changed since": (
        told(service(), derogations=(derogation(until=YESTERDAY, approval=Approval(2, "ann", "bob", 1)),)),
        None,
    ),
    "the approval was taken back": (told(service(), derogations=(derogation(approval=Approval(1, "ann")),)), None),
    "of two that have ended, the later counts": (
        told(service(qualification(until=YESTERDAY - A_DAY), qualification(until=YESTERDAY, decision="200"))),
        on_grace(END_OF_YESTERDAY + A_WEEK),
    ),
    "what ended later was never enough": (
        told(service(qualification("HDS", until=YESTERDAY), qualification(until=YESTERDAY - A_DAY))),
        on_grace(END_OF_YESTERDAY - A_DAY + A_WEEK),
    ),
    "ended yesterday, the renewal begins tomorrow": (
        told(service(qualification(until=YESTERDAY), qualification(since=TOMORROW, decision="200"))),
        on_grace(END_OF_YESTERDAY + A_WEEK),
    ),
    "ended yesterday, the renewal is withdrawn": (
        told(service(qualification(until=YESTERDAY), qualification(status=WITHDRAWN, decision="200"))),
        on_grace(END_OF_YESTERDAY + A_WEEK),
    ),
    "not yet valid": (told(service(qualification(since=TOMORROW))), None),
    "suspended": (told(service(qualification(status=SUSPENDED))), None),
    "withdrawn": (told(service(qualification(status=WITHDRAWN))), None),
    "suspended, and ended yesterday": (told(service(qualification(status=SUSPENDED, until=YESTERDAY))), None),
    "withdrawn, and the derogation ended yesterday": (
        told(
            service(qualification(status=WITHDRAWN)),
            derogations=(derogation(until=YESTERDAY),),
        ),
        on_grace(END_OF_YESTERDAY + A_WEEK),
    ),
    "ended yesterday, and another scheme is suspended": (
        told(
            service(qualification(until=YESTERDAY), qualification("HDS", status=SUSPENDED)),
            policy(demand(), demand("HDS")),
        ),
        None,
    ),
    "ended yesterday, and too old a version": (told(ENDED, policy(demand(at_least="3.3"))), None),
    "ended yesterday, and a foreign law": (told(service(qualification(until=YESTERDAY), laws=("US",))), None),
    "ended yesterday, in another country": (told(ENDED, policy(demand(), countries=("DE",))), None),
    "the qualification was deleted": (told(service()), None),
    "the service was deleted": (facts(services={}, datacentres={"gra-1": datacentre()}), None),
    "the datacentre was deleted": (facts(), None),
    "the policy was deleted": (facts(datacentres={"gra-1": datacentre()}, policies={}), None),
}


@pytest.mark.parametrize(("told", "expected"), TENURES.values(), ids=TENURES.keys())
def test_only_what_ends_by_its_date_has_grace(told: Facts, expected: TrustWindow | None) -> None:
    assert window(told) == expected


@pytest.mark.parametrize(
    ("day", "until"),
    [
        pytest.param(date(2030, 3, 30), datetime(2030, 4, 6, 23, tzinfo=UTC), id="into-summer-time"),
        pytest.param(date(2030, 10, 26), datetime(2030, 11, 2, 22, tzinfo=UTC), id="out-of-summer-time"),
    ],
)
def test_grace_is_counted_in_seconds_where_the_clock_changes(day: date, until: datetime) -> None:
    spec = service(qualification(until=day))
    for now in (datetime(2030, 3, 30, 12, tzinfo=UTC), until - timedelta(seconds=1)):
        found = window(replace(told(spec), now=now))
        assert found
        assert found.until == until
    assert window(replace(told(spec), now=until)) is None


@pytest.mark.parametrize("grace", [timedelta(0), timedelta(days=1), A_YEAR])
def test_nothing_is_signed_in_grace(grace: timedelta) -> None:
    accepted = told(service(qualification(until=TODAY)), policy(demand(), grace=grace))
    (found,) = trust_windows(accepted).values()
    assert found.accepted_until == END_OF_TODAY
    assert found.until == END_OF_TODAY + grace
    later = replace(accepted, now=END_OF_TODAY)
    assert all(left.accepted_until is None for left in trust_windows(later).values())


def test_every_site_has_its_own_trust_window_under_every_policy() -> None:
    found = trust_windows(
        facts(
            services={"acme-cloud": service(qualification()), "bravo-cloud": ENDED},
            datacentres={"rbx-1": datacentre(service="bravo-cloud"), "gra-1": datacentre()},
            policies={"strict": policy(demand(), demand("HDS")), "demo": policy(demand()), "any": policy()},
        )
    )
    until = datetime.combine(NEXT_YEAR + A_DAY, time.min, PARIS).astimezone(UTC) + A_WEEK
    assert found == {
        Pair("any", "gra-1"): accepting(None),
        Pair("demo", "gra-1"): replace(accepting(until), accepted_until=until - A_WEEK),
        Pair("any", "rbx-1"): accepting(None),
        Pair("demo", "rbx-1"): on_grace(END_OF_YESTERDAY + A_WEEK),
    }


def end_of(day: date) -> datetime:
    return datetime.combine(day + A_DAY, time.min, PARIS).astimezone(UTC)


def by_days(told: Facts, site: str, name: str) -> TrustWindow | None:
    """Return the window of a pair that is not accepted, by asking the oracle about each day before today."""
    grace = timedelta(seconds=told.policies[name].grace_period_seconds)
    day = oracle.today_in_paris(told.now) - A_DAY
    while end_of(day) + grace > told.now:
        then = replace(told, now=datetime.combine(day, time(12), PARIS))
        if oracle.accepts_site(then, name, told.datacentres[site]):
            return on_grace(end_of(day) + grace)
        day -= A_DAY
    return None


@given(strategies.facts())
def test_a_window_is_what_a_calendar_says_day_by_day(told: Facts) -> None:
    found = trust_windows(told)
    for site, spec in told.datacentres.items():
        for name in told.policies:
            now = found.get(Pair(name, site))
            if oracle.accepts_site(told, name, spec):
                assert now
                assert now.accepting
            else:
                assert now == by_days(told, site, name)


@given(st.data())
def test_time_alone_takes_no_trust_window_before_its_end(data: st.DataObject) -> None:
    told = data.draw(strategies.facts())
    for pair, now in trust_windows(told).items():
        assert now.until is None or now.until > told.now
        farthest = min(now.until or NEVER, datetime(2300, 1, 1, tzinfo=UTC))
        grace = timedelta(seconds=told.policies[pair.policy].grace_period_seconds)
        besides = [farthest - grace + timedelta(microseconds=delta) for delta in (-1, 0, 1)]
        last = farthest - timedelta(microseconds=1)
        for instant in (*besides, last, *data.draw(st.lists(strategies.instants(), max_size=3))):
            if told.now < instant < farthest:
                assert pair in trust_windows(replace(told, now=instant))


@given(strategies.facts())
def test_what_is_suspended_leaves_no_grace_anywhere(told: Facts) -> None:
    suspended = {
        name: spec.model_copy(
            update={
                "qualifications": tuple(entry.model_copy(update={"status": SUSPENDED}) for entry in spec.qualifications)
            }
        )
        for name, spec in told.services.items()
    }
    for name, _ in trust_windows(replace(told, services=suspended, derogations=Derogations())):
        assert not told.policies[name].qualifications


@given(st.data())
def test_the_same_facts_in_any_order_give_the_same_windows(data: st.DataObject) -> None:
    told = data.draw(strategies.facts())
    assert list(trust_windows(data.draw(fact_variants.reordered(told))).items()) == list(trust_windows(told).items())


@given(strategies.facts(), st.datetimes(timezones=st.just(UTC)), st.dates())
def test_any_date_and_any_instant_will_do(told: Facts, now: datetime, until: date) -> None:
    spec = service(qualification(since=None, until=until))
    for then in (now, end_instant(until)):
        found = trust_windows(replace(told, services={**told.services, "acme-cloud": spec}, now=then))
        assert all(window.until is None or window.until >= then for window in found.values())


def test_the_strategies_reach_trust_windows_of_every_kind() -> None:
    def has(*, accepting: bool, ends: bool) -> None:
        def found(told: Facts) -> bool:
            return any(
                window.accepting is accepting and (window.until is not None) is ends
                for (name, _), window in trust_windows(told).items()
                if told.policies[name].qualifications
            )

        assert find(strategies.facts(), found, settings=ANY_EXAMPLE, random=Random(1))

    has(accepting=True, ends=True)
    has(accepting=True, ends=False)
    has(accepting=False, ends=True)
