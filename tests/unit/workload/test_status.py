"""What a SovereignWorkload's status says of its workload."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core.identity.certificate_note import CertificateNote
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.workload.decision import decide_workload
from sovereign_operator.core.workload.facts import (
    ObserveWorkload,
    Outcome,
    WorkloadEncryption,
    WorkloadFacts,
    WorkloadPod,
)
from sovereign_operator.core.workload.readiness import Readiness, ReadinessState
from sovereign_operator.core.workload.status import report_workload
from tests.unit.workload.builders import ADOPTED, POLICY, SUSPENDED, facts, pod, ref, selecting, template, workload

KINDS = tuple(WorkloadKind)


def conditions(told: WorkloadFacts) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition."""
    report = report_workload(told, decide_workload(told))
    return {seen.type: (seen.status, seen.reason.value) for seen in report.observations}


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ((), ("Unknown", "NoPods")),
        ((pod(),), ("True", "AllInside")),
        ((pod(), pod("b", "bad")), ("False", "PodsOutside")),
        ((pod(), pod("b", None)), ("False", "PodsPending")),
        ((pod("b", "bad"), pod("c", None)), ("False", "PodsOutside")),
        ((pod("b", "vanished"),), ("False", "PodsOutside")),
    ],
    ids=["none", "inside", "one outside", "one waits", "outside counts before waiting", "its node is gone"],
)
def test_placed_follows_the_pods(pods: tuple[WorkloadPod, ...], expected: tuple[str, str]) -> None:
    told = facts(target=workload(**ADOPTED), pods=pods)
    assert conditions(told)["Placed"] == expected
    # A workload that asks for no pods at the moment is ready.
    assert conditions(told)["Ready"] == (expected if pods else ("True", "WorkloadCurrent"))


@pytest.mark.parametrize(
    ("progress", "pods", "expected"),
    [
        (ReadinessState.IN_PROGRESS, (pod(),), ("False", "WorkloadInProgress")),
        (ReadinessState.IN_PROGRESS, (), ("False", "WorkloadInProgress")),
        (ReadinessState.FAILED, (pod(),), ("False", "WorkloadFailed")),
        # Pods outside count before a failed workload.
        (ReadinessState.FAILED, (pod("b", "bad"),), ("False", "PodsOutside")),
    ],
)
def test_ready_follows_the_workload(
    progress: ReadinessState, pods: tuple[WorkloadPod, ...], expected: tuple[str, str]
) -> None:
    told = facts(target=workload(**ADOPTED, readiness=Readiness(progress, "0 of 1 replica(s) are ready")), pods=pods)
    assert conditions(told)["Ready"] == expected


def test_a_workload_without_pods_says_where_to_look() -> None:
    waiting = Readiness(ReadinessState.IN_PROGRESS, "0 of 1 replica(s) exist")
    told = facts(target=workload(**ADOPTED, readiness=waiting))
    said = report_workload(told, decide_workload(told)).observations[-1].message
    assert "0 of 1 replica(s) exist; no pods yet: kubectl -n hospital get events" in said


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ("False", "NamespaceNotLabelled")),
        ({"enforced": POLICY}, ("True", "NamespaceEnforces")),
        ({"enforced": POLICY, "guards_broken": ("sovereignty-guard-bindings",)}, ("False", "GuardsBroken")),
    ],
)
def test_enforced_follows_the_namespace_and_the_guards(changed: dict[str, Any], expected: tuple[str, str]) -> None:
    assert conditions(facts(target=workload(**ADOPTED), **changed))["Enforced"] == expected


def asking(name: str, certificate: str = "") -> WorkloadPod:
    """Build a pod that mounts a certificate, with its certificate annotation."""
    return WorkloadPod(
        name, f"uid-{name}", "good", certificate_volumes=1, certificate=CertificateNote.parse(certificate)
    )


LIVING = "until 2030-06-16T11:59:00Z, serial 1f, policy secnumcloud, datacentre gra, by a, authority sha256 a"
ENDED = "until 2030-06-15T12:00:00Z, serial 1e, policy secnumcloud, datacentre gra, by a, authority sha256 a"


@pytest.mark.parametrize(
    ("pods", "changed", "expected"),
    [
        ((pod("a", "good"),), {}, ("Unknown", "NoCertificates")),
        ((asking("a", LIVING), pod("b", "good")), {}, ("True", "CertificatesInForce")),
        ((asking("a", LIVING), asking("b")), {}, ("False", "CertificatesPending")),
        ((asking("a", ENDED),), {}, ("False", "CertificatesPending")),
        ((asking("a", LIVING),), {"authorities": frozenset({"b"})}, ("False", "CertificatesPending")),
        ((asking("a"),), {"authorities": None}, ("False", "SignerNotInstalled")),
    ],
)
def test_identity_follows_the_certificates(
    pods: tuple[WorkloadPod, ...], changed: dict[str, Any], expected: tuple[str, str]
) -> None:
    told = facts(target=workload(**ADOPTED), pods=pods, **changed)
    assert conditions(told)["Identity"] == expected
    # Readiness does not depend on certificates.
    assert conditions(told)["Ready"] == ("True", "AllInside")


