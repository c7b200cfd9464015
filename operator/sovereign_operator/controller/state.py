"""The state of one controller replica, which each reconciler gets: the observed cluster, and its own last writes."""

import asyncio
from datetime import datetime

from sovereign_operator.aio.tasks import keep_running
from sovereign_operator.controller.keys import SovereignWorkloadKey
from sovereign_operator.controller.observed.adding import Queue
from sovereign_operator.controller.observed.published import Published
from sovereign_operator.controller.observed.triggers import Triggers
from sovereign_operator.controller.settings import Settings
from sovereign_operator.core.report.posted_events import PostedEvents
from sovereign_operator.core.workload.facts import LastWrite
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.refused_writes import RefusedWrites


class ControllerState:
    """What this replica has observed, decided last, and written."""

    def __init__(self, api: Api, queue: Queue, settings: Settings) -> None:
        self.api = api
        self.settings = settings
        self.queue = queue
        self.published = Published()
        self.triggers = Triggers(api, queue, settings, self.published)
        self.view = self.triggers.view
        self.mirrors = self.view.mirrors
        self.writes: dict[SovereignWorkloadKey, LastWrite] = {}
        """The last write to the workload of each SovereignWorkload. kopf's copy of the status may be older."""
        self.refusals = RefusedWrites(api)
        self.reported: dict[str, datetime] = {}
        """By namespace, when its report was last written, by the API server's clock."""
        self.waiting_events = PostedEvents()
        """Which pods that wait for a node have an Event about their policy."""
        self.lack_events = PostedEvents()
        """Which pods that wait on a node have an Event about what the node lacks."""
        self.refusal_events = PostedEvents()
        """Which pods have an Event about their sidecar, which refuses connections."""
        self.refused: dict[SovereignWorkloadKey, tuple[int, float]] = {}
        """By SovereignWorkload that is refused: the hash of the reason, and since when, on the loop's clock."""

    async def run(self) -> None:
        """Keep mirrors and sidecar polls going until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.mirrors.run())
            if self.view.sidecars:
                group.create_task(keep_running("polls of sidecars", self.view.sidecars.polling.run))
                group.create_task(self.view.sidecars.services.mirror.run())
                for mirror in self.view.sidecars.obstacles.mirrors:
                    group.create_task(mirror.run())
