"""Compares the admission policies and webhooks (guards) with what the chart installed, and reports what differs.

Each finding is reported once, in the log and by an Event about the controller's Deployment, even if the guard was
restored before the controller read it.
"""

import logging
from typing import Final

from sovereign_operator.controller import metrics
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.admission.guards import GuardFinding, inspect, inspect_one
from sovereign_operator.core.placement.calendar import seconds_past
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.events import post
from sovereign_operator.kube.objects.guard import read_deployment, read_versions

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 60.0
"""How often to compare again while something is wrong: no watch reports that a list of guards is there again."""


async def reconcile_guards(state: ControllerState) -> float | None:
    """Compare all guards with what the chart installed. Return in how many seconds to compare again."""
    guards = state.view.guards
    # The lists first: the list of a version is deleted after the last of its guards.
    deployment = await read_deployment(state.api, guards.namespace)
    versions = await read_versions(state.api, guards.namespace, guards.digest, deployment, installed=guards.installed)
    guards.installed = versions.own
    findings, before = inspect(versions, guards.live()), guards.findings
    passing = [inspect_one(versions, key, guard) for key, guard in guards.take_changes()]
    guards.replace_findings(findings)
    metrics.GUARDS_BROKEN.set(len(guards.broken))
    metrics.GUARDS_DRIFTED.set(len(findings) - len(guards.broken))
    if before and not findings:
        logger.info("all guards are again what the chart installed")
    for finding in sorted({found for found in (*findings, *passing) if found} - {*(before or ())}):
        await _report(state.api, finding, deployment)
    if findings:
        return RETRY_SECONDS
    until, now = versions.allowed_until, versions.now
    return seconds_past(until, now) if until > now else None


async def _report(api: Api, finding: GuardFinding, deployment: Json | None) -> None:
    fields = {"guard": f"{finding.kind} {finding.name}", "writer": finding.writer, "mend": finding.mend}
    logger.error(finding.notice.message, extra=fields)
    if deployment:
        await post(api, deployment, finding.notice)
