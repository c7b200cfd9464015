"""Coroutines beside each other, and again after errors."""

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
    "sovereign_tasks_failed", "How often a task failed that should not end, and was started again: report it.", ["task"]
)


async def until_first_ends(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until the first of them ends, then end the others. Raises what the first raised."""
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
    """Run a coroutine on an event loop of its own, in a thread, until it ends. Raises what it raises.

    If this is cancelled, so is that, and awaited.
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
    """Run what should not end; report what it fails with, and run it again, with growing pauses.

    A fault that one object brings out must not end what looks after all others. A task that gets nowhere is no longer
    heard of, which liveness probes notice.
    """
    loop = asyncio.get_running_loop()
    pause = FIRST_PAUSE
    while True:
        begun = loop.time()
        try:
            return await run()
        except Exception:
            TASKS_FAILED.labels(task).inc()
            logger.exception("%s failed, and is begun again", task)
        pause = FIRST_PAUSE if loop.time() - begun > LONGEST_PAUSE else pause
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
