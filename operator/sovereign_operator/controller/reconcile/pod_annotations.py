"""The audit annotations of one pod, and how many pods are where."""

import logging
from collections import Counter
from collections.abc import Mapping

from sovereign_operator.api.v1alpha1 import SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.controller import metrics
from sovereign_operator.controller.keys import ClusterKey, NamespaceLeftKey, PodAnnotationsKey
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core import names
from sovereign_operator.core.identity.grant import ungranted_pods
from sovereign_operator.core.names import audit_annotation
from sovereign_operator.core.placement.verdict import Place, Verdicts, place_of
from sovereign_operator.core.report.conditions import Notice
from sovereign_operator.core.workload.pod_annotations import audit_annotations, unjudged_annotations
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.errors import ConflictError, NotFoundError
from sovereign_operator.kube.client.events import post
from sovereign_operator.kube.client.owned_metadata import apply_owned_metadata
from sovereign_operator.kube.objects.pod import ObservedPod
from sovereign_operator.kube.refused_writes import AGAIN_SECONDS

logger = logging.getLogger(__name__)


async def annotate_pod(state: ControllerState, key: PodAnnotationsKey) -> float | None:
    """Say on a bound pod in scope where it runs and on what its acceptance rests; on others, nothing any more."""
    seen = state.view.pod(key.namespace, key.name)
    if seen is None:
        state.refusals.forget(resource.PODS, (key.namespace, key.name))
        return None
    if state.published.verdicts is None or not seen.pod.node or seen.ended or seen.pod.unreadable:
        return None
    annotations = _annotations(state, state.published.verdicts, seen)
    if annotations is None or annotations == seen.annotations:
        return None
    metadata = {"name": key.name, "namespace": key.namespace, "uid": seen.pod.uid, "annotations": annotations}
    try:
        body = resource.PODS.header | {"metadata": metadata}
        before = {"annotations": seen.annotations}
        marking = apply_owned_metadata(
            state.api, resource.PODS, body, before, lambda name: name.startswith(audit_annotation(""))
        )
        written = await state.refusals.attempt(resource.PODS, body, marking)
    except (ConflictError, NotFoundError):
        # The pod is gone, or another one has its name: there is nothing to say about it.
        return None
    return None if written else AGAIN_SECONDS


def _annotations(state: ControllerState, verdicts: Verdicts, seen: ObservedPod) -> dict[str, str] | None:
    """Return what a pod is to carry; None if that is not known yet, as its node has come just now."""
    policy = state.view.policy_of(seen)
    if not policy:
        return {}
    if policy not in verdicts.policies:
        return unjudged_annotations(policy)
    verdict = verdicts.nodes.get((seen.pod.node or "", policy))
    if verdict is None:
        return None
    annotations = audit_annotations(verdict) | (state.view.identity.annotations(seen) if state.view.identity else {})
    if state.view.sidecars and (told := state.view.sidecars.told(seen.namespace, seen.transit)):
        annotations[names.TRANSIT_ANNOTATION] = told.version
    return annotations


async def announce_leave(state: ControllerState, key: NamespaceLeftKey) -> None:
    """Say on a policy that a namespace has left it. Nobody is kept from that, so that it shall be seen."""
    policy = state.view.object(SOVEREIGNTY_POLICY.plural, key.policy)
    if policy is None:
        return
    message = (
        f"namespace {key.namespace} has left the policy: its pods go on running, new ones start on any node, and it "
        "gets no certificates, unless spec.certificateNamespaces has it; the API server's audit log says who did it"
    )
    logger.warning("policy %s: %s", key.policy, message, extra={"policy": key.policy, "namespace": key.namespace})
    await post(state.api, policy, Notice("Warning", "NamespaceLeft", message))


def count_pods(state: ControllerState) -> None:
    """Say how many pods in scope are where, namespace by namespace."""
    if state.published.verdicts is None:
        return
    policies = {name for _, name in state.view.keys(SOVEREIGNTY_POLICY.plural)}
    counts: dict[tuple[str, str], Counter[Place]] = {}
    for seen in state.view.pods():
        policy = state.view.policy_of(seen)
        if policy in policies and not seen.ended and not seen.terminating:
            verdict = state.published.verdicts.nodes.get((seen.pod.node or "", policy))
            place = place_of(seen.pod.node, verdict, unreadable=seen.pod.unreadable)
            counts.setdefault((seen.namespace, policy), Counter())[place] += 1
    metrics.PODS_IN_SCOPE.clear()
    for (namespace, policy), places in counts.items():
        for place in Place:
            metrics.PODS_IN_SCOPE.labels(namespace, policy, place).set(places[place])
    if not_trusted(state, state.view.policies()) != state.published.not_trusted:
        state.queue.add(ClusterKey())


def not_trusted(state: ControllerState, policies: Mapping[str, SovereigntyPolicySpec]) -> dict[str, tuple[str, ...]]:
    """Return the pods that mount a policy's certificates in namespaces to which it gives none, by policy."""
    if state.view.identity is None:
        return {}
    mounting = (
        (policy, seen.namespace, seen.pod.name)
        for seen in state.view.pods()
        if seen.pod.certificate_volumes
        and not seen.ended
        and not seen.terminating
        and (policy := state.view.policy_of(seen))
    )
    return ungranted_pods(mounting, policies, state.view.namespace_labels())


def count_processes(state: ControllerState) -> None:
    """Name the pods of the operator whose tokens a node has that nobody accepts."""
    if state.published.verdicts is None:
        return
    refused = state.published.verdicts.nodes_of_nobody()
    metrics.PROCESSES_OUTSIDE.clear()
    if refused == state.published.verdicts.members.keys():
        return
    for seen in state.mirrors.own_pods.values():
        if seen.pod.node in refused and not seen.ended:
            component = seen.labels.get(names.COMPONENT_LABEL, "")
            metrics.PROCESSES_OUTSIDE.labels(component, seen.pod.name, seen.pod.node).set(1)
