"""The report of a namespace, for those who may read nothing outside of it."""

from contextlib import suppress

from sovereign_operator.controller.keys import ReportKey
from sovereign_operator.controller.observed.reports import PREFERENCE, ObservedReports
from sovereign_operator.controller.reconcile.judged import answers_of, judged_owner
from sovereign_operator.controller.reconcile.pace import PACE, wait_after
from sovereign_operator.controller.reconcile.pod_counts import count_outdated
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core import names
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.workload.namespace_report import digest_of, render_report
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.errors import ConflictError, NotFoundError
from sovereign_operator.kube.client.resource import Resource
from sovereign_operator.kube.refused_writes import AGAIN_SECONDS


async def keep_report(state: ControllerState, key: ReportKey) -> float | None:
    """Write the report of a namespace if it differs, or delete it if no policy judges pods there any more.

    Return in how many seconds to look again, if it may not be written now.
    """
    reports, verdicts = state.view.reports, state.published.verdicts
    if reports is None or verdicts is None:
        return None
    if state.published.frozen:
        return PACE.total_seconds()
    count_outdated(state)
    namespace = _to_report(state, key.namespace)
    kind = reports.kind if namespace else None
    await _delete_others(state, reports, key.namespace, kind)
    if namespace is None or kind is None:
        state.reported.pop(key.namespace, None)
        return None
    if wait := wait_after(state.reported.get(key.namespace), state.api.clock.now()):
        return wait.total_seconds()
    body = kind.header | render(state, verdicts, key.namespace, open_reports=kind is resource.REPORTS)
    there = reports.of(key.namespace).get(kind)
    return None if there and there.digest == digest_of(body) else await _write(state, kind, body, namespace)


async def _write(state: ControllerState, kind: Resource, body: Json, namespace: Json) -> float | None:
    if not state.refusals.is_due(kind, (body["metadata"]["namespace"], names.REPORT)):
        return AGAIN_SECONDS
    try:
        write = state.api.apply(kind, body)
        if not await state.refusals.attempt(kind, body, write, about=resource.NAMESPACES.header | namespace):
            return AGAIN_SECONDS
    except (ConflictError, NotFoundError):
        # The namespace, or the kind, is deleted.
        return None
    state.reported[namespace["metadata"]["name"]] = state.api.clock.now()
    return None


def _to_report(state: ControllerState, name: str) -> Json | None:
    """Return a namespace that is to have a report; None if it is to have none, or ends."""
    namespace = state.view.object("namespaces", name)
    if namespace is None or "deletionTimestamp" in namespace["metadata"]:
        return None
    judges = state.view.judges_pods(name) or name in state.view.tally.judged.namespaces
    return namespace if judges else None


async def _delete_others(
    state: ControllerState, reports: ObservedReports, namespace: str, written: Resource | None
) -> None:
    """Delete the reports of a namespace, but for the one of the kind that is written."""
    for kind, report in reports.of(namespace).items():
        if kind is not written:
            # If it conflicts, somebody else deleted it.
            with suppress(ConflictError, NotFoundError):
                await state.api.delete(kind, names.REPORT, report.uid, namespace)
    for kind in PREFERENCE:
        if kind is not written:
            state.refusals.forget(kind, (namespace, names.REPORT))


def render(state: ControllerState, verdicts: Verdicts, namespace: str, *, open_reports: bool) -> Json:
    """Return what the report of a namespace should say, without apiVersion and kind."""
    judged = (judged_owner(state, group) for group in state.view.tally.judged.within(namespace))
    return render_report(namespace, judged, lambda policy: answers_of(verdicts, policy), open_reports=open_reports)
