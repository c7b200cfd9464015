"""Writes a status if it differs, with an Event for each condition that changed."""

from collections.abc import Collection, Sequence

from sovereign_operator.api.v1alpha1.kind import Kind
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.report.conditions import Notice, merge, notices
from sovereign_operator.core.report.report import Report
from sovereign_operator.core.workload.status import REMEMBERED
from sovereign_operator.kube.client.api import MERGE, Json
from sovereign_operator.kube.client.errors import ConflictError, NotFoundError, RefusedError
from sovereign_operator.kube.client.events import post
from sovereign_operator.kube.client.resource import OURS


async def write_status(
    state: ControllerState, kind: Kind, name: str, report: Report, namespace: str = "", *, news: Sequence[Notice] = ()
) -> bool:
    """Write an object's status if it differs, and post Events: changed conditions, and ``news`` besides.

    Return whether the object has this status now; False if the write was refused.
    """
    seen = state.view.object(kind.plural, name, namespace)
    if seen is None:
        return True
    metadata, before = seen["metadata"], _without(seen.get("status", {}), kind.status_of_people)
    previous = before.get("conditions", ())
    now = state.api.clock.now()
    status = report.status | {
        "observedGeneration": metadata["generation"],
        "conditions": merge(report.observations, previous, metadata["generation"], now),
    }
    if _filled(status) == _filled(before):
        return True
    body: Json = OURS[kind.plural].header | {
        "metadata": {"name": name, "uid": metadata["uid"]} | ({"namespace": namespace} if namespace else {}),
        "status": status,
    }
    try:
        if not await state.refusals.attempt(OURS[kind.plural], body, _apply_status(state, kind, body, before)):
            return False
    except (ConflictError, NotFoundError):
        # It was deleted or replaced: the event follows.
        return True
    for notice in (*notices(report.observations, previous), *news):
        await post(state.api, seen, notice)
    return True


def _filled(status: Json) -> Json:
    """Return a status without empty lists: API servers drop a list of which the last entry went."""
    return {field: value for field, value in status.items() if value not in ([], ())}


def _without(status: Json, fields: Collection[str]) -> Json:
    return {field: value for field, value in status.items() if field not in fields} if fields else status


async def _apply_status(state: ControllerState, kind: Kind, body: Json, before: Json) -> None:
    """Apply a status. If that is refused, as the object is full, remove the old status, which may be wrong by now."""
    metadata = body["metadata"]
    try:
        written = (await state.api.apply(OURS[kind.plural], body, subresource="status"))["metadata"]
    except RefusedError:
        if gone := dict.fromkeys(before.keys() - REMEMBERED):
            await state.api.patch(
                OURS[kind.plural],
                metadata["name"],
                {"metadata": {"uid": metadata["uid"]}, "status": gone},
                content_type=MERGE,
                namespace=metadata.get("namespace"),
                subresource="status",
            )
        raise
    if written["generation"] == body["status"]["observedGeneration"]:
        key = metadata.get("namespace", ""), metadata["name"]
        state.published.status_written[kind.plural, key] = written["resourceVersion"], written["generation"]
