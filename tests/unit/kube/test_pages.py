"""When a user fills objects, no process holds many of them in memory at once."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.paging import PAGE_BYTES
from sovereign_operator.kube.client.resource import CONFIG_MAPS
from sovereign_operator.kube.mirror import Mirror
from tests.unit.servers import api_of

MIB = 2**20
NUMBER = 40


@asynccontextmanager
async def listing(sizes: list[int], asked: list[tuple[int, int]]) -> AsyncIterator[Api]:
    """Query a server that lists ConfigMaps with this many `<`, each of which API servers write as six bytes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        begin, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        end = min(begin + limit, len(sizes))
        asked.append((begin, limit))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"items":[')
        for number in range(begin, end):
            comma = "," if number > begin else ""
            await response.write(f'{comma}{{"metadata":{{"name":"{number}"}},"data":{{"x":"'.encode())
            left = sizes[number]
            while left:
                part = min(left, 8192)
                await response.write(b"\\u003c" * part)
                left -= part
            await response.write(b'"}}')
        metadata = {"resourceVersion": "7"} | ({"continue": str(end)} if end < len(sizes) else {})
        await response.write(f'],"metadata":{json.dumps(metadata)}}}'.encode())
        return response

    async with api_of(web.get("/api/v1/configmaps", answer)) as api:
        yield api


async def names_listed(sizes: list[int], asked: list[tuple[int, int]]) -> list[str]:
    async with listing(sizes, asked) as api:
        return [obj["metadata"]["name"] async for page, _ in api.pages(CONFIG_MAPS) for obj in page]


def test_small_objects_come_a_hundred_at_a_time() -> None:
    asked: list[tuple[int, int]] = []
    assert asyncio.run(names_listed([10] * 250, asked)) == [str(number) for number in range(250)]
    assert asked == [(0, 100), (100, 100), (200, 100)]


@pytest.mark.parametrize("sizes", [[MIB] * 5, [10] * 99 + [MIB] * 2 + [10] * 99, [PAGE_BYTES // 12] * 9])
def test_each_object_is_listed_once_however_large_others_are(sizes: list[int]) -> None:
    assert asyncio.run(names_listed(sizes, [])) == [str(number) for number in range(len(sizes))]


def test_lists_of_large_objects_are_never_held_whole() -> None:
    """Two mirrors list at once, because a process starts many."""

    async def run() -> int:
        async with listing([MIB] * NUMBER, []) as api:
            mirrors = [Mirror(api, CONFIG_MAPS, lambda obj: len(obj["data"]["x"]), lambda *_: None) for _ in range(2)]
            tracemalloc.start()
            tasks = [asyncio.create_task(mirror.run()) for mirror in mirrors]
            for mirror in mirrors:
                await asyncio.wait_for(mirror.synced.wait(), 120)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            for task in tasks:
                task.cancel()
            assert [sorted(mirror.values()) for mirror in mirrors] == [[MIB] * NUMBER] * 2
            return peak

    assert asyncio.run(run()) < 50 * MIB
