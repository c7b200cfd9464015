"""Country, technology, foreign law and derogations: the demands of a policy besides qualifications."""

from datetime import UTC, date, datetime, timedelta

import pytest

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec, QualificationStatus, TechnologyOrigin
from sovereign_operator.core.placement.derogation import Derogation
from sovereign_operator.core.report.reasons import NodeReason, sentences, words
from tests.builders import TODAY, YESTERDAY, ask, demand, derogation, policy, qualification, service

EU, LICENSED, NON_EU = TechnologyOrigin.EU, TechnologyOrigin.LICENSED_NON_EU, TechnologyOrigin.NON_EU


def test_a_site_of_no_service_is_refused_and_nothing_else_is_said_of_it() -> None:
    verdict = ask(None, policy(demand(), countries=("DE",)))
    assert words(verdict.findings) == (NodeReason.SERVICE_NOT_FOUND,)
    assert sentences(verdict.findings) == (
        "gra-1: there is no CloudService acme-cloud: create it or correct spec.serviceRef"
    )


@pytest.mark.parametrize(
    ("stands_in", "service_is_in", "accepted", "reasons"),
    [
        pytest.param("FR", ("FR",), ("FR",), (), id="accepted"),
        pytest.param("DE", ("FR", "DE"), ("FR", "DE"), (), id="one-of-two"),
        pytest.param("DE", ("DE",), (), (), id="any-country"),
        pytest.param("FR", (), ("FR",), (), id="countries-of-the-service-not-known"),
        pytest.param("DE", ("DE",), ("FR",), (NodeReason.COUNTRY_NOT_ACCEPTED,), id="another-country"),
        pytest.param("FR", ("DE",), ("FR",), (NodeReason.COUNTRY_CONTRADICTED,), id="not-where-the-service-is"),
        pytest.param("FR", ("DE",), (), (NodeReason.COUNTRY_CONTRADICTED,), id="contradicted-though-any-will-do"),
        pytest.param(
            "GB", ("DE",), ("FR",), (NodeReason.COUNTRY_NOT_ACCEPTED, NodeReason.COUNTRY_CONTRADICTED), id="wrong-twice"
        ),
    ],
)
def test_the_country_is_the_policys_and_the_services(
    stands_in: str, service_is_in: tuple[str, ...], accepted: tuple[str, ...], reasons: tuple[NodeReason, ...]
) -> None:
    assert (
        words(ask(service(countries=service_is_in), policy(countries=accepted), country=stands_in).findings) == reasons
    )


def test_a_person_reads_which_country_is_accepted() -> None:
    verdict = ask(service(countries=("DE",)), policy(countries=("FR", "BE")), country="DE")
    assert sentences(verdict.findings) == "gra-1 stands in DE; policy demo accepts BE, FR"


@pytest.mark.parametrize(
    ("origin", "accepted", "reasons"),
    [
        pytest.param(EU, (EU,), (), id="eu"),
        pytest.param(LICENSED, (EU, LICENSED), (), id="licensed-accepted"),
        pytest.param(NON_EU, (), (), id="any"),
        pytest.param(None, (), (), id="unknown-and-any"),
        pytest.param(LICENSED, (EU,), (NodeReason.TECHNOLOGY_NOT_ACCEPTED,), id="licensed"),
        pytest.param(NON_EU, (EU, LICENSED), (NodeReason.TECHNOLOGY_NOT_ACCEPTED,), id="non-eu"),
        pytest.param(None, (EU,), (NodeReason.TECHNOLOGY_UNKNOWN,), id="unknown"),
        pytest.param(None, (EU, LICENSED, NON_EU), (NodeReason.TECHNOLOGY_UNKNOWN,), id="unknown-is-none-of-the-three"),
    ],
)
def test_technology_is_of_an_accepted_origin(
    origin: TechnologyOrigin | None, accepted: tuple[TechnologyOrigin, ...], reasons: tuple[NodeReason, ...]
) -> None:
    assert words(ask(service(technology=origin), policy(technologies=accepted)).findings) == reasons


def test_a_person_reads_which_technology_is_accepted() -> None:
    verdict = ask(service(technology=LICENSED), policy(technologies=(EU,)))
    assert sentences(verdict.findings) == "gra-1: Acme Cloud runs LicensedNonEU technology; policy demo accepts EU"


@pytest.mark.parametrize(
    ("exposed_to", "accepted", "reasons"),
    [
        pytest.param((), (), (), id="none-known"),
        pytest.param(("US",), ("US",), (), id="accepted"),
        pytest.param(("US",), (), (NodeReason.FOREIGN_LAW,), id="none-accepted-by-default"),
        pytest.param(("US", "CA"), ("US",), (NodeReason.FOREIGN_LAW,), id="one-of-two-accepted"),
        pytest.param(None, (), (NodeReason.FOREIGN_LAW_UNKNOWN,), id="unknown"),
        pytest.param(None, ("US", "CN"), (NodeReason.FOREIGN_LAW_UNKNOWN,), id="unknown-is-never-accepted"),
    ],
)
def test_no_foreign_law_reaches_the_service_unless_accepted(
    exposed_to: tuple[str, ...] | None, accepted: tuple[str, ...], reasons: tuple[NodeReason, ...]
) -> None:
    assert words(ask(service(laws=exposed_to), policy(laws=accepted)).findings) == reasons


