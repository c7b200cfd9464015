"""A stand-in for an API server with the objects of one collection, and a mirror of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

from sovereign_operator.kube.client.api import WATCH_SECONDS, Api, Json
from sovereign_operator.kube.client.errors import AheadError, UnavailableError
from sovereign_operator.kube.client.resource import CONFIG_MAPS
from sovereign_operator.kube.mirror import Mirror


def obj(name: str, version: int) -> Json:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


class Store:
    """What an API server has stored. Each change is an event.

    A watch ends after ``silence``, in seconds, if nothing happens.
    """

    def __init__(self, silence: float = WATCH_SECONDS) -> None:
        self._silence = silence
        self.objects: dict[str, int] = {}
        self.version, self.lists = 0, 0
        self.up, self.answers = True, 0
        self._changed = asyncio.Condition()
        self._history: list[tuple[int, str, str]] = []

    async def write(self, name: str, *, gone: bool = False) -> None:
        """Write or delete an object."""
        self.version += 1
        if gone:
            del self.objects[name]
        else:
            self.objects[name] = self.version
        self._history.append((self.version, "DELETED" if gone else "ADDED", name))
        await self._wake()

    async def end(self) -> None:
        """Stop answering."""
        self.up = False
        await self._wake()

    async def restore(self, version: int, objects: dict[str, int]) -> None:
        """Answer again, from a backup."""
        self.version, self.objects, self.up = version, dict(objects), True
        self._history = [entry for entry in self._history if entry[0] <= version]

    async def pages(self, *_: Any) -> AsyncIterator[tuple[list[Json], str]]:
        self._check()
        self.lists += 1
        yield [obj(name, version) for name, version in self.objects.items()], str(self.version)

    async def reached(self, _resource: object, version: str, *_: Any) -> None:
        self._check()
        self.answers += 1
        if int(version) > self.version:
            raise AheadError(504, f"Too large resource version: {version}, current: {self.version}")

    async def watch(self, _resource: object, version: str, *_: Any) -> AsyncIterator[tuple[str, Json]]:
        self._check()
        sent, until = int(version), asyncio.get_running_loop().time() + self._silence
        while (left := until - asyncio.get_running_loop().time()) > 0:
            for number, kind, name in [entry for entry in self._history if entry[0] > sent]:
                sent = number
                yield kind, obj(name, number)
            async with self._changed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._changed.wait()
            self._check()

    def _check(self) -> None:
        if not self.up:
            raise UnavailableError(0, "the API server does not answer")

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def mirrored(store: Store) -> tuple[Mirror[Json], asyncio.Task[None]]:
    mirror: Mirror[Json] = Mirror(cast("Api", store), CONFIG_MAPS, lambda found: found, lambda *_: None)
    task = asyncio.create_task(mirror.run())
    await mirror.synced.wait()
    return mirror, task


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
