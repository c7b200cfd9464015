"""The audit annotations of one pod, and the Events about it."""

from sovereign_operator.controller.keys import PodAnnotationsKey
from sovereign_operator.controller.reconcile.node_lacks import tell_pod
from sovereign_operator.controller.reconcile.refusals import tell_refusals
from sovereign_operator.controller.reconcile.waiting_pods import tell_why_it_waits
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core import names
from sovereign_operator.core.names import audit_annotation
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.workload.pod_annotations import audit_annotations, unjudged_annotations
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.errors import ConflictError, NotFoundError
from sovereign_operator.kube.client.owned_metadata import apply_owned_metadata
from sovereign_operator.kube.objects.pod import ObservedPod
from sovereign_operator.kube.refused_writes import AGAIN_SECONDS


async def annotate_pod(state: ControllerState, key: PodAnnotationsKey) -> float | None:
    """Annotate a bound pod in scope with where it runs and why that is accepted; remove the annotations from others.

    A pod that waits for a node is told of its policy, one that waits on a node is told what the node lacks, and one
    whose sidecar refuses connections is told of that.

    Return in how many seconds to try again if the write is refused.
    """
    pod = state.view.pod(key.namespace, key.name)
    if pod is None:
        state.refusals.forget(resource.PODS, (key.namespace, key.name))
        state.waiting_events.forget((key.namespace, key.name))
        state.lack_events.forget((key.namespace, key.name))
        state.refusal_events.forget((key.namespace, key.name))
        return None
    if pod.pod.node or pod.ended:
        state.waiting_events.forget((key.namespace, key.name))
    if state.published.verdicts is None or pod.ended or pod.pod.unreadable:
        return None
    if not pod.pod.node:
        await tell_why_it_waits(state, state.published.verdicts, pod)
        return None
    await tell_pod(state, pod)
    await tell_refusals(state, pod)
    annotations = _annotations(state, state.published.verdicts, pod)
    if annotations is None or annotations == pod.annotations:
        return None
    metadata = {"name": key.name, "namespace": key.namespace, "uid": pod.pod.uid, "annotations": annotations}
    body = resource.PODS.header | {"metadata": metadata}
    before = {"annotations": pod.annotations}
    write = apply_owned_metadata(
        state.api, resource.PODS, body, before, lambda name: name.startswith(audit_annotation(""))
    )
    try:
        written = await state.refusals.attempt(resource.PODS, body, write)
    except (ConflictError, NotFoundError):
        # The pod is deleted, or another pod has its name.
        return None
    return None if written else AGAIN_SECONDS


def _annotations(state: ControllerState, verdicts: Verdicts, pod: ObservedPod) -> dict[str, str] | None:
    """Return the annotations of a pod; None as long as there is no verdict on its node, which has just been added."""
    policy = state.view.policy_of(pod)
    if not policy:
        return {}
    if policy not in verdicts.policies:
        return unjudged_annotations(policy)
    verdict = verdicts.nodes.get((pod.pod.node or "", policy))
    if verdict is None:
        return None
    annotations = audit_annotations(verdict) | (state.view.identity.annotations(pod) if state.view.identity else {})
    if state.view.sidecars and (config := state.view.sidecars.config(pod.namespace, pod.transit)):
        annotations[names.TRANSIT_ANNOTATION] = config.version
    return annotations
