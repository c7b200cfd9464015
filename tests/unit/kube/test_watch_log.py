"""How broken watches are logged: only a watch that repeatedly makes no progress causes a warning."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

import pytest

from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import UnavailableError
from sovereign_operator.kube.client.resource import CONFIG_MAPS
from sovereign_operator.kube.mirror import Mirror
from tests.unit import virtual_time

BROKEN = UnavailableError(0, "the watch of configmaps broke off: ServerDisconnectedError()")


class Idle:
    """A collection without changes: each watch sends a bookmark or nothing, and then ends or breaks off."""

    def __init__(self, *watches: str) -> None:
        self._watches = iter(watches)
        self.done = asyncio.Event()

    async def pages(self, *_: Any) -> AsyncIterator[tuple[list[Json], str]]:
        yield [], "7"

    async def reached(self, *_: Any) -> None:
        pass

    async def watch(self, *_: Any) -> AsyncIterator[tuple[str, Json]]:
        found = next(self._watches, "")
        if "bookmark" in found:
            yield "BOOKMARK", {"metadata": {"resourceVersion": "8"}}
        if "break" in found:
            raise BROKEN
        if not found:
            self.done.set()
            await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("watches", "levels"),
    [
        (["break"], ["INFO"]),
        (["bookmark and break"] * 3, ["INFO"] * 3),
        (["break", "end", "break"], ["INFO"] * 2),
        (["break"] * 3, ["INFO", "WARNING", "WARNING"]),
        (["break", "break", "bookmark and break"], ["INFO", "WARNING", "INFO"]),
    ],
)
def test_a_watch_that_breaks_off_is_warned_of_if_the_next_one_hears_nothing_either(
    caplog: pytest.LogCaptureFixture, watches: list[str], levels: list[str]
) -> None:
    async def main() -> None:
        collection = Idle(*watches)
        task = asyncio.create_task(Mirror(cast("Api", collection), CONFIG_MAPS, lambda obj: obj, lambda *_: None).run())
        await collection.done.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    caplog.set_level(logging.INFO)
    virtual_time.run(main())
    assert [record.levelname for record in caplog.records if "broke off" in record.message] == levels
