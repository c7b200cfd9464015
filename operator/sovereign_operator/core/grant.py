"""Whose pods get certificates of a policy? Anybody may ask to be placed; that others trust a pod is granted."""

from collections.abc import Mapping, Sequence

from sovereign_operator.api.v1alpha1.sovereignty_policy import NamespaceSelector, SovereigntyPolicySpec
from sovereign_operator.core import names
from sovereign_operator.core.cluster_status import Report
from sovereign_operator.core.conditions import Observation, examples
from sovereign_operator.core.reasons import ConditionReason
from sovereign_operator.core.selector import Selector

CONDITION = "CertificatesGranted"


def is_granted(policy: str, spec: SovereigntyPolicySpec, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether pods of a namespace with these labels get certificates of a policy."""
    grant = spec.certificate_namespaces
    if grant is None:
        return labels.get(names.ENFORCE_LABEL) == policy
    return namespace in grant.names or (grant.selector is not None and _selector(grant.selector).selects(labels))


def listed_namespaces(
    policy: str, spec: SovereigntyPolicySpec, namespaces: Mapping[str, Mapping[str, str]]
) -> tuple[str, ...] | None:
    """Return the namespaces that a policy grants them to, sorted; None if the label of a namespace says so by itself.

    ``namespaces`` are those that there are, each with its labels. Those that a policy names need not be there.
    """
    grant = spec.certificate_namespaces
    if grant is None:
        return None
    selected = {name for name, labels in namespaces.items() if is_granted(policy, spec, name, labels)}
    return tuple(sorted({*grant.names, *selected}))


def report_grants(policy: str, pods: Sequence[str]) -> Report:
    """Say which pods mount certificates of a policy where it gives none. Those that they have run out."""
    if not pods:
        message = "all pods that mount its certificates are in namespaces to which it gives them"
        observation = Observation(CONDITION, "True", ConditionReason.ALL_GRANTED, message)
    else:
        message = (
            f"{len(pods)} pod(s) mount its certificates in namespaces to which it gives none: {examples(pods)}; nobody "
            "talks to them once those that they have run out, within a day; name their namespaces in "
            f"spec.certificateNamespaces, or, where that is absent, label them {names.ENFORCE_LABEL}={policy}"
        )
        observation = Observation(CONDITION, "False", ConditionReason.NAMESPACE_NOT_TRUSTED, message)
    return Report({}, (observation,))


def _selector(selector: NamespaceSelector) -> Selector:
    expressions = tuple(term.model_dump() for term in selector.match_expressions)
    return Selector(selector.match_labels, expressions)
