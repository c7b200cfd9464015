"""A queue with its workers, on a clock that jumps."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sovereign_operator.runtime.queue import WorkQueue
from tests.unit import virtual_time

Handle = Callable[[str], Awaitable[float | None]]


def run(handle: Handle, use: Callable[[WorkQueue[str]], Awaitable[None]], workers: int = 4, **options: Any) -> None:
    """Use a queue while its workers run. The clock jumps when all of them wait."""

    async def work() -> None:
        queue: WorkQueue[str] = WorkQueue(handle, **options)
        running = asyncio.create_task(queue.run(workers))
        try:
            await use(queue)
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    virtual_time.run(work())