def test_foreign_law_is_checked_even_by_a_policy_that_demands_nothing() -> None:
    verdict = ask(service(laws=("US", "CA")), policy())
    assert sentences(verdict.findings) == "gra-1: Acme Cloud is exposed to the law of CA, US"


def test_all_that_is_wrong_is_said_at_once() -> None:
    everything = policy(demand(), demand("HDS"), countries=("FR",), technologies=(EU,))
    verdict = ask(service(countries=("IE",), technology=NON_EU, laws=("US",)), everything, country="IE")
    assert [finding.message for finding in verdict.findings] == [
        "gra-1 stands in IE; policy demo accepts FR",
        "gra-1: Acme Cloud has no HDS qualification",
        "gra-1: Acme Cloud has no SecNumCloud qualification",
        "gra-1: Acme Cloud runs NonEU technology; policy demo accepts EU",
        "gra-1: Acme Cloud is exposed to the law of US",
    ]


def test_a_refused_site_still_says_which_demands_are_met() -> None:
    verdict = ask(service(qualification(), laws=("US",)), policy(demand()))
    assert not verdict.accepted
    assert [basis.decision for basis in verdict.basis] == ["100"]


@pytest.mark.parametrize(
    "pilot",
    [
        pytest.param(service(), id="missing"),
        pytest.param(service(qualification(status=QualificationStatus.IN_PROCESS)), id="in-process"),
        pytest.param(service(qualification(until=YESTERDAY)), id="expired"),
        pytest.param(service(qualification(version="3.1")), id="version-too-low"),
    ],
)
def test_a_derogation_waives_the_qualification_and_is_cited(pilot: CloudServiceSpec) -> None:
    verdict = ask(pilot, policy(demand(at_least="3.2")), derogation())
    assert verdict.accepted
    assert [basis.text for basis in verdict.basis] == [
        (
            "derogation pilot from SecNumCloud, asked for by ann, approved by bob until 2031-06-15: "
            "pilot before qualification"
        )
    ]


@pytest.mark.parametrize(
    ("pilot", "country", "reason"),
    [
        pytest.param(service(countries=("DE",)), "DE", NodeReason.COUNTRY_NOT_ACCEPTED, id="country"),
        pytest.param(service(countries=("DE",)), "FR", NodeReason.COUNTRY_CONTRADICTED, id="contradicted-country"),
        pytest.param(service(technology=LICENSED), "FR", NodeReason.TECHNOLOGY_NOT_ACCEPTED, id="technology"),
        pytest.param(service(technology=None), "FR", NodeReason.TECHNOLOGY_UNKNOWN, id="unknown-technology"),
        pytest.param(service(laws=("US",)), "FR", NodeReason.FOREIGN_LAW, id="foreign-law"),
        pytest.param(service(laws=None), "FR", NodeReason.FOREIGN_LAW_UNKNOWN, id="unknown-foreign-law"),
    ],
)
def test_a_derogation_waives_nothing_else(pilot: CloudServiceSpec, country: str, reason: NodeReason) -> None:
    lenient = policy(demand(), countries=("FR",), technologies=(EU,))
    assert words(ask(pilot, lenient, derogation(), country=country).findings) == (reason,)


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param(derogation(policy="other"), id="another-policy"),
        pytest.param(derogation(service="other"), id="another-service"),
        pytest.param(derogation("C5"), id="another-scheme"),
        pytest.param(derogation(until=YESTERDAY), id="ended"),
        pytest.param(derogation("HDS"), id="one-of-two-schemes"),
    ],
)
def test_a_derogation_holds_for_its_own_policy_service_scheme_and_time(elsewhere: Derogation) -> None:
    verdict = ask(service(), policy(demand(), demand("HDS")), elsewhere)
    assert words(verdict.findings) == (NodeReason.QUALIFICATION_MISSING,)


@pytest.mark.parametrize(
    ("last_day", "first_instant_after"),
    [
        pytest.param(date(2030, 1, 15), datetime(2030, 1, 15, 23, tzinfo=UTC), id="winter"),
        pytest.param(date(2030, 3, 31), datetime(2030, 3, 31, 22, tzinfo=UTC), id="day-of-summer-time"),
        pytest.param(date(2030, 10, 27), datetime(2030, 10, 27, 23, tzinfo=UTC), id="day-of-winter-time"),
    ],
)
def test_the_last_day_of_a_derogation_counts_until_midnight_in_paris(
    last_day: date, first_instant_after: datetime
) -> None:
    until = derogation(until=last_day)
    assert ask(service(), policy(demand()), until, now=first_instant_after - timedelta(seconds=1)).accepted
    assert not ask(service(), policy(demand()), until, now=first_instant_after).accepted


def test_a_qualification_in_force_is_cited_rather_than_a_derogation() -> None:
    verdict = ask(service(qualification(until=TODAY)), policy(demand()), derogation())
    assert [basis.decision for basis in verdict.basis] == ["100"]
