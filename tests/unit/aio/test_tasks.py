"""A coroutine in a thread proceeds while the other event loop is blocked."""

import asyncio
import threading

import pytest

from sovereign_operator.aio.tasks import in_thread


def test_what_is_in_a_thread_goes_on_while_the_loop_is_held_up() -> None:
    begun, went_on = threading.Event(), threading.Event()

    async def beside() -> None:
        begun.set()
        for _ in range(3):
            await asyncio.sleep(0)
        went_on.set()

    async def main() -> None:
        running = asyncio.create_task(in_thread(beside))
        await asyncio.sleep(0)
        # This blocks the loop, so no other task on it runs meanwhile.
        assert begun.wait(10)
        assert went_on.wait(10)
        await running

    asyncio.run(main())


def test_what_it_raises_is_raised() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(fail))


def test_when_it_is_cancelled_the_thread_ends_first() -> None:
    begun, cleaned = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async def main() -> None:
        running = asyncio.create_task(in_thread(wait))
        await asyncio.to_thread(begun.wait, 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert cleaned.is_set()

    asyncio.run(main())
