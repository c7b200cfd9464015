"""Running coroutines side by side, in a thread of their own, and again after errors. All processes use it."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final

from prometheus_client import Counter

logger = logging.getLogger(__name__)

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0

TASKS_FAILED: Final = Counter(
    "sovereign_tasks_failed", "How often a background task failed unexpectedly and was restarted. Report it.", ["task"]
)


async def until_first_ends(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until the first of them ends, then cancel the others. Raises what the first raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def in_thread(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in a new thread with its own event loop until it ends. Raises what it raises.

    Cancellation is passed on to the coroutine, and awaits its end.
    """
    outcome: Future[None] = Future()
    stop = asyncio.Event()
    started: Future[asyncio.AbstractEventLoop] = Future()

    async def run() -> None:
        started.set_result(asyncio.get_running_loop())
        await until_first_ends(work(), _wait(stop))

    def thread() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001 - raised in the other thread
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    threading.Thread(target=thread, daemon=True).start()
    ended = asyncio.wrap_future(outcome)
    try:
        await asyncio.shield(ended)
    except asyncio.CancelledError:
        (await asyncio.wrap_future(started)).call_soon_threadsafe(stop.set)
        await ended
        raise


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def keep_running(task: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run a task that should not end. If it fails, log and count the error, and run it again after growing pauses.

    A fault that a single object triggers must not end the task for all other objects. If the task makes no progress at
    all, the liveness probe fails.
    """
    loop = asyncio.get_running_loop()
    pause = FIRST_PAUSE
    while True:
        begun = loop.time()
        try:
            return await run()
        except Exception:
            TASKS_FAILED.labels(task).inc()
            logger.exception("%s failed and is started again", task)
        pause = FIRST_PAUSE if loop.time() - begun > LONGEST_PAUSE else pause
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
