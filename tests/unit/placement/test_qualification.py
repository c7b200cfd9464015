"""Whether a service is qualified as the policy demands, with one table for each way in which it may not be."""

from datetime import UTC, date, datetime, timedelta

import pytest

from sovereign_operator.api.v1alpha1.cloud_service import Qualification, QualificationStatus
from sovereign_operator.api.v1alpha1.sovereignty_policy import QualificationDemand
from sovereign_operator.core.report.reasons import NodeReason, sentences, words
from tests.builders import (
    LAST_YEAR,
    NEXT_YEAR,
    TODAY,
    TOMORROW,
    YESTERDAY,
    ask,
    demand,
    policy,
    qualification,
    service,
)

SECOND = timedelta(seconds=1)
IN_PROCESS, SUSPENDED, WITHDRAWN = (
    QualificationStatus.IN_PROCESS,
    QualificationStatus.SUSPENDED,
    QualificationStatus.WITHDRAWN,
)


@pytest.mark.parametrize(
    ("held", "demanded"),
    [
        pytest.param(qualification(), demand(), id="in-force"),
        pytest.param(qualification(since=TODAY), demand(), id="first-day"),
        pytest.param(qualification(until=TODAY), demand(), id="last-day"),
        pytest.param(qualification(since=TODAY, until=TODAY), demand(), id="only-day"),
        pytest.param(qualification(since=None), demand(), id="start-not-recorded"),
        pytest.param(qualification(until=None), demand(), id="end-not-recorded"),
        pytest.param(qualification(version=None), demand(), id="no-version-demanded"),
        pytest.param(qualification(version="3.2"), demand(at_least="3.2"), id="same-version"),
        pytest.param(qualification(version="3.10"), demand(at_least="3.2"), id="3.10-is-above-3.2"),
        pytest.param(qualification(version="4"), demand(at_least="3.2"), id="next-major-version"),
        pytest.param(qualification(version="3"), demand(at_least="3.0"), id="3-is-3.0"),
        pytest.param(qualification(version="3.0.0"), demand(at_least="3"), id="3.0.0-is-3"),
        pytest.param(
            qualification("HDS", "2", activities=(1, 2, 3, 4)), demand("HDS", "2", (1, 3)), id="activities-covered"
        ),
        pytest.param(qualification("HDS", "2"), demand("HDS", "2"), id="no-activity-demanded"),
    ],
)
def test_a_qualification_counts(held: Qualification, demanded: QualificationDemand) -> None:
    assert ask(service(held), policy(demanded)).accepted


@pytest.mark.parametrize(
    ("held", "demanded", "reasons"),
    [
        pytest.param(qualification("HDS"), demand(), [NodeReason.QUALIFICATION_MISSING], id="another-scheme"),
        pytest.param(qualification("secnumcloud"), demand(), [NodeReason.QUALIFICATION_MISSING], id="spelt-otherwise"),
        pytest.param(qualification(since=TOMORROW), demand(), [NodeReason.QUALIFICATION_NOT_YET_VALID], id="tomorrow"),
        pytest.param(
            qualification(until=YESTERDAY), demand(), [NodeReason.QUALIFICATION_EXPIRED], id="ended-yesterday"
        ),
        pytest.param(qualification(status=SUSPENDED), demand(), [NodeReason.QUALIFICATION_SUSPENDED], id="suspended"),
        pytest.param(qualification(status=WITHDRAWN), demand(), [NodeReason.QUALIFICATION_WITHDRAWN], id="withdrawn"),
        pytest.param(
            qualification(status=IN_PROCESS), demand(), [NodeReason.QUALIFICATION_IN_PROCESS], id="in-process"
        ),
        pytest.param(
            qualification(version="3.1"), demand(at_least="3.2"), [NodeReason.VERSION_TOO_LOW], id="3.1-below-3.2"
        ),
        pytest.param(
            qualification(version="3.2"), demand(at_least="3.10"), [NodeReason.VERSION_TOO_LOW], id="3.2-below-3.10"
        ),
        pytest.param(
            qualification(version="3"), demand(at_least="3.2"), [NodeReason.VERSION_TOO_LOW], id="3-below-3.2"
        ),
        pytest.param(
            qualification(version=None), demand(at_least="3.2"), [NodeReason.VERSION_UNKNOWN], id="unknown-version"
        ),
        pytest.param(
            qualification("HDS", "2", activities=(1, 2)),
            demand("HDS", activities=(2, 3)),
            [NodeReason.ACTIVITY_NOT_COVERED],
            id="activity-not-covered",
        ),
        pytest.param(
            qualification("HDS", "2"),
            demand("HDS", activities=(1,)),
            [NodeReason.ACTIVITY_NOT_COVERED],
            id="no-activities",
        ),
        pytest.param(
            qualification(status=SUSPENDED, until=YESTERDAY, version="3.1"),
            demand(at_least="3.2"),
            [NodeReason.QUALIFICATION_EXPIRED, NodeReason.QUALIFICATION_SUSPENDED, NodeReason.VERSION_TOO_LOW],
            id="all-that-is-wrong-at-once",
        ),
    ],
)
def test_a_qualification_does_not_count(held: Qualification, demanded: QualificationDemand, reasons: list[str]) -> None:
    assert sorted(words(ask(service(held), policy(demanded)).findings)) == sorted(reasons)


