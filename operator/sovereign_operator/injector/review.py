"""Decides one admission review of a new pod: inject the sidecar, leave the pod untouched, or refuse it. No I/O."""

from collections.abc import Container

from sovereign_operator.core import names
from sovereign_operator.core.sidecar.injection import SidecarSettings, inject
from sovereign_operator.core.sidecar.json_patch import patch
from sovereign_operator.core.sidecar.namespace_facts import NO_NAMESPACE_FACTS, NamespaceFacts
from sovereign_operator.core.sidecar.probes import CannotInjectError
from sovereign_operator.core.workload.scope import policy_of_pod
from sovereign_operator.injector.admission_review import (
    Answer,
    Injected,
    MalformedError,
    Refused,
    Review,
    Untouched,
)


def policy_of(review: Review, enforced: str | None, never_in_scope: Container[str]) -> str | None:
    """Return the policy in effect for the pod; None if it is not in scope, or if the review is about no pod."""
    if review.pod is None:
        return None
    return policy_of_pod(review.namespace, enforced, review.labels, never_in_scope)


def may_be_too_early(review: Review, enforced: str | None, never_in_scope: Container[str]) -> bool:
    """Whether the pod's namespace may have been labelled so recently that its label is not observed yet."""
    if review.pod is None or review.namespace in never_in_scope:
        return False
    return review.labels.get(names.POLICY_LABEL) is None and enforced is None


def decide_review(
    review: Review, policy: str | None, settings: SidecarSettings, around: NamespaceFacts = NO_NAMESPACE_FACTS
) -> Answer:
    """Decide about a pod. ``policy`` is the policy in effect if it encrypts, otherwise None.

    The guards refuse an unknown policy, and a pod that lacks its sidecar, whether or not the injector runs. Raises
    MalformedError for a pod that no API server would send.
    """
    if review.pod is None:
        return Untouched("the sovereignty injector got a review of something else than the creation of a pod")
    if policy is None or review.is_mirror:
        return Untouched()
    try:
        return Injected(policy, patch(review.pod, inject(review.pod, policy, settings, around)))
    except CannotInjectError as error:
        return Refused(
            f"policy {policy} encrypts traffic, and the sidecar for that cannot be added to this pod: {error}"
        )
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise MalformedError(f"not a pod that can be read: {error!r}") from error
