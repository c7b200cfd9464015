"""Guards as the chart installs them and as the API server has them, and what is found about these."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sovereign_operator.core.admission.guards import Guard, GuardFinding, GuardKey, Guards, Versions, inspect

POLICY, BINDING = ("ValidatingAdmissionPolicy", "guard"), ("ValidatingAdmissionPolicyBinding", "guard")
INSTALLED: dict[GuardKey, Any] = {
    POLICY: {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{"apiGroups": [""], "operations": ["CREATE"], "resources": ["pods"]}]},
        "validations": [{"expression": "false", "reason": "Forbidden"}],
    },
    BINDING: {"policyName": "guard", "validationActions": ["Deny"]},
}

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
WRITER = "kubectl-edit at 2027-01-31T11:59:58Z"


def versions(
    own: Guards | None = INSTALLED, *others: Guards, changed: float = 60 * 24, installed: float = 60 * 24
) -> Versions:
    """Return the allowed versions, this many minutes after the Deployment was last changed and installed."""
    return Versions(
        "sovereign-guards-0", own, others, NOW - timedelta(minutes=installed), NOW - timedelta(minutes=changed), NOW
    )


def find(live: Guards, allowed: Versions | None = None) -> tuple[GuardFinding, ...]:
    return inspect(allowed or versions(), {key: Guard(spec, WRITER) for key, spec in live.items()})


def managed(*entries: tuple[str, str, str]) -> dict[str, Any]:
    """Return an object with these managed fields: manager, time, subresource."""
    fields = [
        {"manager": manager, "time": time} | ({"subresource": part} if part else {}) for manager, time, part in entries
    ]
    metadata = {"creationTimestamp": "2027-01-01T00:00:00Z", "managedFields": fields}
    return {"metadata": metadata, "spec": {"policyName": "guard"}}
