"""The shape of a process that runs until it is told to stop: what it watches and does, and how it shows itself."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from sovereign_operator.aio.tasks import until_first_ends
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.client.lease import hand_over, lead
from sovereign_operator.runtime import health
from sovereign_operator.runtime.replica import Replica, log_as_json
from sovereign_operator.runtime.stopping import until_stopped


class Process(ABC):
    """One replica."""

    @abstractmethod
    async def run(self) -> None:
        """Do everything, until something ends, which ends the process."""

    def ailing(self) -> list[str]:
        """Name what is stuck. Anything makes /healthz fail."""
        return []

    def unready(self) -> list[str]:
        """Say why nobody should ask this replica. Anything makes /readyz fail."""
        return []

    def serving(self) -> AbstractAsyncContextManager[None]:
        """Serve meanwhile what others ask, besides health and metrics."""
        return nullcontext()

    async def linger(self) -> None:  # noqa: B027 - most processes have nothing left to do
        """Do what is left to do once the process was told to stop, while it still serves."""


def run_replica(replica: Replica, make: Callable[[Api], Process]) -> None:
    """Run one replica until it is stopped or something ends. Its log is JSON, one object a line."""
    log_as_json(replica.log_level)
    asyncio.run(_run(replica, make))


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
    """Work while this replica holds a Lease, and do what is ``beside`` in any case. Hand the Lease over in the end.

    Ends when the Lease is lost, or anything ends.
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
