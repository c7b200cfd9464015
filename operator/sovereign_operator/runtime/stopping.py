"""How a process of ours is told to stop."""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger(__name__)


async def until_stopped(work: Coroutine[Any, Any, None]) -> bool:
    """Do some work until it ends, or until SIGTERM cancels it. Return whether it was cancelled.

    The work cleans up once it is cancelled: a second SIGTERM does not cut that short.
    """
    working = asyncio.create_task(work)

    def stop() -> None:
        if not working.cancelling():
            working.cancel()

    # As the first process of a container we would otherwise ignore the signal. kopf has handlers of its own while it
    # runs.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    try:
        await working
    except asyncio.CancelledError:
        logger.info("told to stop")
        return True
    return False
