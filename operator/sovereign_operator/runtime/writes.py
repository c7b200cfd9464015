"""A batch of independent writes: one that fails does not stop the others."""

import logging
from collections.abc import Awaitable, Iterable

from sovereign_operator.kube.client.errors import ApiError

logger = logging.getLogger(__name__)


async def write_all(writes: Iterable[Awaitable[object]]) -> list[ApiError]:
    """Await all writes, one after another, and return their errors, each of which is also logged."""
    failures = []
    for write in writes:
        try:
            await write
        except ApiError as error:
            logger.warning("an object was not written, all others are: %s", error)
            failures.append(error)
    return failures
