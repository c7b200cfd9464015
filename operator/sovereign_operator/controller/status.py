"""Writing a status: only where it differs, with an Event for what is new."""

from collections.abc import Sequence

from sovereign_operator.api.v1alpha1 import GROUP, VERSION
from sovereign_operator.api.v1alpha1.kind import Kind
from sovereign_operator.controller.world import World
from sovereign_operator.core.cluster_status import Report
from sovereign_operator.core.conditions import Notice, merge, notices
from sovereign_operator.kube.api import Json
from sovereign_operator.kube.errors import ConflictError, NotFoundError
from sovereign_operator.kube.events import post
from sovereign_operator.kube.resource import OURS


async def write_status(
    world: World, kind: Kind, name: str, report: Report, namespace: str = "", *, news: Sequence[Notice] = ()
) -> None:
    """Write an object's status, if it says something else than before, and post what its conditions do not tell."""
    seen = world.object(kind.plural, name, namespace)
    if seen is None:
        return
    metadata, before = seen["metadata"], seen.get("status", {})
    previous = before.get("conditions", ())
    now = world.api.clock.now()
    status = report.status | {
        "observedGeneration": metadata["generation"],
        "conditions": merge(report.observations, previous, metadata["generation"], now),
    }
    if status == before:
        return
    body: Json = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": kind.name,
        "metadata": {"name": name, "uid": metadata["uid"]} | ({"namespace": namespace} if namespace else {}),
        "status": status,
    }
    try:
        await world.api.apply(OURS[kind.plural], body, subresource="status")
    except (ConflictError, NotFoundError):
        # Deleted or made anew since we saw it; the event of that is on its way.
        return
    for notice in (*notices(report.observations, previous), *news):
        await post(world.api, seen, notice)
