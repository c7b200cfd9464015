"""What a SovereigntyPolicy says of its encryption in transit."""

from typing import Any

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.core.cluster_status import Report
from sovereign_operator.core.conditions import Observation
from sovereign_operator.core.reasons import ConditionReason
from sovereign_operator.core.steps import EncryptionSeen

CONDITION = "Encrypted"


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
    if seen.step.waits_for:
        message = f"{seen.step.mode} on the way to {seen.wanted}: {'; '.join(seen.step.waits_for)}"
        return _report(status, "False", ConditionReason.STEP_PENDING, message)
    if seen.step.mode is EncryptionMode.OFF:
        return _report(status, "False", ConditionReason.NOT_ENCRYPTED, f"the mode is Off: {counted}")
    if seen.step.mode is EncryptionMode.STRICT and seen.loaded == seen.pods:
        return _report(status, "True", ConditionReason.ALL_ENCRYPTED, counted)
    return _report(status, "False", ConditionReason.PLAINTEXT_ACCEPTED, f"plaintext is accepted: {counted}")


def _report(status: dict[str, Any], true: Any, reason: ConditionReason, message: str) -> Report:
    return Report(status, (Observation(CONDITION, true, reason, message),))