def test_a_pod_that_waits_for_a_certificate_is_named() -> None:
    told = facts(target=workload(**ADOPTED), pods=(asking("b"), asking("a"), asking("c", LIVING)))
    report = report_workload(told, decide_workload(told))
    (said,) = [seen.message for seen in report.observations if seen.type == "Identity"]
    assert said.startswith("2 of 3 pod(s) have no certificate that counts; ")
    assert said.endswith("describe pod a says why")
    assert (report.status["certificates"], report.status["certificatesPending"]) == (1, 2)


def test_a_pod_that_nobody_trusts_any_more_is_named_with_what_to_do() -> None:
    told = facts(target=workload(**ADOPTED), pods=(asking("b", LIVING), asking("a", ENDED)), authorities=frozenset("b"))
    report = report_workload(told, decide_workload(told))
    (said,) = [seen.message for seen in report.observations if seen.type == "Identity"]
    assert said.startswith("2 of 2 pod(s) have no certificate that counts; ")
    assert "describe pod a says why; 1 have one of an authority that is not trusted, b among them: roll" in said
    alone = replace(told, pods=told.pods[:1])
    report = report_workload(alone, decide_workload(alone))
    assert not any("describe" in seen.message for seen in report.observations if seen.type == "Identity")


@pytest.mark.parametrize(
    ("mode", "pods", "expected"),
    [
        ("Strict", ("ab", "ab"), ("True", "AllEncrypted")),
        ("Strict", ("ab", "a"), ("False", "StepPending")),
        ("Strict", ("a", "a"), ("False", "PodsWithoutSidecar")),
        ("Strict", ("ab", "ab", "b"), ("False", "SidecarBypassed")),
        ("Strict", ("ab", "ab", "", "b"), ("False", "PlaintextOpen")),
        ("Preferred", ("ab", "ab", "", "b"), ("False", "PlaintextAccepted")),
        ("Preferred", ("ab", "ab"), ("False", "PlaintextAccepted")),
        ("Off", ("ab", "ab"), ("False", "NotEncrypted")),
    ],
)
def test_encryption_follows_the_sidecars(mode: str, pods: tuple[str, ...], expected: tuple[str, str]) -> None:
    known = WorkloadEncryption(EncryptionMode(mode), EncryptionMode(mode), *map(frozenset, pods))
    told = facts(target=workload(**ADOPTED), pods=(pod("a"), pod("b")), encryption=known)
    assert conditions(told)["Encrypted"] == expected
    assert "Encrypted" not in conditions(facts(pods=(pod("a"),)))


def test_a_static_pod_is_named_apart() -> None:
    known = WorkloadEncryption(
        EncryptionMode.STRICT, EncryptionMode.STRICT, *map(frozenset, "aa"), static=frozenset("b")
    )
    told = facts(target=workload(**ADOPTED), pods=(pod("a"), pod("b")), encryption=known)
    (said,) = [
        found for found in report_workload(told, decide_workload(told)).observations if found.type == "Encrypted"
    ]
    assert (said.status, said.reason) == ("False", "StaticPods")
    assert "static pods, which have no sidecar: b: " in said.message


def test_where_somebody_else_may_answer_it_is_said_who() -> None:
    claimed = frozenset({"b (Service other/ext)"})
    known = WorkloadEncryption(
        EncryptionMode.STRICT, EncryptionMode.STRICT, frozenset("ab"), frozenset("a"), claimed=claimed
    )
    told = facts(target=workload(**ADOPTED), pods=(pod("a"), pod("b")), encryption=known)
    (said,) = [
        found for found in report_workload(told, decide_workload(told)).observations if found.type == "Encrypted"
    ]
    assert (said.status, said.reason) == ("False", "AddressClaimed")
    assert "answer for the sidecars of b (Service other/ext), because Services claim their addresses" in said.message


def test_on_the_way_to_a_mode_it_says_so() -> None:
    both = frozenset("ab")
    known = WorkloadEncryption(EncryptionMode.PREFERRED, EncryptionMode.STRICT, both, both)
    told = facts(target=workload(**ADOPTED), pods=(pod("a"), pod("b")), encryption=known)
    assert conditions(told)["Encrypted"] == ("False", "StepPending")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not WorkloadKind.JOB])
