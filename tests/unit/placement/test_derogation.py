"""Two persons make a derogation: one asks, another approves what stands there. Anything less waives nothing."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec
from sovereign_operator.core.placement.calendar import NEVER
from sovereign_operator.core.placement.derogation import Approval, Derogation
from sovereign_operator.core.placement.derogation_status import report_derogation, restated, standing
from sovereign_operator.core.placement.facts import Facts, Unread
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.derogation_reasons import DerogationReason
from sovereign_operator.core.report.reason import Reason
from sovereign_operator.core.report.reasons import NodeReason, words
from tests import strategies
from tests.builders import (
    NEXT_YEAR,
    NOW,
    TODAY,
    TOMORROW,
    YESTERDAY,
    ask,
    datacentre,
    demand,
    derogation,
    facts,
    granted,
    policy,
    qualification,
    service,
)
from tests.unit.placement import oracle

APPROVALS: dict[str, tuple[Approval, DerogationReason]] = {
    "approved": (Approval(3, "ann", "bob", 3), DerogationReason.APPROVED),
    "not approved": (Approval(1, "ann"), DerogationReason.AWAITING_APPROVAL),
    "taken back": (Approval(1, "ann", "", 1), DerogationReason.AWAITING_APPROVAL),
    "approved by who asked": (Approval(1, "ann", "ann", 1), DerogationReason.SELF_APPROVED),
    "changed since": (Approval(3, "ann", "bob", 2), DerogationReason.CHANGED_SINCE_APPROVAL),
    "approved before it was there": (Approval(1, "ann", "bob", 2), DerogationReason.CHANGED_SINCE_APPROVAL),
    "approved without a generation": (Approval(1, "ann", "bob"), DerogationReason.CHANGED_SINCE_APPROVAL),
    "created again since": (Approval(3, "ann", "bob", 3, "new", "old"), DerogationReason.CHANGED_SINCE_APPROVAL),
    "approved without a uid": (Approval(3, "ann", "bob", 3, "uid"), DerogationReason.CHANGED_SINCE_APPROVAL),
    "nobody knows who asked": (Approval(1, "", "bob", 1), DerogationReason.NOT_STAMPED),
    "nobody knows anything": (Approval(1), DerogationReason.NOT_STAMPED),
    "changed and approved by who asked": (Approval(2, "ann", "ann", 1), DerogationReason.CHANGED_SINCE_APPROVAL),
}


@pytest.mark.parametrize(("approval", "expected"), APPROVALS.values(), ids=APPROVALS)
def test_it_counts_if_another_person_approved_what_stands_there(approval: Approval, expected: DerogationReason) -> None:
    one = derogation(approval=approval)
    assert approval.standing is expected
    assert one.is_in_force(NOW) is (expected is DerogationReason.APPROVED)
    assert ask(service(), policy(demand()), one).accepted is (expected is DerogationReason.APPROVED)


def test_of_several_the_one_that_lasts_longest_is_cited() -> None:
    found = (
        derogation(called="soon", until=TODAY),
        derogation(called="late"),
        derogation(called="latest", until=NEXT_YEAR + timedelta(days=1), approval=Approval(1, "ann")),
    )
    assert ask(service(), policy(demand()), *found).derogations == ("late",)


def told(*found: Derogation, of: CloudServiceSpec | None = None) -> Facts:
    return facts(
        services={"acme-cloud": of or service()},
        datacentres={"gra": datacentre(), "rbx": datacentre()},
        policies={"demo": policy(demand(), demand("HDS")), "lenient": policy()},
        derogations=found,
    )


STANDINGS: dict[str, tuple[Derogation, Reason, str]] = {
    "awaits approval": (
        derogation(approval=Approval(4, "ann")),
        DerogationReason.AWAITING_APPROVAL,
        "ann asked for generation 4: somebody else, with the verb approve on it, must approve that",
    ),
    "changed": (
        derogation(approval=Approval(4, "ann", "bob", 3)),
        DerogationReason.CHANGED_SINCE_APPROVAL,
        (
            "ann asked for generation 4, but bob approved generation 3, or one of the same name that was deleted "
            "since: somebody else than ann must approve what it asks now"
        ),
    ),
    "by one person": (
        derogation(approval=Approval(1, "ann", "ann", 1)),
        DerogationReason.SELF_APPROVED,
        "ann asked for it and approved it: somebody else must approve it",
    ),
    "not stamped": (
        derogation(approval=Approval(1, "", "bob", 1)),
        DerogationReason.NOT_STAMPED,
        (
            "it does not say who asked for it, which admission writes into audit.sovereignty.dev/requested-by: check "
            "the chart's guards, delete it, and create it again"
        ),
    ),
    "ended": (
        derogation(until=YESTERDAY),
        DerogationReason.ENDED,
        f"it ended on {YESTERDAY}: delete it, or ask for another one",
    ),
    "no such policy": (
        derogation(policy="other"),
        ConditionReason.UNKNOWN_POLICY,
        "there is no SovereigntyPolicy other: correct spec.policyRef, or create it",
    ),
    "no such service": (
        derogation(service="other"),
        NodeReason.SERVICE_NOT_FOUND,
        "there is no CloudService other: correct spec.serviceRef, or create it",
    ),
    "nobody demands it": (
        derogation("C5"),
        DerogationReason.NOT_DEMANDED,
        "policy demo does not demand C5: correct spec.scheme, or delete it",
    ),
}


@pytest.mark.parametrize(("one", "reason", "message"), STANDINGS.values(), ids=STANDINGS)
def test_it_says_why_it_is_not_in_force(one: Derogation, reason: Reason, message: str) -> None:
    found = told(one)
    report = report_derogation("pilot", found, Verdicts(found).sites)
    (observed,) = report.observations
    assert (observed.type, observed.status, observed.reason) == ("InForce", "False", reason)
    assert observed.message == message
    assert report.status == {"datacentres": 0}


def test_one_in_force_says_who_agreed_and_what_rests_on_it() -> None:
    found = told(derogation(), derogation("HDS", called="other"))
    (observed,) = report_derogation("pilot", found, Verdicts(found).sites).observations
    assert (observed.status, observed.reason) == ("True", "Approved")
    assert observed.message == (
        "policy demo accepts acme-cloud without SecNumCloud until 2031-06-15, as ann asked and bob approved (pilot "
        "before qualification); 2 datacentre(s) rest on it: gra, rbx"
    )


@pytest.mark.parametrize(
    "of", [service(), service(qualification(), qualification("HDS"))], ids=["refused", "qualified"]
)
def test_one_in_force_on_which_nothing_rests_says_so(of: CloudServiceSpec) -> None:
    found = told(derogation(), of=of)
    report = report_derogation("pilot", found, Verdicts(found).sites)
    assert report.status == {"datacentres": 0}
    assert report.observations[0].message.endswith("no datacentre rests on it: delete it if it is not needed")


@pytest.mark.parametrize(
    "unread", [Unread(policies=frozenset({"other"})), Unread(services=frozenset({"other"}))], ids=["policy", "service"]
)
def test_what_cannot_be_read_is_not_unknown(unread: Unread) -> None:
    one = derogation(policy="other") if unread.policies else derogation(service="other")
    assert standing(one, replace(told(one), unread=unread)) is DerogationReason.APPROVED


def test_a_change_restates_the_derogations_that_it_is_about() -> None:
    before = told(derogation(), derogation("HDS", called="other", until=TODAY), derogation("C5", called="third"))
    assert restated(before, before) == frozenset()
    later = datetime.combine(TOMORROW, NOW.timetz())
    assert restated(before, replace(before, now=later)) == {"other"}
    assert restated(before, replace(before, policies={"demo": policy(demand())})) == {"other"}
    assert restated(before, replace(before, policies={})) == {"pilot", "other", "third"}
    assert restated(before, replace(before, derogations=granted(*[*before.derogations.values()][1:]))) == {"pilot"}


@pytest.mark.parametrize(
    ("until", "expected"), [(TODAY, datetime(2030, 6, 15, 22, tzinfo=UTC)), (YESTERDAY, None), (date.max, NEVER)]
)
def test_the_next_end_is_the_first_to_come(until: date, expected: datetime | None) -> None:
    assert granted(derogation(until=until), derogation(until=date.min, called="long-ago")).next_end(NOW) == expected


@given(strategies.facts())
def test_one_is_in_force_exactly_if_two_persons_agreed_and_it_means_something(found: Facts) -> None:
    for one in found.derogations.values():
        alone = replace(found, derogations=granted(one))
        names = one.spec.policy_ref.name, one.spec.service_ref.name
        means = names[0] in found.policies and names[1] in found.services
        means = means and any(entry.scheme == one.spec.scheme for entry in found.policies[names[0]].qualifications)
        expected = means and oracle.is_waived(alone, *names, one.spec.scheme)
        assert (standing(one, found) is DerogationReason.APPROVED) is expected


@given(strategies.facts())
def test_what_is_refused_without_it_rests_on_it(found: Facts) -> None:
    sites = Verdicts(found).sites
    for name in found.derogations:
        others = granted(*(one for one in found.derogations.values() if one.name != name))
        without = Verdicts(replace(found, derogations=others)).sites
        for pair, site in sites.items():
            assert name in site.derogations or site.accepted == without[pair].accepted
            assert not site.derogations or site.accepted


def test_a_site_without_the_rest_of_the_demands_does_not_rest_on_it() -> None:
    verdict = ask(service(laws=("US",)), policy(demand()), derogation())
    assert words(verdict.findings) == (NodeReason.FOREIGN_LAW,)
    assert verdict.derogations == ()
