"""Which policy holds a pod, and where that comes from."""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from sovereign_operator.cli.answers.claim import Claim
from sovereign_operator.core import names
from sovereign_operator.core.report.conditions import examples
from sovereign_operator.core.workload.scope import enforced_policy, policy_of_pod


@dataclass(frozen=True)
class Scope:
    """The policy in effect."""

    policy: str | None
    """None if none is."""
    source: str
    """Where that comes from, as a sentence."""
    fault: str = ""
    """What is wrong with it, and what to do; empty if nothing."""


def scope_of(
    namespace: str,
    namespace_labels: Mapping[str, str] | None,
    pod_labels: Mapping[str, str],
    *,
    never_in_scope: Container[str],
    policies: frozenset[str] | None,
    unreadable: Container[str] = (),
    claim: Claim | None = None,
) -> Scope:
    """Say which policy holds a pod with these labels.

    ``namespace_labels``, ``policies``: None if the caller may not read them. ``unreadable``: those of the policies
    that the operator cannot read. ``claim``: the SovereignWorkload that refers to the pod's workload.
    """
    if namespace_labels is None and namespace not in never_in_scope:
        return _as_placed(namespace, pod_labels)
    enforced = enforced_policy(namespace_labels or {})
    policy = policy_of_pod(namespace, enforced, pod_labels, never_in_scope)
    source = _source(namespace, enforced, pod_labels, never_in_scope, claim) + _tried(namespace, namespace_labels or {})
    if policy is None:
        return Scope(None, source, _empty_label(namespace) if enforced == "" else "")
    fault = ""
    if policy in unreadable:
        fault = f"SovereigntyPolicy {policy} cannot be read: correct it; its condition Ready names the field"
    elif policies is not None and policy not in policies:
        known = examples(sorted(policies)) or "none"
        fault = f"there is no SovereigntyPolicy {policy}: create it or correct the name; there are: {known}"
    return Scope(policy, source, fault)


def _as_placed(namespace: str, pod_labels: Mapping[str, str]) -> Scope:
    """Say for which policy admission placed the pod: the label of its namespace may have changed since."""
    placed = pod_labels.get(names.PLACED_LABEL)
    unread = f"you may not read namespace {namespace}, whose label decides"
    if placed:
        return Scope(placed, f"{unread}; admission placed the pod for this policy when it was created")
    return Scope(None, f"{unread}; admission placed the pod for no policy when it was created")


def _source(
    namespace: str,
    enforced: str | None,
    pod_labels: Mapping[str, str],
    never_in_scope: Container[str],
    claim: Claim | None,
) -> str:
    named = pod_labels.get(names.POLICY_LABEL)
    if namespace in never_in_scope:
        return why_never(namespace)
    if enforced == "":
        return f"namespace {namespace} has the label {names.ENFORCE_LABEL} without a value: admission refuses new pods"
    if enforced is not None:
        other = (
            f"; the pod's own label names {named}, which does not count here" if named not in {None, enforced} else ""
        )
        return f"namespace {namespace} enforces it (label {names.ENFORCE_LABEL}){other}"
    if named:
        writer = f", which SovereignWorkload {claim.name} has the operator write" if claim else ""
        return f"the pod has the label {names.POLICY_LABEL}{writer}; the namespace enforces none"
    return f"neither the label {names.ENFORCE_LABEL} of namespace {namespace} nor a label of the pod names a policy"


def why_never(namespace: str) -> str:
    """Say why no policy holds the pods of a namespace."""
    return f"namespace {namespace} belongs to the cluster or to the operator, and is never in scope"


def _tried(namespace: str, namespace_labels: Mapping[str, str]) -> str:
    """Return what else a namespace says of policies, which holds no pod."""
    tried = {
        label: namespace_labels[label] for label in (names.WARN_LABEL, names.AUDIT_LABEL) if label in namespace_labels
    }
    preview = f"kubectl sovereign preview --policy POLICY -n {namespace}"
    said = "".join(f"; its label {label} only tries {policy}" for label, policy in tried.items())
    return f"{said} (what that would change: {preview})" if said else ""


def _empty_label(namespace: str) -> str:
    return (
        f"name a policy: kubectl label namespace {namespace} {names.ENFORCE_LABEL}=POLICY --overwrite; "
        f"or take the label away: kubectl label namespace {namespace} {names.ENFORCE_LABEL}-"
    )
