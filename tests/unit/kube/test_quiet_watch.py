"""A collection in which nothing happens, on an API server that sends no bookmarks about it.

API servers of Kubernetes 1.33 send none until the first change of the collection.
"""

import asyncio
import logging
from types import SimpleNamespace

import pytest
from aiohttp import web

from sovereign_operator.kube import mirror as kube_mirror
from sovereign_operator.kube.client import api
from sovereign_operator.kube.client.resource import CONFIG_MAPS
from sovereign_operator.kube.mirror import STALLED_SECONDS, stalled
from tests.unit import virtual_time
from tests.unit.kube.stored import Store, ended, mirrored
from tests.unit.servers import api_of


def test_a_watch_that_receives_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "SILENCE_SECONDS", 0.2)

    async def main() -> None:
        over = asyncio.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await over.wait()
            return response

        async with api_of(web.get("/api/v1/configmaps", answer)) as watching:
            try:
                assert [event async for event in watching.watch(CONFIG_MAPS, "7")] == []
            finally:
                over.set()

    asyncio.run(main())


def test_its_mirror_is_not_stuck_warns_of_nothing_and_sees_the_first_change_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        monkeypatch.setattr(kube_mirror, "time", SimpleNamespace(monotonic=asyncio.get_running_loop().time))
        store = Store(silence=api.SILENCE_SECONDS)
        mirror, task = await mirrored(store)
        for _ in range(10):
            await asyncio.sleep(STALLED_SECONDS)
            assert stalled([mirror]) == []
        for number in range(10):
            await asyncio.sleep(api.SILENCE_SECONDS)
            await store.write(f"new-{number}")
            await asyncio.sleep(0.1)
            assert ("", f"new-{number}") in mirror
        await ended(task)

    caplog.set_level(logging.INFO)
    virtual_time.run(main())
    assert not caplog.records


def test_a_mirror_whose_api_server_does_not_answer_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(kube_mirror, "time", SimpleNamespace(monotonic=asyncio.get_running_loop().time))
        store = Store()
        mirror, task = await mirrored(store)
        await store.end()
        await asyncio.sleep(STALLED_SECONDS + 1)
        assert stalled([mirror]) == ["configmaps"]
        await ended(task)

    virtual_time.run(main())
