"""Graceful stop on SIGTERM, for long-running processes and Jobs."""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger(__name__)


async def until_stopped(work: Coroutine[Any, Any, None]) -> bool:
    """Run the work until it ends, or until SIGTERM cancels it. Return whether it was cancelled.

    The work cleans up when it is cancelled. A second SIGTERM does not interrupt the cleanup.
    """
    working = asyncio.create_task(work)

    def stop() -> None:
        if not working.cancelling():
            working.cancel()

    # The kernel ignores SIGTERM for the first process of a container unless it has a handler. While kopf runs, its own
    # handlers replace this one.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    try:
        await working
    except asyncio.CancelledError:
        logger.info("received SIGTERM: stopping")
        return True
    return False
