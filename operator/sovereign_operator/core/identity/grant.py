"""Which namespaces get certificates of a policy. Any user may have pods placed; trust has to be granted."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core import names
from sovereign_operator.core.kubernetes.selector import Selector
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.conditions import Notice, Observation, examples
from sovereign_operator.core.report.report import Report

CONDITION = "CertificatesGranted"

MAX_NAMESPACES: Final = 50
"""The most namespaces or pods that a status names."""


def is_granted(policy: str, spec: SovereigntyPolicySpec, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether pods of a namespace with these labels get certificates of a policy."""
    grant = spec.certificate_namespaces
    if grant is None:
        return labels.get(names.ENFORCE_LABEL) == policy
    return namespace in grant.names or (grant.selector is not None and Selector.of(grant.selector).selects(labels))


def listed_namespaces(
    spec: SovereigntyPolicySpec, granted: Sequence[str], ready: Collection[str] | None = None
) -> tuple[str, ...] | None:
    """Return the namespaces to which a policy grants certificates, sorted; None if the namespace's label decides.

    ``granted`` are the existing ones. Names in the policy are added even if no such namespace exists. With ``ready``,
    only those count in which new pods find whom to trust, and they are always listed.
    """
    if ready is not None:
        return tuple(sorted({*granted} & {*ready}))
    grant = spec.certificate_namespaces
    return None if grant is None else tuple(sorted({*grant.names, *granted}))


def granted_namespaces(
    policy: str, spec: SovereigntyPolicySpec, namespaces: Mapping[str, Mapping[str, str]]
) -> tuple[str, ...]:
    """Return the existing namespaces to which a policy grants certificates, sorted."""
    return tuple(sorted(name for name, labels in namespaces.items() if is_granted(policy, spec, name, labels)))


def ungranted_pods(
    mounting: Mapping[tuple[str, str], Iterable[str]],
    policies: Mapping[str, SovereigntyPolicySpec],
    namespaces: Mapping[str, Mapping[str, str]],
) -> dict[str, tuple[str, ...]]:
    """Return the pods that mount a policy's certificates in namespaces to which it gives none, for each policy.

    ``mounting``: by the policy that they are held to and their namespace, the names of all that mount some.
    """
    found: dict[str, list[str]] = {policy: [] for policy in policies}
    for (policy, namespace), pods in mounting.items():
        if policy in policies and not is_granted(policy, policies[policy], namespace, namespaces.get(namespace, {})):
            found[policy] += (f"{namespace}/{name}" for name in pods)
    return {policy: tuple(sorted(pods)) for policy, pods in found.items()}


def report_grants(policy: str, namespaces: Sequence[str], pods: Sequence[str]) -> Report:
    """Report the namespaces to which a policy gives certificates, and the pods that mount them elsewhere.

    An admin should see the first: a user may have created a namespace of that name or label before the policy. The
    certificates of the second run out.
    """
    status = {"namespacesGranted": len(namespaces), "grantedNamespaces": list(namespaces[:MAX_NAMESPACES])}
    if not pods:
        message = "all pods that mount its certificates are in namespaces to which it gives them"
        observation = Observation(CONDITION, "True", ConditionReason.ALL_GRANTED, message)
    else:
        message = (
            f"{len(pods)} pod(s) mount its certificates in namespaces to which it gives none: {examples(pods)}; their "
            "certificates expire within a day, and then no pod connects to them; name their namespaces in "
            f"spec.certificateNamespaces, or, if that field is absent, label them {names.ENFORCE_LABEL}={policy}"
        )
        observation = Observation(CONDITION, "False", ConditionReason.NAMESPACE_NOT_TRUSTED, message)
    return Report(status, (observation,))


def changed_grants(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Notice, ...]:
    """Return an Event if a policy gives certificates to other namespaces than its former status says.

    Beyond the namespaces that a status names, only their number is compared.
    """
    number, formerly = (status.get("namespacesGranted") or 0 for status in (after, before))
    now, then = (list(status.get("grantedNamespaces") or ()) for status in (after, before))
    if (number, now) == (formerly, then):
        return ()
    details = ""
    if max(number, formerly) <= MAX_NAMESPACES:
        changes = {"new": sorted({*now} - {*then}), "no more": sorted({*then} - {*now})}
        details = "".join(f"; {word}: {examples(found)}" for word, found in changes.items() if found)
    message = f"the policy gives its certificates to {number} namespace(s) now{details}"
    return (Notice("Normal", "GrantsChanged", message),)
