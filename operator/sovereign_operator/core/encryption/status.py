"""The encryption part of a SovereigntyPolicy's status."""

from typing import Any, Final

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.core.encryption import node_lacks, refusals
from sovereign_operator.core.encryption.rollout import OUTSIDE, ObservedEncryption
from sovereign_operator.core.encryption.sentences import (
    CONDITION,
    bypassed,
    called,
    claimed,
    closed,
    cut_off,
    plaintext_open,
    static_pods,
    unsaid,
)
from sovereign_operator.core.report.conditions import Observation, examples
from sovereign_operator.core.report.encryption_reasons import EncryptionReason
from sovereign_operator.core.report.report import Report

ROLL_OUT: Final = "roll them out again where their nodes are accepted (kubectl rollout restart)"

BARE_IN_STRICT: Final = (
    "some pods have no sidecar, so no pod connects to them: roll them out again; if they were created in scope "
    "after the policy encrypted, find out which client created them past the guards: "
)


def report_encryption(wanted: EncryptionInTransit | None, seen: ObservedEncryption | None) -> Report:
    """Report how far encryption has come, and what it waits for. ``seen``: None if sidecars are not installed."""
    if seen is None:
        if wanted is None:
            return Report({}, ())
        message = "no sidecars are injected: set encryption.enabled=true in the chart, or take encryptionInTransit out"
        return _report({}, "False", EncryptionReason.ENCRYPTION_NOT_INSTALLED, message)
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
    apart = f"; {static_pods(seen.static)}" if seen.static and seen.needs_sidecar else ""
    apart += f"; {node_lacks.sentence(seen.lacks)}" if seen.lacks and seen.needs_sidecar else ""
    apart += f"; {called(seen.called)}" if seen.called else ""
    apart += f"; {refusals.sentence(seen.refusing)}" if seen.refusing else ""
    if seen.step.waits_for:
        message = f"{seen.step.mode} on the way to {seen.wanted}: {'; '.join(seen.step.waits_for)}{apart}"
        return _report(status, "False", EncryptionReason.STEP_PENDING, message)
    if seen.cut_off and seen.step.mode is not EncryptionMode.STRICT:
        apart += f"; {cut_off(seen.cut_off)}"
    true, reason, what = _judge(seen)
    return _report(status, true, reason, f"{what}{counted}{apart}")


def _judge(seen: ObservedEncryption) -> tuple[Any, EncryptionReason, str]:
    """Judge a policy that has reached its mode. Return status, reason and message."""
    if seen.step.mode is EncryptionMode.OFF:
        return "False", EncryptionReason.NOT_ENCRYPTED, "the mode is Off: "
    if seen.untrusted and seen.step.mode is not EncryptionMode.PERMISSIVE:
        pods = examples(seen.untrusted)
        cut_off = f"no peer connects to {pods}, as the authority of their certificates is not trusted: "
        return "False", EncryptionReason.CERTIFICATES_NOT_TRUSTED, f"{cut_off}{ROLL_OUT}: "
    if seen.step.mode is not EncryptionMode.STRICT:
        return "False", EncryptionReason.PLAINTEXT_ACCEPTED, "plaintext is accepted: "
    return _judge_strict(seen)


def _judge_strict(seen: ObservedEncryption) -> tuple[Any, EncryptionReason, str]:
    if seen.bypassed:
        return "False", EncryptionReason.SIDECAR_BYPASSED, f"{bypassed(seen.bypassed)}: "
    if seen.beyond:
        outside = f"others send nothing encrypted to {examples(seen.beyond)}, as they have addresses {OUTSIDE}: "
        return "False", EncryptionReason.NETWORKS_MISSING, outside
    if seen.sidecars < seen.pods:
        return "False", EncryptionReason.PODS_WITHOUT_SIDECAR, BARE_IN_STRICT
    if seen.silence:
        return "False", EncryptionReason.AGENTS_SILENT, f"{unsaid(seen.silence)}: "
    return _judge_connections(seen)


def _judge_connections(seen: ObservedEncryption) -> tuple[Any, EncryptionReason, str]:
    """Judge a policy whose pods all have a sidecar and their rules."""
    if seen.claimed:
        return "False", EncryptionReason.ADDRESS_CLAIMED, f"{claimed(seen.claimed)}: "
    if seen.talking:
        return "False", EncryptionReason.PLAINTEXT_OPEN, f"{plaintext_open(seen.talking)}: "
    walls = [cut_off(seen.cut_off)] if seen.cut_off else []
    walls += [closed(seen.closed)] if seen.closed else []
    if walls:
        return "False", EncryptionReason.STEP_PENDING, f"{'; '.join(walls)}: "
    if seen.loaded < seen.pods:
        return "False", EncryptionReason.STEP_PENDING, "some have not loaded the newest settings, which takes seconds: "
    if seen.static:
        return "False", EncryptionReason.STATIC_PODS, ""
    return "True", EncryptionReason.ALL_ENCRYPTED, ""


def _report(status: dict[str, Any], true: Any, reason: EncryptionReason, message: str) -> Report:
    return Report(status, (Observation(CONDITION, true, reason, message),))
