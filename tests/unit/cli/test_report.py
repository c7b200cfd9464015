"""A report says where each pod runs and on what that rests, what it found, and what it leaves out."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack.reference import limits
from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.cli.answers.answer import Unread
from sovereign_operator.cli.answers.estate import Kept
from sovereign_operator.cli.answers.report import AuditReport, make_report
from sovereign_operator.cli.answers.report_pods import AS_RECORDED
from sovereign_operator.cli.gather.report import read_limits
from sovereign_operator.cli.show.document import as_json
from sovereign_operator.core.admission.guards import GuardFinding
from sovereign_operator.core.placement.facts import Unread as UnreadFacts
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.workload.owner import Owner
from sovereign_operator.core.workload.scope import Judge, Mode
from tests import builders
from tests.documents import REFERENCE
from tests.unit.cli.clusters import ALL, FACTS, POLICY, blind, estate
from tests.unit.cli.reports import CLAIM, HELD, hospital, pod, report, seen

REFUSED = Unread("nodes", "", "", "nodes is forbidden")
MISSING = GuardFinding("ValidatingAdmissionPolicyBinding", "guard-bindings", "is missing", "run helm upgrade")


def test_where_all_is_well_nothing_is_found() -> None:
    answer = report(pod("a"), pod("b", "lyon-1"), sovereign_workloads=(CLAIM,))
    assert (answer.findings, answer.exit_code) == ((), 0)
    (row,) = answer.workloads or ()
    assert (row.workload, row.sovereign_workload, row.policy, row.mode) == (
        "Deployment/records",
        "records",
        POLICY,
        "enforce",
    )
    assert (row.result, row.pods) == ("pass", 2)
    (place,) = row.places
    assert (place.place, place.datacentre, place.service, place.country) == ("inside", "brest", "armor-snc", "FR")
    assert (place.provider, place.evidence, place.foreign_laws) == ("Armor Cloud SNC Platform", "Declared", ())
    assert place.basis == ("SecNumCloud 3.2 (decision EX-101), until 2031-06-15",)
    assert (place.decisions, place.until, place.derogations) == (("EX-101",), date(2031, 6, 15), ())
    assert [(entry.pod, entry.node) for entry in place.pods] == [("a", "brest-1"), ("b", "lyon-1")]


def test_each_pod_has_the_verdict_and_the_decision_that_it_carries() -> None:
    (row,) = report(pod()).workloads or ()
    (entry,) = row.places[0].pods
    verdict = Verdicts(FACTS).nodes["brest-1", POLICY]
    assert (entry.why, entry.decision_id, entry.node_uid) == (verdict.sentence, verdict.decision_id, verdict.uid)


def test_a_workload_at_several_places_has_a_row_for_each() -> None:
    answer = report(pod("a"), pod("b", "paris-1"), pod("c", None, waiting="no room"), pod("d", "gone"))
    (row,) = answer.workloads or ()
    assert row.result == "fail"
    found = {(place.place, place.datacentre): place.why for place in row.places}
    assert found.keys() == {("inside", "brest"), ("outside", "paris"), ("outside", ""), ("pending", "")}
    assert "has no SecNumCloud qualification" in found["outside", "paris"]
    assert found["outside", ""] == "node gone is gone"
    (finding,) = answer.findings
    assert finding.startswith(f"hospital: Deployment/records, policy {POLICY}: 2 of 4 pod(s) are outside")
    assert answer.exit_code == 1


def test_a_policy_that_is_only_tried_is_shown_and_is_no_finding() -> None:
    tried = Judge(POLICY, Mode.WARN)
    answer = report(pod("a", "paris-1", judges=(tried,), placed_for=None))
    (row,) = answer.workloads or ()
    assert (row.mode, row.result, row.judged_by) == (
        "warn",
        "warn",
        "the label sovereignty.dev/warn of namespace hospital",
    )
    assert answer.findings == ()


def test_pods_without_a_known_policy_are_a_finding() -> None:
    answer = report(pod(judges=(Judge("nope", Mode.ENFORCE),)))
    (row,) = answer.workloads or ()
    assert (row.result, row.places[0].place) == ("error", "unknown")
    assert "there is no SovereigntyPolicy nope" in answer.findings[0]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"guards": (MISSING,)}, "ValidatingAdmissionPolicyBinding guard-bindings is missing"),
        ({"guards": None}, "whether the guards are intact is not known"),
        ({"pods": None}, "where pods run is not known"),
        ({"unread": (REFUSED,)}, "you may not list nodes, so what follows from that is left out"),
        ({"sovereign_workloads": (replace(CLAIM, ready="False", message="no"),)}, "SovereignWorkload records: no"),
    ],
)
def test_what_an_auditor_has_to_ask_about_is_a_finding(fields: dict[str, Any], words: str) -> None:
    answer = report(**fields)
    assert any(words in finding for finding in answer.findings)
    assert answer.exit_code == 1


def test_a_guard_that_only_audits_besides_is_shown_and_is_no_finding() -> None:
    answer = report(guards=(replace(MISSING, what="also audits", drifted=True),))
    assert answer.findings == ()
    assert [row.found for row in answer.guards or ()] == ["also audits"]


def test_what_nobody_can_read_is_a_finding() -> None:
    facts = replace(FACTS, unread=UnreadFacts(services=frozenset({"odd"})))
    assert "CloudService odd is invalid, and cannot be read" in report(found=estate(facts)).findings


def test_who_may_not_judge_nodes_reports_what_the_operator_recorded() -> None:
    recorded = {
        "policy": POLICY,
        "verdict": "accepted: brest, SecNumCloud",
        "datacentre": "brest",
        "service": "armor-snc",
        "qualification": "SecNumCloud 3.2 (decision EX-101), until 2031-06-15",
        "evidence": "Declared",
        "decision-id": "0123456789abcdef",
        "node-uid": "u",
    }
    pods = (
        pod("a", recorded=recorded),
        pod("b", "x", recorded={**recorded, "verdict": "refused: no"}),
        pod("c", "x"),
        pod("d", "x", recorded={**recorded, "policy": "other"}),
        pod("e", None),
    )
    answer = report(*pods, found=blind(), unread=(REFUSED,))
    (row,) = answer.workloads or ()
    assert (row.result, row.message) == ("fail", AS_RECORDED)
    assert {word: row.in_place(word) for word in ("inside", "outside", "pending", "unknown")} == {
        "inside": 1,
        "outside": 1,
        "pending": 1,
        "unknown": 2,
    }
    inside = next(place for place in row.places if place.place == "inside")
    assert (inside.datacentre, inside.service, inside.basis) == ("brest", "armor-snc", (recorded["qualification"],))
    assert inside.pods[0].decision_id == recorded["decision-id"]
    assert (answer.policies, answer.acceptances, answer.services, answer.derogations, answer.nodes) == (None,) * 5


def test_the_legal_basis_has_version_decision_dates_and_laws() -> None:
    accepted, refused = report().acceptances or ()
    assert (accepted.datacentre, accepted.accepted, accepted.nodes) == ("brest", True, 2)
    (basis,) = accepted.basis
    assert (basis.scheme, basis.version, basis.decision) == ("SecNumCloud", "3.2", "EX-101")
    assert (basis.valid_from, basis.valid_until) == (builders.LAST_YEAR, builders.NEXT_YEAR)
    assert (accepted.foreign_laws, accepted.accepted_foreign_laws) == ((), ())
    assert (refused.accepted, refused.basis, refused.foreign_laws) == (False, (), ("US",))
    assert set(refused.reasons) == {"QualificationMissing", "ForeignLaw"}


def test_a_derogation_says_who_and_what_rests_on_it() -> None:
    one = builders.derogation(policy=POLICY, service="pilot-cloud")
    pilot = builders.service(provider="Pilot")
    facts = builders.facts(
        *FACTS.nodes.values(),
        services={**FACTS.services, "pilot-cloud": pilot},
        datacentres={"nantes": builders.datacentre(FACTS.nodes["spare-1"], service="pilot-cloud")},
        policies=FACTS.policies,
        derogations=(one,),
    )
    answer = report(pod(node="spare-1"), found=estate(facts))
    (row,) = answer.derogations or ()
    assert (row.name, row.standing, row.asked_by, row.approved_by, row.datacentres) == (
        "pilot",
        "Approved",
        "ann",
        "bob",
        ("nantes",),
    )
    (workload,) = answer.workloads or ()
    assert workload.places[0].derogations == ("pilot",)
    assert answer.findings == ()


def test_a_node_says_why_it_counts_as_standing_there() -> None:
    rows = {row.node: row for row in report(pod(), pod("b", "spare-1")).nodes or ()}
    assert rows["brest-1"].how == "Datacentre brest names it with this uid"
    assert rows["brest-1"].accepted_by == (POLICY,)
    assert "spare-1 is in no datacentre" in rows["spare-1"].how
    selected = builders.node("n", labels={builders.SITE_LABEL: "x"})
    facts = builders.facts(selected, datacentres={"x": builders.datacentre(selector={builders.SITE_LABEL: "x"})})
    (row,) = report(pod(node="n"), found=estate(facts)).nodes or ()
    assert row.how == f"Datacentre x selects it by labels: {builders.SITE_LABEL}=x"
    pooled = builders.facts(builders.of_pool(), datacentres={"x": builders.datacentre(pools=(builders.pool(),))})
    (row,) = report(pod(node="worker-1"), found=estate(pooled)).nodes or ()
    assert row.how == "Datacentre x claims it as a node of pool general, by labels and providerID"


def test_encryption_is_reported_with_the_pods_that_speak_plaintext() -> None:
    strict = FACTS.policies[POLICY].model_copy(
        update={"encryption_in_transit": EncryptionInTransit(mode=EncryptionMode.STRICT)}
    )
    facts = replace(FACTS, policies={POLICY: strict})
    condition = {"type": "Encrypted", "status": "False", "reason": "StepPending", "message": "it waits"}
    status = {"encryption": {"mode": "Permissive", "pods": 5, "sidecars": 3, "loaded": 3}, "conditions": [condition]}
    recorded = {("sovereigntypolicies", POLICY): status}
    answer = report(pod("a"), pod("b", transit=POLICY), found=estate(facts), recorded=recorded)
    (row,) = answer.policies or ()
    assert (row.encryption_demanded, row.encryption, row.running, row.plaintext) == ("Strict", "Permissive", 5, 2)
    (workload,) = answer.workloads or ()
    assert [entry.without_sidecar for entry in workload.places[0].pods] == [True, False]
    assert workload.result == "fail"
    assert f"policy {POLICY}: its traffic is not encrypted as it demands: it waits" in answer.findings


def test_demands_are_sentences() -> None:
    (row,) = report().policies or ()
    assert row.demands == (
        "qualification SecNumCloud",
        "country: any",
        "origin of technology: any",
        "laws outside the EU that may reach the service: none",
        "evidence that a node stands there: Declared",
    )


def test_the_json_has_a_version_and_says_who_asked_when_and_where() -> None:
    shown = json.loads(as_json(hospital()))
    assert (shown["apiVersion"], shown["kind"]) == ("cli.sovereignty.dev/v1alpha1", "AuditReport")
    assert shown["cluster"] == "c0ffee00-0000-4000-8000-000000000000"
    assert (shown["at"], shown["askedBy"]["user"], shown["scope"]) == (
        "2030-06-15T12:00:00+00:00",
        "auditor",
        "hospital",
    )
    assert shown["workloads"][0]["places"][0]["pods"][0]["node"] == "brest-1"


NODES = [*FACTS.nodes, "gone", None]
OWNERS = [Owner("apps/v1", "Deployment", "a"), Owner("apps/v1", "Deployment", "b"), Owner("v1", "Pod", "c")]
PODS = st.builds(
    pod,
    name=st.sampled_from("pqrs"),
    node=st.sampled_from(NODES),
    namespace=st.sampled_from(["a", "b"]),
    owner=st.sampled_from(OWNERS),
    judges=st.sampled_from([(HELD,), (HELD, Judge("other", Mode.WARN)), (Judge(POLICY, Mode.AUDIT),)]),
)


@given(
    st.lists(PODS, unique_by=lambda one: (one.namespace, one.pod.name), max_size=8),
    st.randoms(),
    st.sampled_from([ALL, {Kept.NODES}]),
)
def test_the_order_in_which_objects_are_read_does_not_matter(pods: list[Any], random: Any, known: Any) -> None:
    found = estate(known=known)
    answer = make_report(seen(*pods), found)
    random.shuffle(pods)
    assert make_report(seen(*pods), found) == answer


@given(st.lists(PODS, unique_by=lambda one: (one.namespace, one.pod.name), max_size=8))
def test_every_pod_is_in_one_place_of_each_policy_that_judges_it(pods: list[Any]) -> None:
    answer: AuditReport = make_report(seen(*pods), estate())
    rows = answer.workloads or ()
    shown = sorted(
        (row.namespace, entry.pod, row.policy) for row in rows for place in row.places for entry in place.pods
    )
    assert shown == sorted((one.namespace, one.pod.name, judge.policy) for one in pods for judge in one.judges)
    assert all(entry.place == place.place for row in rows for place in row.places for entry in place.pods)


def test_the_limits_are_those_of_the_reference() -> None:
    page = (REFERENCE / "limits.md").read_text(encoding="utf-8")
    assert read_limits() == tuple(limits(page))
    assert len(read_limits()) == page.count("\n- ")
    assert not any(mark in text for text in read_limits() for mark in ("](", "**", "`", "\n"))
