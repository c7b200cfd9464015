"""A batch of independent writes: one that fails does not stop the others."""

import asyncio
import logging
from collections.abc import Awaitable, Iterable

from sovereign_operator.kube.client.errors import ApiError

logger = logging.getLogger(__name__)


async def write_all(writes: Iterable[Awaitable[object]], *, at_once: int = 1) -> list[ApiError]:
    """Await all writes, this many at once, and return their errors, each of which is also logged."""
    failures: list[ApiError] = []
    waiting = iter(writes)

    async def write_some() -> None:
        for write in waiting:
            try:
                await write
            except ApiError as error:
                logger.warning("an object was not written, all others are: %s", error)
                failures.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(write_some())
    return failures