@pytest.mark.parametrize(
    ("held", "demanded", "sentence"),
    [
        (
            qualification("HDS"),
            demand(),
            "gra-1: OVHcloud Public Cloud has no SecNumCloud qualification",
        ),
        (
            qualification(until=YESTERDAY),
            demand(),
            "gra-1: OVHcloud Public Cloud: SecNumCloud 3.2 (decision 100) ended on 2030-06-14",
        ),
        (
            qualification(since=TOMORROW),
            demand(),
            "gra-1: OVHcloud Public Cloud: SecNumCloud 3.2 (decision 100) begins on 2030-06-16",
        ),
        (
            qualification(status=IN_PROCESS, decision=None, called="pilot"),
            demand(),
            "gra-1: OVHcloud Public Cloud has applied for SecNumCloud 3.2 (pilot) but does not hold it yet",
        ),
        (
            qualification(status=SUSPENDED),
            demand(),
            "gra-1: OVHcloud Public Cloud: SecNumCloud 3.2 (decision 100) is suspended",
        ),
        (
            qualification(status=WITHDRAWN),
            demand(),
            "gra-1: OVHcloud Public Cloud: SecNumCloud 3.2 (decision 100) was withdrawn",
        ),
        (
            qualification(version="3.1"),
            demand(at_least="3.2"),
            "gra-1: OVHcloud Public Cloud: SecNumCloud 3.1 (decision 100) is below version 3.2",
        ),
        (
            qualification(version=None),
            demand(at_least="3.2"),
            "gra-1: OVHcloud Public Cloud: version of SecNumCloud (decision 100) is not recorded, 3.2 is demanded",
        ),
        (
            qualification("HDS", "2", activities=(1,)),
            demand("HDS", activities=(1, 2, 6)),
            "gra-1: OVHcloud Public Cloud: HDS 2 (decision 100) does not cover activity 2, 6",
        ),
    ],
    ids=["missing", "ended", "begins", "in-process", "suspended", "withdrawn", "below", "no-version", "activities"],
)
def test_a_person_reads_why(held: Qualification, demanded: QualificationDemand, sentence: str) -> None:
    public_cloud = service(held, provider="OVHcloud", called="Public Cloud")
    assert sentences(ask(public_cloud, policy(demanded)).findings) == sentence


def test_a_service_without_any_qualification_has_none_of_the_scheme() -> None:
    assert words(ask(service(), policy(demand())).findings) == (NodeReason.QUALIFICATION_MISSING,)


def test_no_qualification_is_needed_where_none_is_demanded() -> None:
    verdict = ask(service(), policy())
    assert verdict.accepted
    assert verdict.basis == ()


@pytest.mark.parametrize(
    ("last_day", "first_instant_after"),
    [
        pytest.param(date(2030, 1, 15), datetime(2030, 1, 15, 23, tzinfo=UTC), id="winter"),
        pytest.param(date(2030, 7, 15), datetime(2030, 7, 15, 22, tzinfo=UTC), id="summer"),
        pytest.param(date(2030, 3, 31), datetime(2030, 3, 31, 22, tzinfo=UTC), id="day-of-summer-time"),
        pytest.param(date(2030, 3, 30), datetime(2030, 3, 30, 23, tzinfo=UTC), id="day-before-summer-time"),
        pytest.param(date(2030, 10, 27), datetime(2030, 10, 27, 23, tzinfo=UTC), id="day-of-winter-time"),
        pytest.param(date(2030, 10, 26), datetime(2030, 10, 26, 22, tzinfo=UTC), id="day-before-winter-time"),
    ],
)
def test_the_last_day_counts_until_midnight_in_paris(last_day: date, first_instant_after: datetime) -> None:
    ending = service(qualification(until=last_day))
    assert ask(ending, policy(demand()), now=first_instant_after - SECOND).accepted
    assert words(ask(ending, policy(demand()), now=first_instant_after).findings) == (NodeReason.QUALIFICATION_EXPIRED,)


