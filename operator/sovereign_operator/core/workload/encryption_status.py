"""The condition Encrypted of a SovereignWorkload."""

from typing import Any

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.encryption.sentences import (
    CONDITION,
    bypassed,
    claimed,
    plaintext_open,
    static_pods,
    unsaid,
)
from sovereign_operator.core.report.conditions import Observation
from sovereign_operator.core.report.encryption_reasons import EncryptionReason
from sovereign_operator.core.workload.facts import WorkloadEncryption, WorkloadFacts


def observe_workload(facts: WorkloadFacts) -> Observation | None:
    """Say whether all that the pods of a workload take is mutual TLS; None if nobody asks for that."""
    if facts.encryption is None or not facts.pods:
        return None
    true, reason, message = _hindered(facts, facts.encryption) or _judge_workload(facts, facts.encryption)
    return Observation(CONDITION, true, reason, message)


def _hindered(facts: WorkloadFacts, known: WorkloadEncryption) -> tuple[Any, EncryptionReason, str] | None:
    """Return why some of its pods have not loaded their settings; None if all have."""
    mode, there = known.mode, {pod.name for pod in facts.pods}
    bare = sorted(there - known.sidecars - known.static)
    if bare:
        message = (
            f"{len(bare)} of {len(there)} pod(s) have no sidecar, {bare[0]} among them: roll them out again; if "
            "they are newer than the policy's encryption, find out which client created them past the guards"
        )
        return "False", EncryptionReason.PODS_WITHOUT_SIDECAR, message
    if known.bypassed:
        return "False", EncryptionReason.SIDECAR_BYPASSED, bypassed(known.bypassed)
    if known.silence and mode is EncryptionMode.STRICT:
        return "False", EncryptionReason.AGENTS_SILENT, unsaid(known.silence)
    if known.claimed:
        return "False", EncryptionReason.ADDRESS_CLAIMED, claimed(known.claimed)
    late = sorted(there - known.loaded - known.static)
    if late:
        message = (
            f"{len(late)} of {len(there)} sidecar(s) have not loaded {mode} yet, {late[0]} among them: "
            f"kubectl -n {facts.namespace} describe pod {late[0]} says why if one does not start"
        )
        return "False", EncryptionReason.STEP_PENDING, message
    return None


def _judge_workload(facts: WorkloadFacts, known: WorkloadEncryption) -> tuple[Any, EncryptionReason, str]:
    """Return the condition of a workload whose pods have all loaded their settings."""
    everything = f"all {len(facts.pods) - len(known.static)} pod(s)"
    if known.mode is not known.wanted:
        message = (
            f"{everything} have a sidecar: {known.mode} on the way to {known.wanted}; the condition Encrypted of "
            f"SovereigntyPolicy {facts.policy} says what it waits for"
        )
        return "False", EncryptionReason.STEP_PENDING, message
    if known.mode is not EncryptionMode.STRICT:
        message = f"{everything} have a sidecar, and their mode is {known.mode}: plaintext is accepted"
        reason = (
            EncryptionReason.NOT_ENCRYPTED if known.mode is EncryptionMode.OFF else EncryptionReason.PLAINTEXT_ACCEPTED
        )
        return "False", reason, message
    if known.talking:
        return "False", EncryptionReason.PLAINTEXT_OPEN, plaintext_open(known.talking)
    if known.static:
        return "False", EncryptionReason.STATIC_PODS, static_pods(known.static)
    message = f"{everything} take nothing but mutual TLS, and what the policy excepts"
    return "True", EncryptionReason.ALL_ENCRYPTED, message
