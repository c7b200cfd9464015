"""The controller process: waits for the Lease, then watches, decides and writes until it is stopped."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import assert_never

from sovereign_operator.aio.tasks import until_first_ends
from sovereign_operator.controller.keys import (
    ClusterKey,
    ControllerKey,
    EncryptionKey,
    GuardsKey,
    LabelledWorkloadKey,
    NamespacedKey,
    NamespaceLeftKey,
    NodeLacksKey,
    PodAnnotationsKey,
    PodCountsKey,
    ReportKey,
    SovereignWorkloadKey,
    StatusesKey,
    tenant_of,
)
from sovereign_operator.controller.observed.kopf_watch import listen
from sovereign_operator.controller.reconcile.cluster import reconcile_cluster
from sovereign_operator.controller.reconcile.encryption import keep_encryption
from sovereign_operator.controller.reconcile.guards import reconcile_guards
from sovereign_operator.controller.reconcile.namespace_left import announce_leave
from sovereign_operator.controller.reconcile.node_lacks import tell_lacks
from sovereign_operator.controller.reconcile.nodes import NodeWriter
from sovereign_operator.controller.reconcile.pod_annotations import annotate_pod
from sovereign_operator.controller.reconcile.pod_counts import count_pods, count_processes
from sovereign_operator.controller.reconcile.release import release_abandoned
from sovereign_operator.controller.reconcile.reports import keep_report
from sovereign_operator.controller.reconcile.statuses import write_statuses
from sovereign_operator.controller.reconcile.workload import reconcile_workload
from sovereign_operator.controller.settings import Settings, parse
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.kube.client.api import Api
from sovereign_operator.runtime import metrics
from sovereign_operator.runtime.process import Process, leading, run_replica
from sovereign_operator.runtime.queue import WorkQueue

LEASE = "sovereign-controller"
WORKERS = 8
ROLES_SECONDS = 10.0
"""How long all else waits at most until roles are written: the API server may be slow."""
SHARE = 3
"""The most workers that one namespace occupies: objects that its users filled take the API server long to write."""


class Controller(Process):
    """One replica."""

    def __init__(self, settings: Settings, api: Api) -> None:
        self._settings = settings
        self._api = api
        self._queue: WorkQueue[ControllerKey] = WorkQueue(
            self._handle, tenant_of=tenant_of, first=ClusterKey(), share=SHARE
        )
        self._state = ControllerState(api, self._queue, settings)
        self._nodes = NodeWriter(self._state)
        self._leading = False

    def ailing(self) -> list[str]:
        """Name what is stuck."""
        stalled = self._state.mirrors.stalled if self._leading else []
        return [f"no event or list of {name} for too long" for name in stalled]

    async def run(self) -> None:
        """Wait for the Lease, then work until the Lease is lost or a task ends."""
        await leading(self._api, LEASE, self._settings.replica, self._work)

    async def _work(self) -> None:
        self._leading = True
        metrics.LEADING.set(1)
        await until_first_ends(self._background(), listen(self._api, self._state.triggers))

    async def _background(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._state.run())
            group.create_task(self._queue.run(WORKERS))
            group.create_task(self._nodes.run())

    async def _handle(self, key: ControllerKey) -> float | None:
        # Before every mirror is listed, an object that was not read yet looks as if it were deleted.
        await self._state.mirrors.until_complete()
        if key != ClusterKey():
            with suppress(TimeoutError):
                async with asyncio.timeout(ROLES_SECONDS):
                    await self._state.published.roles_done.wait()
        delay = None
        match key:
            case ClusterKey():
                delay = await reconcile_cluster(self._state, self._nodes, self._settings.replica.namespace)
            case StatusesKey():
                delay = await write_statuses(self._state)
            case EncryptionKey():
                delay = await keep_encryption(self._state, key)
            case GuardsKey():
                delay = await reconcile_guards(self._state)
            case PodCountsKey():
                count_pods(self._state)
                count_processes(self._state)
            case NamespaceLeftKey():
                await announce_leave(self._state, key)
            case NodeLacksKey():
                await tell_lacks(self._state, key)
            case _:
                delay = await self._handle_in_namespace(key)
        return delay

    async def _handle_in_namespace(self, key: NamespacedKey) -> float | None:
        delay = None
        match key:
            case SovereignWorkloadKey():
                delay = await reconcile_workload(self._state, key)
            case LabelledWorkloadKey():
                await release_abandoned(self._state, key)
            case PodAnnotationsKey():
                delay = await annotate_pod(self._state, key)
            case ReportKey():
                delay = await keep_report(self._state, key)
            case _:
                assert_never(key)
        return delay


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the controller."""
    settings = parse(arguments)
    if settings.replica.log_level != "debug":
        # kopf logs each event that it hands over.
        logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    run_replica(settings.replica, partial(Controller, settings))


if __name__ == "__main__":
    main()
