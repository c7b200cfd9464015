"""Sharing of equal reads: concurrent callers get one response, and none of them gets an outdated one."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class SharedReads:
    """Each caller gets the result of a read that started after its call.

    Callers that arrive while a read is under way share the next read, since the current one may return older data.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[Any]] = {}
        self._next: dict[Hashable, asyncio.Task[Any]] = {}

    async def read(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return what ``make`` returns. All callers with the same key must pass a ``make`` that reads the same."""
        task: asyncio.Task[T] | None = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._run(key, make, self._running.get(key)))
        # A caller that is cancelled does not cancel the read of the others.
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, make: Callable[[], Awaitable[T]], before: asyncio.Task[Any] | None) -> T:
        if before:
            await asyncio.wait([before])
        task = self._running[key] = self._next.pop(key)
        try:
            return await make()
        finally:
            if self._running.get(key) is task:
                del self._running[key]
