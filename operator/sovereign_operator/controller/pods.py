"""The audit annotations of one pod."""

from sovereign_operator.controller.keys import PodMarks
from sovereign_operator.controller.world import World
from sovereign_operator.core import names
from sovereign_operator.core.audit import audit_annotations
from sovereign_operator.core.names import audit_annotation
from sovereign_operator.kube import resource
from sovereign_operator.kube.errors import ConflictError, NotFoundError
from sovereign_operator.kube.marks import apply_marks


async def mark_pod(world: World, key: PodMarks) -> None:
    """Say on a bound pod in scope where it runs and on what its acceptance rests."""
    seen = world.pod(key.namespace, key.name)
    if seen is None or world.verdicts is None or not seen.pod.node or seen.ended:
        return
    policy = world.policy_of(seen)
    verdict = world.verdicts.nodes.get((seen.pod.node, policy)) if policy else None
    if verdict is None:
        return
    annotations = audit_annotations(verdict) | (world.identity.annotations(seen) if world.identity else {})
    if world.sidecars and (told := world.sidecars.told(seen.namespace, seen.transit)):
        annotations[names.TRANSIT_ANNOTATION] = told.version
    if annotations == seen.annotations:
        return
    metadata = {"name": key.name, "namespace": key.namespace, "uid": seen.pod.uid, "annotations": annotations}
    try:
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        await apply_marks(world.api, resource.PODS, body, lambda name: name.startswith(audit_annotation("")))
    except (ConflictError, NotFoundError):
        # The pod is gone, or another one has its name: there is nothing to say about it.
        return
