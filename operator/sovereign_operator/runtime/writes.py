"""Many writes, of which each may fail."""

import logging
from collections.abc import Awaitable, Iterable

from sovereign_operator.kube.client.errors import ApiError

logger = logging.getLogger(__name__)


async def write_all(writes: Iterable[Awaitable[object]]) -> list[ApiError]:
    """Write all, one after another, and return what went wrong.

    One that is refused must not hold up the others.
    """
    failures = []
    for write in writes:
        try:
            await write
        except ApiError as error:
            logger.warning("not written, all else is: %s", error)
            failures.append(error)
    return failures
