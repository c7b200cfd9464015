"""Which policy is in effect for a pod or a SovereignWorkload, and which policies a namespace only tries on its pods.

The admission policies have the same rule as CEL (``policyName`` in the chart's ``_admission.tpl``); tests against a
real API server prove that both agree.

A label without a value names no policy. On a namespace, the enforce label is in effect all the same: admission refuses
the pods there, and their own labels do not count.
"""

from collections.abc import Container, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from sovereign_operator.core import names


class Mode(StrEnum):
    """How a policy judges a pod, the strictest first. The values are those of the namespace labels."""

    ENFORCE = "enforce"
    """The pod is held to the policy, which is in effect for it by a label of its namespace or by its own."""
    WARN = "warn"
    """The namespace tries the policy: who writes the pod hears what the policy would refuse."""
    AUDIT = "audit"
    """The namespace tries the policy: the audit log says what the policy would refuse."""


TRIED: Final = {names.WARN_LABEL: Mode.WARN, names.AUDIT_LABEL: Mode.AUDIT}
"""The labels of a namespace that name a policy to try."""


class Judge(NamedTuple):
    """A policy that judges a pod, and how."""

    policy: str
    mode: Mode


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


def judges_of_pod(
    namespace: str, of_namespace: Mapping[str, str], labels: Mapping[str, str], never_in_scope: Container[str]
) -> tuple[Judge, ...]:
    """Return the policies that judge a pod with these labels, each once, in the strictest mode that names it.

    ``of_namespace``: the labels of the namespace.
    """
    if namespace in never_in_scope:
        return ()
    held = policy_of_pod(namespace, enforced_policy(of_namespace), labels, never_in_scope)
    named = [(held, Mode.ENFORCE), *((of_namespace.get(label), mode) for label, mode in TRIED.items())]
    modes: dict[str, Mode] = {}
    for policy, mode in named:
        if policy:
            modes.setdefault(policy, mode)
    return tuple(Judge(policy, mode) for policy, mode in modes.items())


def judges_pods(labels: Mapping[str, str]) -> bool:
    """Whether a namespace with these labels holds its pods to a policy, or tries one on them."""
    return any(label in labels for label in (names.ENFORCE_LABEL, *TRIED))