@pytest.mark.parametrize(
    ("first_day", "its_first_instant"),
    [
        pytest.param(date(2030, 1, 15), datetime(2030, 1, 14, 23, tzinfo=UTC), id="winter"),
        pytest.param(date(2030, 7, 15), datetime(2030, 7, 14, 22, tzinfo=UTC), id="summer"),
        pytest.param(date(2030, 3, 31), datetime(2030, 3, 30, 23, tzinfo=UTC), id="day-of-summer-time"),
        pytest.param(date(2030, 10, 27), datetime(2030, 10, 26, 22, tzinfo=UTC), id="day-of-winter-time"),
    ],
)
def test_the_first_day_counts_from_midnight_in_paris(first_day: date, its_first_instant: datetime) -> None:
    beginning = service(qualification(since=first_day, until=None))
    early = ask(beginning, policy(demand()), now=its_first_instant - SECOND)
    assert words(early.findings) == (NodeReason.QUALIFICATION_NOT_YET_VALID,)
    assert ask(beginning, policy(demand()), now=its_first_instant).accepted


def test_a_decision_and_its_renewal_leave_no_gap_and_the_one_that_lasts_longest_is_cited() -> None:
    ending = qualification(until=TODAY, decision="100")
    renewal = qualification(since=TODAY, until=NEXT_YEAR, decision="200")
    for held in ((ending, renewal), (renewal, ending)):
        today = ask(service(*held), policy(demand()))
        assert [basis.decision for basis in today.basis] == ["200"]
        assert [basis.text for basis in today.basis] == ["SecNumCloud 3.2 (decision 200), until 2031-06-15"]


def test_a_renewal_that_begins_later_leaves_a_gap_and_both_decisions_are_named() -> None:
    held = (qualification(until=YESTERDAY, decision="100"), qualification(since=TOMORROW, decision="200"))
    verdict = ask(service(*held), policy(demand()))
    assert words(verdict.findings) == (NodeReason.QUALIFICATION_EXPIRED, NodeReason.QUALIFICATION_NOT_YET_VALID)


def test_a_withdrawn_decision_does_not_harm_one_that_is_in_force() -> None:
    held = (qualification(status=WITHDRAWN, decision="100"), qualification(decision="200"))
    assert [basis.decision for basis in ask(service(*held), policy(demand())).basis] == ["200"]


def test_two_half_good_decisions_do_not_make_a_good_one() -> None:
    new_but_ended = qualification(version="3.2", until=YESTERDAY, decision="100")
    in_force_but_old = qualification(version="3.1", decision="200")
    verdict = ask(service(new_but_ended, in_force_but_old), policy(demand(at_least="3.2")))
    assert words(verdict.findings) == (NodeReason.QUALIFICATION_EXPIRED, NodeReason.VERSION_TOO_LOW)


def test_activities_of_two_certificates_do_not_add_up() -> None:
    held = (
        qualification("HDS", "2", activities=(1,), decision="100"),
        qualification("HDS", "2", activities=(2,), decision="200"),
    )
    assert words(ask(service(*held), policy(demand("HDS", activities=(1, 2)))).findings) == (
        NodeReason.ACTIVITY_NOT_COVERED,
    )


def test_two_schemes_are_two_demands_and_each_has_its_own_basis() -> None:
    both = service(qualification(decision="100"), qualification("HDS", "2", decision="7"))
    verdict = ask(both, policy(demand(), demand("HDS")))
    assert [(basis.scheme, basis.decision) for basis in verdict.basis] == [("HDS", "7"), ("SecNumCloud", "100")]


@pytest.mark.parametrize("missing", ["SecNumCloud", "HDS"])
def test_one_scheme_never_stands_for_another(missing: str) -> None:
    (other,) = {"SecNumCloud", "HDS"} - {missing}
    verdict = ask(service(qualification(other, "9")), policy(demand(), demand("HDS")))
    assert sentences(verdict.findings) == f"gra-1: Acme Cloud has no {missing} qualification"


def test_an_open_end_is_cited_as_such() -> None:
    assert [basis.text for basis in ask(service(qualification(until=None)), policy(demand())).basis] == [
        "SecNumCloud 3.2 (decision 100), no end recorded"
    ]


def test_dates_before_and_after_all_others_are_judged() -> None:
    eternal = qualification(since=date.min, until=date.max)
    assert ask(service(eternal), policy(demand())).accepted
    assert not ask(service(qualification(since=date.min, until=date.min)), policy(demand())).accepted
    assert not ask(service(qualification(since=date.max, until=date.max)), policy(demand())).accepted


def test_the_past_year_is_not_this_year() -> None:
    assert not ask(service(qualification(until=LAST_YEAR, since=None)), policy(demand())).accepted
