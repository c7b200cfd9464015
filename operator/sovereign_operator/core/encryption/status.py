"""What is said of encryption in transit: by a SovereigntyPolicy, and by a SovereignWorkload."""

from collections.abc import Iterable
from typing import Any, Final

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.core.encryption.agent_report import Silence
from sovereign_operator.core.encryption.rollout import CLAIMED, OTHER_USER, OUTSIDE, EncryptionSeen
from sovereign_operator.core.report.conditions import Observation, examples
from sovereign_operator.core.report.reasons import ConditionReason
from sovereign_operator.core.report.report import Report
from sovereign_operator.core.workload.facts import WorkloadEncryption, WorkloadFacts

CONDITION = "Encrypted"

ROLL_OUT: Final = "roll them out anew where their nodes are accepted (kubectl rollout restart)"

BARE_IN_STRICT: Final = (
    "some are cut off, as they have no sidecar: roll them out anew if they ran before they came into scope, "
    "else find out who forced them in: "
)


def report_encryption(wanted: EncryptionInTransit | None, seen: EncryptionSeen | None) -> Report:
    """Say how far it has come, and what it waits for. ``seen``: None where sidecars are not installed."""
    if seen is None:
        if wanted is None:
            return Report({}, ())
        message = "no sidecars are injected: set encryption.enabled=true in the chart, or take encryptionInTransit out"
        return _report({}, "False", ConditionReason.ENCRYPTION_NOT_INSTALLED, message)
    status = {
        "encryption": {
            "mode": seen.step.mode,
            "pods": seen.pods,
            "sidecars": seen.sidecars,
            "loaded": seen.loaded,
        }
    }
    counted = (
        f"{seen.pods} pod(s) run, {seen.sidecars} with a sidecar, {seen.loaded} of them have loaded {seen.step.mode}"
    )
    apart = f"; {_static(seen.static)}" if seen.static and seen.encrypts else ""
    if seen.step.waits_for:
        message = f"{seen.step.mode} on the way to {seen.wanted}: {'; '.join(seen.step.waits_for)}{apart}"
        return _report(status, "False", ConditionReason.STEP_PENDING, message)
    true, reason, what = _judge(seen)
    return _report(status, true, reason, f"{what}{counted}{apart}")


def _judge(seen: EncryptionSeen) -> tuple[Any, ConditionReason, str]:
    """Say how it stands where the mode that was asked for is reached, and how to begin the sentence about it."""
    if seen.step.mode is EncryptionMode.OFF:
        return "False", ConditionReason.NOT_ENCRYPTED, "the mode is Off: "
    if seen.untrusted and seen.step.mode is not EncryptionMode.PERMISSIVE:
        cut_off = f"nobody talks to {examples(seen.untrusted)}, as the authority of their certificates is not trusted: "
        return "False", ConditionReason.CERTIFICATES_NOT_TRUSTED, f"{cut_off}{ROLL_OUT}: "
    if seen.step.mode is not EncryptionMode.STRICT:
        return "False", ConditionReason.PLAINTEXT_ACCEPTED, "plaintext is accepted: "
    return _judge_strict(seen)


def _judge_strict(seen: EncryptionSeen) -> tuple[Any, ConditionReason, str]:
    if seen.bypassed:
        return "False", ConditionReason.SIDECAR_BYPASSED, f"{_past(seen.bypassed)}: "
    if seen.beyond:
        outside = f"others send nothing encrypted to {examples(seen.beyond)}, as they have addresses {OUTSIDE}: "
        return "False", ConditionReason.NETWORKS_MISSING, outside
    if seen.sidecars < seen.pods:
        return "False", ConditionReason.PODS_WITHOUT_SIDECAR, BARE_IN_STRICT
    if seen.silence:
        return "False", ConditionReason.AGENTS_SILENT, f"{_unsaid(seen.silence)}: "
    return _judge_connections(seen)


def _judge_connections(seen: EncryptionSeen) -> tuple[Any, ConditionReason, str]:
    """Say how it stands where every pod has a sidecar and its rules."""
    if seen.claimed:
        return "False", ConditionReason.ADDRESS_CLAIMED, f"{_claimed(seen.claimed)}: "
    if seen.talking:
        return "False", ConditionReason.PLAINTEXT_OPEN, f"{_open(seen.talking)}: "
    if seen.loaded < seen.pods:
        return "False", ConditionReason.STEP_PENDING, "some have not loaded the newest settings, which takes seconds: "
    if seen.static:
        return "False", ConditionReason.STATIC_PODS, ""
    return "True", ConditionReason.ALL_ENCRYPTED, ""


