"""Decides one admission review where the API server has no admission policies that write. No I/O.

To be deleted once no supported version of Kubernetes lacks MutatingAdmissionPolicy, with the chart's
``_placement_webhooks.tpl``.
"""

from enum import StrEnum

from sovereign_operator.core import names
from sovereign_operator.core.sidecar.json_patch import patch
from sovereign_operator.core.workload.placing import place_daemon_set, place_pod, stamp
from sovereign_operator.injector.admission_review import STAMPED, About, Answer, Review, Untouched, Written


class Way(StrEnum):
    """How the API server found an object: by its selectors, as those of the admission policies."""

    BY_NAMESPACE = "by-namespace"
    """Its namespace enforces a policy."""
    BY_LABEL = "by-label"
    """It names a policy, or did, and its namespace enforces none."""
    FORMERLY = "formerly"
    """It was placed, and its namespace enforces none."""


def policy_to_place(review: Review, way: Way, enforced: str | None) -> str | None:
    """Return the policy for which an object is to be placed; None if for none."""
    return (enforced if way is Way.BY_NAMESPACE else review.labels.get(names.POLICY_LABEL)) or None


def place(review: Review, way: Way, enforced: str | None, *, avoids: bool = False) -> Answer:
    """Decide about a pod or a DaemonSet. ``enforced``: the policy that its namespace enforces, as observed here.

    If that is not what the API server observed, the guards refuse the object. ``avoids``: see ``place_pod``.
    """
    if review.obj is None or review.is_mirror:
        return Untouched()
    policy = policy_to_place(review, way, enforced)
    if review.about is About.DAEMON_SET:
        made = place_daemon_set(review.obj, policy, review.before)
    elif review.pod and (policy or way is Way.FORMERLY):
        made = place_pod(review.obj, policy, avoids=avoids)
    else:
        # A pod in scope of a policy without a name is refused.
        return Untouched()
    return Written(patch(review.obj, made))


def stamp_requester(review: Review) -> Answer:
    """Decide about a SovereignWorkload or a Derogation."""
    if review.obj is None or review.about not in STAMPED:
        return Untouched()
    # Whoever touches a Derogation without a stamp did not ask for it.
    taken_over = review.about is About.SOVEREIGN_WORKLOAD
    return Written(patch(review.obj, stamp(review.obj, review.user, review.before, taken_over=taken_over)))
