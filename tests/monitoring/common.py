"""Metrics that every process has: set by the code that all of them share."""

import asyncio
import logging
from typing import Any, cast

from sovereign_operator.aio.tasks import keep_running
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.errors import RefusedError
from sovereign_operator.kube.refused_writes import RefusedWrites
from sovereign_operator.kube.unreadable import UnreadableObjects
from sovereign_operator.runtime import metrics
from sovereign_operator.runtime.queue import WorkQueue
from tests.unit.controller.full_server import FullServer


def lead(*, leads: bool) -> None:
    metrics.LEADING.set(leads)


def reconcile(key: Any, *, failures: int = 0) -> None:
    """Handle a key so often that it fails this many times, and then once more."""
    logging.disable()
    remaining = [RuntimeError("the API server does not answer")] * failures

    async def handle(_: Any) -> None:
        if remaining:
            raise remaining.pop()

    async def work() -> None:
        queue: WorkQueue[Any] = WorkQueue(handle)
        for _ in range(failures + 1):
            await queue._attempt(key)  # noqa: SLF001

    asyncio.run(work())


def fail() -> None:
    """Have everything fail that all processes count."""
    metrics.FROZEN.set(1)
    UnreadableObjects("datacentres").note(("", "brest"), "spec.country: not a country")
    failed: list[bool] = []

    async def task() -> None:
        if not failed:
            failed.append(True)
            raise RuntimeError("the watch broke off")

    asyncio.run(keep_running("watch of pods", task))
    error = RefusedError(413, "too large")

    async def refuse() -> None:
        raise error

    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "brest-1", "uid": "uid-of-brest-1"}}
    asyncio.run(RefusedWrites(cast("Any", FullServer(error))).attempt(resource.NODES, node, refuse()))
