"""Reads that several ask for at the same time, made once, and live for each of them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class SharedReads:
    """Gives each who asks an answer to a question that was put after they asked, never an older one.

    Whoever asks while a read is under way shares the next one with all others who do.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[Any]] = {}
        self._next: dict[Hashable, asyncio.Task[Any]] = {}

    async def read(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return what ``make`` returns. Whoever asks for the same key must mean the same question."""
        task: asyncio.Task[T] | None = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._run(key, make, self._running.get(key)))
        # One who leaves does not end it for the others.
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
