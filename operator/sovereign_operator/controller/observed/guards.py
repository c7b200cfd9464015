"""Whether the admission policies and webhooks (guards) are what the chart installed, and the reports if they are not.

Each finding is reported once, in the log and by an Event about the controller's Deployment, even if the guard was
restored before the controller read it.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from sovereign_operator.controller import metrics
from sovereign_operator.core import names
from sovereign_operator.core.admission.guards import (
    Guard,
    GuardFinding,
    GuardKey,
    Guards,
    Versions,
    broken,
    inspect,
    inspect_one,
)
from sovereign_operator.core.placement.calendar import seconds_past
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.events import post
from sovereign_operator.kube.mirror import Mirror
from sovereign_operator.kube.objects.guard import (
    created,
    last_write,
    read_deployment,
    read_lists,
    read_published,
    see_guard,
)
from sovereign_operator.kube.objects.worst import worst_guard

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 60.0
"""How often to compare again while something is wrong: no watch reports that a list of guards is there again."""

LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class GuardWatch:
    """Watches all guards, and keeps the findings about them."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        digest: str,
        *,
        changed: Callable[[], None],
        findings_changed: Callable[[], None],
    ) -> None:
        self._api, self._namespace, self._digest = api, namespace, digest
        self._changed, self._findings_changed = changed, findings_changed
        self._own: Guards | None = None
        self._changed_guards: list[tuple[GuardKey, Guard | None]] = []
        """The guards that were changed since the last comparison, and what they became."""
        self.mirrors = {
            kind: Mirror(
                api,
                guarded,
                see_guard,
                lambda key, old, new, kind=kind: self._take((kind, key[1]), old, new),  # type: ignore[misc]
                worst=worst_guard,
                label_selector=names.GUARD_SELECTOR,
            )
            for kind, guarded in resource.ADMISSION.items()
        }
        self.findings: tuple[GuardFinding, ...] | None = None
        """What is wrong; None before the first comparison."""

    @property
    def broken(self) -> tuple[str, ...]:
        """Return the names of the guards that do not enforce what they should."""
        return broken(self.findings or ())

    def _take(self, key: GuardKey, old: Guard | None, new: Guard | None) -> None:
        if old:
            self._changed_guards.append((key, new))
        self._changed()

    async def compare(self) -> float | None:
        """Compare all guards with what the chart installed. Return in how many seconds to compare again."""
        # The lists first: the list of a version is deleted after the last of its guards.
        deployment = await read_deployment(self._api, self._namespace)
        versions = await self._read_versions(deployment)
        live = {(kind, name): guard for kind, mirror in self.mirrors.items() for (_, name), guard in mirror.items()}
        findings = inspect(versions, live)
        passing = [inspect_one(versions, key, guard) for key, guard in self._changed_guards]
        self._changed_guards.clear()
        before, self.findings = self.findings, findings
        metrics.GUARDS_BROKEN.set(len(self.broken))
        metrics.GUARDS_DRIFTED.set(len(findings) - len(self.broken))
        if findings != before:
            self._findings_changed()
        if before and not findings:
            logger.info("all guards are again what the chart installed")
        for finding in sorted({found for found in (*findings, *passing) if found} - {*(before or ())}):
            await self._report(finding, deployment)
        if findings:
            return RETRY_SECONDS
        until, now = versions.allowed_until, versions.now
        return seconds_past(until, now) if until > now else None

    async def _read_versions(self, deployment: Json | None) -> Versions:
        lists = await read_lists(self._api, self._namespace)
        self._own = lists.pop(self._digest, self._own)
        return Versions(
            name=names.guards_config_map(self._digest),
            own=self._own,
            others=tuple(lists.values()),
            installed=created(deployment) if deployment else LONG_AGO,
            changed=last_write(deployment)[1] if deployment else LONG_AGO,
            now=self._api.clock.now(),
            published=await read_published(self._api, self._namespace),
        )

    async def _report(self, finding: GuardFinding, deployment: Json | None) -> None:
        fields = {"guard": f"{finding.kind} {finding.name}", "writer": finding.writer, "mend": finding.mend}
        logger.error(finding.notice.message, extra=fields)
        if deployment:
            await post(self._api, deployment, finding.notice)