def _report(status: dict[str, Any], true: Any, reason: ConditionReason, message: str) -> Report:
    return Report(status, (Observation(CONDITION, true, reason, message),))


def _unsaid(silence: Silence) -> str:
    return f"UDP may leave in plaintext, as {silence}"


def _open(pods: Iterable[str]) -> str:
    return (
        f"plaintext connections of before are open in {examples(sorted(pods))}: their sidecars end these within "
        "seconds; restart (kubectl rollout restart) what is named here for longer"
    )


def _static(pods: Iterable[str]) -> str:
    """Say what is known of pods of which nothing but their nodes say that they run."""
    return (
        f"no step waits for static pods, which have no sidecar: {examples(sorted(pods))}: run your own as DaemonSets "
        "instead; if nobody created one, remove the node that shows it from the cluster"
    )


def _claimed(pods: Iterable[str]) -> str:
    return f"what the sidecars of {examples(sorted(pods))} say cannot be trusted: {CLAIMED}"


def _past(pods: Iterable[str]) -> str:
    return f"of {examples(sorted(pods))} a container's traffic goes past the sidecar: {OTHER_USER}"


def observe_workload(facts: WorkloadFacts) -> Observation | None:
    """Say whether all that the pods of a workload take is mutual TLS; None if nobody asks for that."""
    if facts.encryption is None or not facts.pods:
        return None
    true, reason, message = _hindered(facts, facts.encryption) or _judge_workload(facts, facts.encryption)
    return Observation(CONDITION, true, reason, message)


def _hindered(facts: WorkloadFacts, known: WorkloadEncryption) -> tuple[Any, ConditionReason, str] | None:
    """Say what keeps some of its pods from what they are told; None if nothing does."""
    mode, there = known.mode, {pod.name for pod in facts.pods}
    bare = sorted(there - known.sidecars - known.static)
    if bare:
        message = (
            f"{len(bare)} of {len(there)} pod(s) have no sidecar, {bare[0]} among them: they were made before the "
            "policy asked for encryption; roll them out anew"
        )
        return "False", ConditionReason.PODS_WITHOUT_SIDECAR, message
    if known.bypassed:
        return "False", ConditionReason.SIDECAR_BYPASSED, _past(known.bypassed)
    if known.silence and mode is EncryptionMode.STRICT:
        return "False", ConditionReason.AGENTS_SILENT, _unsaid(known.silence)
    if known.claimed:
        return "False", ConditionReason.ADDRESS_CLAIMED, _claimed(known.claimed)
    late = sorted(there - known.loaded - known.static)
    if late:
        message = (
            f"{len(late)} of {len(there)} sidecar(s) have not loaded {mode} yet, {late[0]} among them: "
            f"kubectl -n {facts.namespace} describe pod {late[0]} says why if one does not start"
        )
        return "False", ConditionReason.STEP_PENDING, message
    return None


def _judge_workload(facts: WorkloadFacts, known: WorkloadEncryption) -> tuple[Any, ConditionReason, str]:
    """Say how it stands where all pods have loaded what they are told."""
    everything = f"all {len(facts.pods) - len(known.static)} pod(s)"
    if known.mode is not known.wanted:
        message = (
            f"{everything} have a sidecar: {known.mode} on the way to {known.wanted}; the condition Encrypted of "
            f"SovereigntyPolicy {facts.policy} says what it waits for"
        )
        return "False", ConditionReason.STEP_PENDING, message
    if known.mode is not EncryptionMode.STRICT:
        message = f"{everything} have a sidecar, and their mode is {known.mode}: plaintext is accepted"
        reason = (
            ConditionReason.NOT_ENCRYPTED if known.mode is EncryptionMode.OFF else ConditionReason.PLAINTEXT_ACCEPTED
        )
        return "False", reason, message
    if known.talking:
        return "False", ConditionReason.PLAINTEXT_OPEN, _open(known.talking)
    if known.static:
        return "False", ConditionReason.STATIC_PODS, _static(known.static)
    message = f"{everything} take nothing but mutual TLS, and what the policy excepts"
    return "True", ConditionReason.ALL_ENCRYPTED, message
