"""Tells pods that wait for a node which policy narrows the nodes down."""

from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core import names
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.workload.waiting import situation_of, waiting_notice
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.events import post_once
from sovereign_operator.kube.objects.pod import ObservedPod


async def tell_why_it_waits(state: ControllerState, verdicts: Verdicts, pod: ObservedPod) -> None:
    """Post an Event about a pod that a policy holds and that the scheduler found no node for, once.

    That is one request to read and one to write for each such pod, and for ten pods of an owner at most.
    """
    policy, key = state.view.policy_of(pod), (pod.namespace, pod.pod.name)
    # No scheduler has looked at a gated pod, so its policy is not why it waits.
    if not policy or not pod.pod.waiting or pod.gated or pod.terminating:
        state.waiting_events.forget(key)
        return
    accepted = verdicts.accepted_nodes(policy) if policy in verdicts.policies else None
    enforced = state.view.enforced(pod.namespace) is not None
    of_namespace, own = f"label {names.ENFORCE_LABEL} of namespace {pod.namespace}", f"its label {names.POLICY_LABEL}"
    source = of_namespace if enforced else own
    situation = situation_of(policy, source, accepted, said=pod.pod.waiting)
    # Another pod may have its name by now.
    if state.waiting_events.is_due(key, (pod.namespace, pod.owner), (pod.pod.uid, situation)):
        metadata = {"namespace": pod.namespace, "name": pod.pod.name, "uid": pod.pod.uid}
        notice = waiting_notice(pod.namespace, pod.pod.name, policy, source, accepted, said=pod.pod.waiting)
        await post_once(state.api, resource.PODS.header | {"metadata": metadata}, notice, situation)
