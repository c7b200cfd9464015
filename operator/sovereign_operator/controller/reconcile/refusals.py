"""Tells pods whose sidecars refuse connections."""

from collections.abc import Hashable, Iterable

from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.encryption.refusals import hour_of, notice, refuses
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.events import post_once
from sovereign_operator.kube.objects.pod import ObservedPod


def note_refusals(state: ControllerState, pods: Iterable[ObservedPod]) -> None:
    """Have each pod told whose sidecar refuses connections.

    ``pods``: those of a policy with a sidecar, whether it refuses connections or not. One client can fill thousands of
    sidecars, and the policy's encryption must not wait for as many Events: they are posted with the annotations of the
    pods, where namespaces take turns.
    """
    for pod in pods:
        if _refused(state, pod) is None:
            # Another pod of its owner may get an Event now.
            state.refusal_events.forget((pod.namespace, pod.pod.name))
        elif state.refusal_events.is_missing(*_event(state, pod)):
            state.triggers.connections_refused(pod.namespace, pod.pod.name)


async def tell_refusals(state: ControllerState, pod: ObservedPod) -> None:
    """Post an Event on a pod whose sidecar refuses connections: once an hour, and for ten pods of an owner at most."""
    refused = _refused(state, pod)
    if refused is not None and state.refusal_events.is_due(*_event(state, pod)):
        metadata = {"namespace": pod.namespace, "name": pod.pod.name, "uid": pod.pod.uid}
        about = resource.PODS.header | {"metadata": metadata}
        await post_once(state.api, about, notice(refused), hour_of(state.api.clock.now()))


def _refused(state: ControllerState, pod: ObservedPod) -> int | None:
    """Return how many connections the sidecar of a pod has refused; None if it has refused none lately."""
    sidecars = state.view.sidecars
    stats = sidecars.polling.stats(pod) if sidecars and pod.transit else None
    return stats.refused or 0 if stats and refuses(stats.refused_seen, state.api.clock.now()) else None


def _event(state: ControllerState, pod: ObservedPod) -> tuple[Hashable, Hashable, Hashable]:
    """Return the pod, its owner, and what stands for the Event of this hour: another pod may have its name by then."""
    hour = hour_of(state.api.clock.now())
    return (pod.namespace, pod.pod.name), (pod.namespace, pod.owner), (pod.pod.uid, hour)
