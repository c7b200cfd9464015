"""Tells on a node what it lacks to redirect the traffic of its pods, as its agent says; and on pods that wait there."""

from sovereign_operator.controller.keys import NodeLacksKey
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.encryption.node_lacks import notice_of, pod_notice, text_of
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.events import post_once
from sovereign_operator.kube.objects.pod import ObservedPod


async def tell_lacks(state: ControllerState, key: NodeLacksKey) -> None:
    """Post an Event on the node, once for each set of lacks."""
    node, sidecars = state.mirrors.nodes.get(("", key.node)), state.view.sidecars
    lacks = sidecars.agents.lacks(key.node) if sidecars else ()
    if node is None or not lacks:
        return
    pods = (f"{pod.namespace}/{pod.pod.name}" for pod in state.view.pods_on(key.node) if pod.transit)
    about = resource.NODES.header | {"metadata": {"name": node.node.name, "uid": node.node.uid}}
    await post_once(state.api, about, notice_of(lacks, pods), text_of(lacks))


async def tell_pod(state: ControllerState, pod: ObservedPod) -> None:
    """Post an Event on a pod with a sidecar that waits on such a node: once, and for ten pods of an owner at most."""
    key, sidecars = (pod.namespace, pod.pod.name), state.view.sidecars
    waits = sidecars is not None and pod.transit and pod.pod.node and not pod.pod.ready and not pod.terminating
    lacks = sidecars.agents.lacks(pod.pod.node) if sidecars and waits and pod.pod.node else ()
    notice = pod_notice(pod.pod.node or "", lacks)
    if notice is None:
        state.lack_events.forget(key)
    elif state.lack_events.is_due(key, (pod.namespace, pod.owner), (pod.pod.uid, text_of(lacks))):
        metadata = {"namespace": pod.namespace, "name": pod.pod.name, "uid": pod.pod.uid}
        await post_once(state.api, resource.PODS.header | {"metadata": metadata}, notice, text_of(lacks))
