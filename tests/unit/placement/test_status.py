"""The statuses of CloudServices, Datacentres and SovereigntyPolicies."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovereign_operator.api import v1alpha1
from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec, QualificationStatus
from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.api.v1alpha1.kind import Kind
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.status import Trusted, report_datacentre, report_policy, report_service
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.conditions import merge
from sovereign_operator.core.report.report import Report
from tests import fact_variants, strategies
from tests.builders import (
    NEXT_YEAR,
    NOW,
    TODAY,
    YESTERDAY,
    datacentre,
    demand,
    derogation,
    facts,
    node,
    policy,
    qualification,
    service,
)
from tests.schema import schema_of, sent, violations, with_defaults

WORKER = node("worker-1", region="gra")
HERE = {"gra": datacentre(WORKER)}


def reports(told: Facts) -> Iterator[tuple[Kind, Report]]:
    """Yield the report of every cluster-scoped object."""
    verdicts = Verdicts(told)
    yield from ((v1alpha1.CLOUD_SERVICE, report_service(name, told, verdicts)) for name in told.services)
    yield from ((v1alpha1.DATACENTRE, report_datacentre(name, told, verdicts)) for name in told.datacentres)
    yield from ((v1alpha1.SOVEREIGNTY_POLICY, report_policy(name, told, verdicts)) for name in told.policies)


def written(report: Report) -> dict[str, Any]:
    """Return the status as it is written."""
    conditions = merge(report.observations, (), 1, NOW)
    return report.status | {"observedGeneration": 1, "conditions": conditions}


def condition(report: Report) -> tuple[str, str]:
    """Return status and reason of the one condition."""
    (seen,) = report.observations
    return seen.status, seen.reason.value


RENEWAL = qualification(since=TODAY, until=NEXT_YEAR.replace(year=2034), called="renewal")

QUALIFIED: dict[str, tuple[CloudServiceSpec, tuple[str, str], str, str]] = {
    "one in force": (service(qualification()), ("True", "InForce"), "SecNumCloud 3.2", "2031-06-15"),
    "two schemes": (
        service(qualification(), qualification("HDS", None, until=TODAY)),
        ("True", "InForce"),
        "HDS, SecNumCloud 3.2",
        TODAY.isoformat(),
    ),
    "a decision and its renewal are one": (
        service(qualification(), RENEWAL),
        ("True", "InForce"),
        "SecNumCloud 3.2",
        "2031-06-15",
    ),
    "no end is recorded": (
        service(qualification(until=None)),
        ("True", "InForce"),
        "SecNumCloud 3.2",
        "no end recorded",
    ),
    "it ended yesterday": (service(qualification(until=YESTERDAY)), ("False", "NoneInForce"), "none", "none"),
    "suspended": (
        service(qualification(status=QualificationStatus.SUSPENDED)),
        ("False", "NoneInForce"),
        "none",
        "none",
    ),
    "nothing recorded": (service(), ("False", "NoneInForce"), "none", "none"),
}


@pytest.mark.parametrize(("spec", "expected", "held", "until"), QUALIFIED.values(), ids=QUALIFIED.keys())
def test_a_service_says_what_of_it_is_in_force_today(
    spec: CloudServiceSpec, expected: tuple[str, str], held: str, until: str
) -> None:
    told = facts(services={"acme-cloud": spec})
    report = report_service("acme-cloud", told, Verdicts(told))
    assert condition(report) == expected
    assert (report.status["qualified"], report.status["until"]) == (held, until)


def test_a_service_counts_its_datacentres_and_their_nodes() -> None:
    here, there = node("worker-1"), node("worker-2")
    told = facts(
        here,
        there,
        datacentres={"gra": datacentre(here), "rbx": datacentre(), "par": datacentre(there, service="other")},
    )
    status = report_service("acme-cloud", told, Verdicts(told)).status
    assert (status["datacentres"], status["nodes"]) == (2, 1)


NO_NAMESPACE_FACTS: dict[str, tuple[Facts, str]] = {
    "there is no datacentre": (facts(), "there is no Datacentre: create one"),
    "no datacentre is accepted": (
        facts(WORKER, datacentres=HERE, services={"acme-cloud": service()}),
        "no datacentre is accepted: gra: Acme Cloud has no SecNumCloud qualification",
    ),
    "no node stands in the accepted one": (facts(datacentres=HERE), "the policy accepts gra, but no node stands there"),
    "its node is claimed by another one, too": (
        facts(WORKER, datacentres={**HERE, "rbx": HERE["gra"]}),
        "the policy accepts gra, rbx, but worker-1 is claimed by the datacentres gra and rbx, and stands in none",
    ),
    "its node is contradicted": (
        facts(WORKER, datacentres=HERE, services={"acme-cloud": service(qualification(), regions=("rbx",))}),
        "the policy accepts gra, but worker-1 has region gra",
    ),
}


@pytest.mark.parametrize(("told", "why"), NO_NAMESPACE_FACTS.values(), ids=NO_NAMESPACE_FACTS.keys())
def test_a_policy_that_accepts_no_node_says_why(told: Facts, why: str) -> None:
    report = report_policy("demo", told, Verdicts(told))
    assert condition(report) == ("False", "NoNodeAccepted")
    assert why in report.observations[0].message


def test_a_policy_says_which_datacentres_it_accepts_and_what_ends_first() -> None:
    sites: dict[str, DatacentreSpec] = {**HERE, "rbx": datacentre(service="pilot"), "par": datacentre(country="DE")}
    waiver = derogation(service="pilot", until=TODAY)
    told = facts(
        WORKER,
        services={"acme-cloud": service(qualification()), "pilot": service()},
        datacentres=sites,
        policies={"demo": policy(demand(), countries=("FR",))},
        derogations=(waiver,),
    )
    report = report_policy("demo", told, Verdicts(told))
    assert condition(report) == ("True", "NodesAccepted")
    assert {key: value for key, value in report.status.items() if key != "refused"} == {
        "datacentresAccepted": 1,
        "datacentresWithoutNode": 1,
        "datacentresRefused": 1,
        "datacentres": "1 of 3",
        "derogated": 1,
        "nodes": 1,
        "accepted": ["gra"],
        "authorities": [],
        "authorityEnd": "none",
        # The end of rbx is earlier, but no node depends on it.
        "nextEnd": NEXT_YEAR.isoformat(),
    }
    assert report.observations[0].message.endswith("in gra; the policy accepts rbx, but no node stands there")
    assert [entry["datacentre"] for entry in report.status["refused"]] == ["par"]


def test_policy_and_datacentre_say_what_rests_on_a_derogation() -> None:
    told = facts(
        WORKER,
        services={"acme-cloud": service()},
        datacentres=HERE,
        policies={"demo": policy(demand()), "lenient": policy(), "strict": policy(demand("HDS"))},
        derogations=(derogation(),),
    )
    verdicts = Verdicts(told)
    report = report_policy("demo", told, verdicts)
    assert report.status["derogated"] == 1
    assert report.observations[0].message.endswith("in gra; only because of a derogation: gra (pilot)")
    assert report_policy("lenient", told, verdicts).status["derogated"] == 0
    status = report_datacentre("gra", told, verdicts).status
    assert (status["acceptedBy"], status["derogated"]) == ("demo, lenient", "demo")
    qualified = facts(datacentres=HERE)
    assert report_datacentre("gra", qualified, Verdicts(qualified)).status["derogated"] == "none"


def test_a_node_that_contradicts_its_claim_twice_is_one_node() -> None:
    other = service(qualification(), regions=("rbx",), zones=("rbx-a",))
    worker = node("worker-1", region="gra", zone="gra-b")
    told = facts(worker, datacentres={"gra": datacentre(worker)}, services={"acme-cloud": other})
    message = report_datacentre("gra", told, Verdicts(told)).observations[0].message
    assert message.startswith("1 node(s) contradict the claim: ")
    assert "zone gra-b" in message


def test_a_policy_says_which_authorities_its_pods_trust_the_first_to_end_first() -> None:
    told = facts(WORKER, datacentres=HERE)
    trusted = tuple(Trusted(NOW + timedelta(days=12 - day), f"{day:064x}", "demo", "gra") for day in range(12))
    report = report_policy("demo", told, Verdicts(told), trusted)
    status = report.status
    ends = [entry["notAfter"] for entry in status["authorities"]]
    assert len(ends) == 10
    assert ends == sorted(ends)
    assert ends[0].startswith(status["authorityEnd"])
    assert not list(violations(schema_of(v1alpha1.SOVEREIGNTY_POLICY, "status"), sent(written(report))))


@pytest.mark.parametrize("told", [facts(), replace(facts(), datacentres=HERE, services={})])
def test_a_policy_that_accepts_nothing_has_no_end_to_come(told: Facts) -> None:
    assert report_policy("demo", told, Verdicts(told)).status["nextEnd"] == "none"


@given(strategies.facts())
def test_what_is_accepted_and_what_is_refused_add_up(told: Facts) -> None:
    verdicts = Verdicts(told)
    for name in told.policies:
        status = report_policy(name, told, verdicts).status
        counts = ("datacentresAccepted", "datacentresWithoutNode", "datacentresRefused")
        assert sum(status[count] for count in counts) == len(told.datacentres)
        assert status["nodes"] == len(verdicts.accepted_nodes(name))
    stand = [report_datacentre(name, told, verdicts).status["nodes"] for name in told.datacentres]
    assert sum(stand) == sum(member.datacentre is not None for member in verdicts.members.values())


@given(strategies.facts())
def test_a_status_is_what_the_schema_says_and_leaves_no_default_to_the_server(told: Facts) -> None:
    """Otherwise the written status and the stored one would differ, and the controller would write it again without
    end.
    """
    for kind, report in reports(told):
        schema, status = schema_of(kind, "status"), sent(written(report))
        assert not list(violations(schema, status))
        assert with_defaults(schema, status) == status


@settings(max_examples=20)
@given(fact_variants.crowded())
def test_a_status_lists_at_most_ten_of_anything(told: Facts) -> None:
    for kind, report in reports(told):
        assert all(len(value) <= 10 for value in report.status.values() if isinstance(value, list))
        assert not list(violations(schema_of(kind, "status"), sent(written(report))))


@given(st.data())
def test_the_same_facts_in_any_order_give_the_same_statuses(data: st.DataObject) -> None:
    told = data.draw(strategies.facts())
    shuffled = data.draw(fact_variants.reordered(told))

    def said(order: Facts) -> list[str]:
        return sorted(f"{kind.name} {report}" for kind, report in reports(order))

    assert said(shuffled) == said(told)
