"""Many writes, of which each may fail."""

import asyncio
import logging
from collections.abc import Awaitable, Iterable

from sovereign_operator.kube.errors import ApiError

logger = logging.getLogger(__name__)


async def write_all(writes: Iterable[Awaitable[object]], *, at_once: int = 1) -> list[ApiError]:
    """Write all, so many at once, each begun in the order given, and return what went wrong.

    Whoever can spoil one object, as a kubelet its own node, must not hold up the others.
    """
    failures = []
    waiting = iter(writes)

    async def work() -> None:
        for write in waiting:
            try:
                await write
            except ApiError as error:
                logger.warning("not written, all else is: %s", error)
                failures.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    return failures