def test_a_message_has_the_command_that_moves_the_pods(kind: WorkloadKind) -> None:
    told = facts(spec=ref(kind.value), target=workload(kind, **ADOPTED), pods=(pod("b", "bad"),))
    placed = report_workload(told, decide_workload(told)).observations[1]
    moves = "delete pod" if kind is WorkloadKind.CRON_JOB else f"rollout restart {kind.value.lower()}/app"
    assert f"kubectl -n hospital {moves}" in placed.message
    assert SUSPENDED.message in placed.message


def test_with_no_node_accepted_nobody_is_told_to_restart_in_vain() -> None:
    told = facts(target=workload(**ADOPTED), accepted_nodes=0, pods=(pod("b", "bad"), pod("c", None)))
    report = report_workload(told, decide_workload(told))
    assert "rollout restart" not in str(report)
    assert "ask a cluster admin" in report.observations[1].message


def test_what_the_server_refused_is_said_in_its_words() -> None:
    told = facts(spec=template(), target=None)
    accepted = report_workload(told, decide_workload(told), Outcome("spec.selector: Required value")).observations[0]
    assert (accepted.status, accepted.reason) == ("False", ConditionReason.REFUSED_BY_SERVER)
    assert "spec.selector: Required value" in accepted.message


PODS = st.lists(
    st.tuples(st.sampled_from(["good", "bad", "vanished", None]), st.booleans(), st.sampled_from(["", "0/4 nodes"])),
    max_size=40,
).map(lambda drawn: tuple(pod(f"p{n}", node, placed=ok, waiting=why) for n, (node, ok, why) in enumerate(drawn)))


@given(PODS, st.sampled_from([None, POLICY]), st.integers(0, 2))
def test_every_pod_is_counted_once_and_examples_are_few(
    pods: tuple[WorkloadPod, ...], enforced: str | None, accepted: int
) -> None:
    told = facts(pods=pods, enforced=enforced, accepted_nodes=accepted)
    report = report_workload(told, decide_workload(told))
    status = report.status
    assert status["pods"] == len(pods) == status["inside"] + status["outside"] + status["pending"]
    assert all(len(value) <= 10 for value in status.values() if isinstance(value, list))
    assert all("\n" not in seen.message and seen.message for seen in report.observations)
    assert {seen.type for seen in report.observations} == {"Accepted", "Placed", "Enforced", "Identity", "Ready"}


@given(PODS, st.randoms(use_true_random=False))
def test_the_order_of_pods_changes_nothing(pods: tuple[WorkloadPod, ...], order: Any) -> None:
    shuffled = list(pods)
    order.shuffle(shuffled)
    told = facts(pods=pods)
    assert report_workload(replace(told, pods=tuple(shuffled)), ObserveWorkload()) == report_workload(
        told, ObserveWorkload()
    )


READY_POD = replace(pod(), ready=True)


@pytest.mark.parametrize(
    ("pods", "placed", "ready"),
    [
        ((), ("Unknown", "NoPods"), ("Unknown", "NoPods")),
        ((READY_POD,), ("True", "AllInside"), ("True", "AllInside")),
        ((pod(),), ("True", "AllInside"), ("False", "WorkloadInProgress")),
        ((READY_POD, pod("b", "bad")), ("False", "PodsOutside"), ("False", "PodsOutside")),
        ((READY_POD, pod("b", None)), ("False", "PodsPending"), ("False", "PodsPending")),
    ],
    ids=["none", "inside and ready", "not ready", "one outside", "one waits"],
)
def test_selected_pods_are_reported_on_and_nothing_else(
    pods: tuple[WorkloadPod, ...], placed: tuple[str, str], ready: tuple[str, str]
) -> None:
    told = facts(spec=selecting(app="db", tier="data"), target=None, pods=pods)
    assert isinstance(decide_workload(told), ObserveWorkload)
    assert (conditions(told)["Placed"], conditions(told)["Ready"]) == (placed, ready)
    assert conditions(told)["Accepted"] == ("True", "Accepted")
    # Without a label of the namespace, nothing checks Bindings.
    assert conditions(told)["Enforced"] == ("False", "NamespaceNotLabelled")
    assert report_workload(told, decide_workload(told)).status["workload"] == "Pods/app=db,tier=data"


def test_a_selected_pod_outside_is_to_be_deleted_as_nothing_rolls_it_out() -> None:
    told = facts(spec=selecting(app="db"), target=None, pods=(pod("db-1", "bad"),))
    (example,) = report_workload(told, decide_workload(told)).status["outsideExamples"]
    assert example["message"].endswith("kubectl -n hospital delete pod db-1")


def test_selected_pods_are_subject_to_the_same_refusals() -> None:
    spec = selecting(app="db")
    assert conditions(facts(spec=spec, target=None, in_system_namespace=True))["Accepted"] == (
        "False",
        "SystemNamespace",
    )
    assert conditions(facts(spec=spec, target=None, enforced="hds"))["Accepted"] == ("False", "PolicyConflict")
