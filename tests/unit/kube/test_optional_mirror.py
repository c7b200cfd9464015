"""A mirror of a kind that not every version of Kubernetes serves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

import pytest

from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import NotFoundError
from sovereign_operator.kube.client.resource import CONFIG_MAPS
from sovereign_operator.kube.mirror import Mirror
from tests.unit import virtual_time

ONE: Json = {"metadata": {"name": "one", "resourceVersion": "7"}}


class Served:
    """A collection that the API server serves at some times."""

    def __init__(self) -> None:
        self.served = False
        self.changed = asyncio.Event()

    async def pages(self, *_: Any) -> AsyncIterator[tuple[list[Json], str]]:
        self._check()
        yield [ONE], "7"

    async def reached(self, *_: Any) -> None:
        self._check()

    async def watch(self, *_: Any) -> AsyncIterator[tuple[str, Json]]:
        await self.changed.wait()
        self.changed.clear()
        self._check()
        yield "BOOKMARK", ONE

    def _check(self) -> None:
        if not self.served:
            raise NotFoundError(404, "the server could not find the requested resource")


@pytest.mark.parametrize("optional", [True, False])
def test_what_is_not_served_is_empty_only_if_it_is_optional(*, optional: bool) -> None:
    async def main() -> None:
        collection, changes = Served(), list[bool]()
        mirror: Mirror[Json] = Mirror(
            cast("Api", collection),
            CONFIG_MAPS,
            lambda obj: obj,
            lambda *_: None,
            optional=optional,
            served_changed=lambda: changes.append(mirror.served),
        )
        task = asyncio.create_task(mirror.run())
        await asyncio.sleep(300)
        assert mirror.synced.is_set() is optional
        # The API server was upgraded.
        collection.served = True
        await asyncio.sleep(300)
        assert [*mirror] == [("", "one")]
        collection.served = False
        collection.changed.set()
        await asyncio.sleep(300)
        assert bool(mirror) is not optional
        assert changes == ([False, True, False] if optional else [])
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    virtual_time.run(main())
