"""The controller process: waits for the Lease, then watches, decides and writes until it is told to stop."""

import asyncio
import logging
from collections.abc import Sequence
from typing import assert_never

from sovereign_operator.aio.tasks import until_first_ends
from sovereign_operator.controller.keys import (
    Cluster,
    Encryption,
    Guarded,
    Key,
    Labelled,
    Left,
    PodCounts,
    PodMarks,
    Sovereign,
    Statuses,
    tenant_of,
)
from sovereign_operator.controller.observed.kopf_watch import listen
from sovereign_operator.controller.reconcile.cluster import reconcile_cluster, write_statuses
from sovereign_operator.controller.reconcile.encryption import keep_encryption
from sovereign_operator.controller.reconcile.nodes import NodeWriter
from sovereign_operator.controller.reconcile.pod_annotations import count_pods, count_processes, mark_pod, tell_left
from sovereign_operator.controller.reconcile.workload import reconcile_sovereign, release_abandoned
from sovereign_operator.controller.settings import Settings, parse
from sovereign_operator.controller.world import World
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.client.lease import hand_over, lead
from sovereign_operator.runtime import health, metrics
from sovereign_operator.runtime.queue import WorkQueue
from sovereign_operator.runtime.replica import log_as_json
from sovereign_operator.runtime.stopping import until_stopped

LEASE = "sovereign-controller"
WORKERS = 8
SHARE = 3
"""How many of these a namespace takes at most: what it fills takes the API server long to write."""


class Controller:
    """One replica."""

    def __init__(self, settings: Settings, api: Api) -> None:
        self._settings = settings
        self._queue: WorkQueue[Key] = WorkQueue(self._handle, tenant_of=tenant_of, first=Cluster(), share=SHARE)
        self._world = World(api, self._queue, settings)
        self._nodes = NodeWriter(self._world)
        self._leading = False

    def ailing(self) -> list[str]:
        """Name what is stuck."""
        return [f"nothing heard of {name}" for name in self._world.mirrors.stalled] if self._leading else []

    async def work(self) -> None:
        """Do everything, until kopf is told to stop."""
        self._leading = True
        metrics.LEADING.set(1)
        await until_first_ends(self._background(), listen(self._world.api, self._world.triggers))

    async def _background(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._world.run())
            group.create_task(self._queue.run(WORKERS))
            group.create_task(self._nodes.run())

    async def _handle(self, key: Key) -> float | None:
        # On half a picture, what was not listed yet looks as if it were gone.
        await self._world.mirrors.until_complete()
        match key:
            case Cluster():
                return await reconcile_cluster(self._world, self._nodes, self._settings.replica.namespace)
            case Statuses():
                return await write_statuses(self._world)
            case Sovereign():
                return await reconcile_sovereign(self._world, key)
            case Labelled():
                await release_abandoned(self._world, key)
            case PodMarks():
                await mark_pod(self._world, key)
            case Left():
                await tell_left(self._world, key)
            case Encryption():
                return await keep_encryption(self._world, key)
            case Guarded():
                return await self._world.view.guards.look()
            case PodCounts():
                count_pods(self._world)
                count_processes(self._world)
            case _:
                assert_never(key)
        return None


async def run(settings: Settings) -> None:
    """Run one replica until it is stopped or loses the Lease."""
    async with await connect() as client:
        api = Api(client, ServerClock())
        controller = Controller(settings, api)
        leading = lead(
            name=LEASE,
            namespace=settings.replica.namespace,
            identity=settings.replica.identity,
            lease_seconds=settings.replica.lease_seconds,
            work=controller.work,
        )
        async with health.serving(settings.replica.port, controller.ailing):
            try:
                await until_stopped(leading)
            finally:
                await hand_over(
                    api, name=LEASE, namespace=settings.replica.namespace, identity=settings.replica.identity
                )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the controller. Its log is JSON, one object a line."""
    settings = parse(arguments)
    log_as_json(settings.replica.log_level)
    if settings.replica.log_level != "debug":
        # kopf reports each event that it handed to us.
        logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    asyncio.run(run(settings))


if __name__ == "__main__":
    main()
