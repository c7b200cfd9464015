"""A queue that forgets nothing: a key is handled by one worker at a time, once more if it changed meanwhile."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from sovereign_operator.controller.queue import WorkQueue
from sovereign_operator.kube.errors import UnavailableError

Handle = Callable[[str], Awaitable[float | None]]


def run(handle: Handle, use: Callable[[WorkQueue[str]], Awaitable[None]], workers: int = 4) -> None:
    """Use a queue while its workers run."""

    async def work() -> None:
        queue = WorkQueue(handle)
        running = asyncio.create_task(queue.run(workers))
        try:
            async with asyncio.timeout(20):
                await use(queue)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(work())


def test_a_key_added_many_times_is_handled_once() -> None:
    handled: Counter[str] = Counter()
    done = asyncio.Event()

    async def handle(key: str) -> None:
        handled[key] += 1
        if key == "last":
            done.set()

    async def use(queue: WorkQueue[str]) -> None:
        for _ in range(100):
            queue.add("a")
        queue.add("last")
        await done.wait()

    run(handle, use, workers=1)
    assert handled == {"a": 1, "last": 1}


def test_a_key_that_changes_while_it_is_handled_is_handled_once_more_and_never_twice_at_once() -> None:
    entered, go_on, again = asyncio.Event(), asyncio.Event(), asyncio.Event()
    busy, runs = 0, 0

    async def handle(_: str) -> None:
        nonlocal busy, runs
        busy, runs = busy + 1, runs + 1
        assert busy == 1
        entered.set()
        await go_on.wait()
        busy -= 1
        if runs == 2:
            again.set()

    async def use(queue: WorkQueue[str]) -> None:
        queue.add("a")
        await entered.wait()
        for _ in range(5):
            queue.add("a")
        go_on.set()
        await again.wait()
        assert not len(queue)

    run(handle, use)
    assert runs == 2


def test_a_failure_of_any_sort_is_tried_again_and_stops_nobody_else() -> None:
    attempts: Counter[str] = Counter()
    done = asyncio.Event()

    async def handle(key: str) -> None:
        attempts[key] += 1
        if key == "api" and attempts[key] == 1:
            raise UnavailableError(503, "not now")
        if key == "bug" and attempts[key] == 1:
            raise ZeroDivisionError
        if attempts["api"] == attempts["bug"] == 2:
            done.set()

    async def use(queue: WorkQueue[str]) -> None:
        queue.add("api")
        queue.add("bug")
        await done.wait()

    run(handle, use)
    assert attempts == {"api": 2, "bug": 2}


def test_a_handler_may_ask_for_its_key_back_and_a_change_comes_sooner() -> None:
    runs = 0
    first, second = asyncio.Event(), asyncio.Event()

    async def handle(_: str) -> float:
        nonlocal runs
        runs += 1
        (first if runs == 1 else second).set()
        return 3600.0

    async def use(queue: WorkQueue[str]) -> None:
        queue.add("a")
        await first.wait()
        queue.add("a")
        await second.wait()

    run(handle, use)
    assert runs == 2
