"""One replica's picture of the cluster, and what it remembers of its own writes: what reconcilers are given."""

import asyncio

from sovereign_operator.aio.tasks import keep_running
from sovereign_operator.controller.keys import SovereignWorkloadKey
from sovereign_operator.controller.observed.published import Published
from sovereign_operator.controller.observed.triggers import Queue, Triggers
from sovereign_operator.controller.settings import Settings
from sovereign_operator.core.workload.facts import LastWrite
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.refused_writes import RefusedWrites


class ControllerState:
    """What this replica has seen of the cluster, what it said last, and what it wrote."""

    def __init__(self, api: Api, queue: Queue, settings: Settings) -> None:
        self.api = api
        self.queue = queue
        self.published = Published()
        self.triggers = Triggers(api, queue, settings, self.published)
        self.view = self.triggers.view
        self.mirrors = self.view.mirrors
        self.writes: dict[SovereignWorkloadKey, LastWrite] = {}
        """What this process wrote last into each SovereignWorkload's workload: kopf's copy of the status is older."""
        self.refusals = RefusedWrites(api)
        self.refused: dict[SovereignWorkloadKey, tuple[int, float]] = {}
        """What stands for why one cannot be carried out, and since when that is so, on the loop's clock."""

    async def run(self) -> None:
        """Watch until told to stop."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.mirrors.run())
            if self.view.sidecars:
                group.create_task(keep_running("questions to sidecars", self.view.sidecars.traffic.run))
                group.create_task(self.view.sidecars.services.mirror.run())
