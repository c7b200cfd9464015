"""Which policy is in effect for a pod, or for a SovereignWorkload.

The admission policies have the same rule as CEL (``policyName`` in the chart's ``_admission.tpl``); tests against a
real API server prove that both agree.

A label without a value names no policy. On a namespace it is in effect all the same: admission refuses the pods there,
and their own labels do not count.
"""

from collections.abc import Container, Mapping

from sovereign_operator.core import names


def enforced_policy(labels: Mapping[str, str]) -> str | None:
    """Return the enforce label among the labels of a namespace; None if it has none. Its value may be empty."""
    return labels.get(names.ENFORCE_LABEL)


def effective_policy(enforced: str | None, named: str | None) -> str | None:
    """Return the policy in effect: the one that the namespace enforces, else the one that is named; None if none is."""
    return (named if enforced is None else enforced) or None


def policy_of_pod(
    namespace: str, enforced: str | None, labels: Mapping[str, str], never_in_scope: Container[str]
) -> str | None:
    """Return the policy that a pod with these labels is held to, as the guards see it; None if it is not in scope."""
    if namespace in never_in_scope:
        return None
    return effective_policy(enforced, labels.get(names.POLICY_LABEL))
