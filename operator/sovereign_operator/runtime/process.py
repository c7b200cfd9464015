"""The base of long-running processes: connects to the API server, serves health and metrics, and stops on SIGTERM.

Controller, signer, injector and agent implement ``Process`` and start with ``run_replica``.
"""

import asyncio
import logging
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from sovereign_operator.aio.tasks import until_first_ends
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.client.lease import LeaseLostError, hand_over, lead
from sovereign_operator.runtime import health
from sovereign_operator.runtime.logs import log_as_json
from sovereign_operator.runtime.replica import Replica
from sovereign_operator.runtime.stopping import until_stopped

logger = logging.getLogger(__name__)


class Process(ABC):
    """One replica of a long-running process."""

    @abstractmethod
    async def run(self) -> None:
        """Do the work of the process. The process ends when this returns or raises."""

    def ailing(self) -> list[str]:
        """Return the names of tasks or mirrors that are stuck. If there are any, /healthz fails."""
        return []

    def unready(self) -> list[str]:
        """Return why no client should send requests to this replica. If there is a reason, /readyz fails."""
        return []

    def serving(self) -> AbstractAsyncContextManager[None]:
        """Serve other ports within the context, besides health and metrics."""
        return nullcontext()

    async def linger(self) -> None:  # noqa: B027 - most processes have nothing left to do
        """Finish after SIGTERM, while all ports are still served."""


def run_replica(replica: Replica, make: Callable[[Api], Process]) -> None:
    """Run one replica until SIGTERM or until its ``run`` ends. Its log is JSON, one object a line.

    When the Lease is lost, or the API server's store was restored from a backup, a new program takes the place of this
    one in the same process, so that two replicas never work at once. If the process ended instead, the kubelet would
    start it again after a pause that doubles each time, up to five minutes: after an hour in which the API server is
    slow, no replica would work for that long.
    """
    log_as_json(replica.log_level)
    try:
        asyncio.run(_run(replica, make))
    except LeaseLostError as error:
        logger.error("%s: starting again: two replicas must never work at once, nor one with outdated objects", error)  # noqa: TRY400 - expected
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - no shell


async def _run(replica: Replica, make: Callable[[Api], Process]) -> None:
    async with await connect() as client:
        process = make(Api(client, ServerClock()))
        async with health.serving(replica.port, process.ailing, process.unready), process.serving():
            if await until_stopped(process.run()):
                await process.linger()


async def leading(
    api: Api,
    lease: str,
    replica: Replica,
    work: Callable[[], Coroutine[Any, Any, None]],
    *beside: Coroutine[Any, Any, None],
) -> None:
    """Run ``work`` while this replica holds the Lease, and the coroutines ``beside`` all the time.

    Returns when any of them ends, after it has released the Lease. Raises what that one raised, and LeaseLostError when
    the Lease is lost.
    """
    held = lead(
        name=lease,
        namespace=replica.namespace,
        identity=replica.identity,
        lease_seconds=replica.lease_seconds,
        work=work,
    )
    try:
        await until_first_ends(held, *beside)
    finally:
        await hand_over(api, name=lease, namespace=replica.namespace, identity=replica.identity)
