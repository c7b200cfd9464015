"""What a pod says of itself, which may be no sidecar at all."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sovereign_operator.controller import traffic
from sovereign_operator.controller.traffic import PLAIN, VERSION, Said, read_stats


def stats(**values: Any) -> bytes:
    named = {"version": VERSION, "open": f"{PLAIN}active", "total": f"{PLAIN}total"}
    return json.dumps({"stats": [{"name": named[name], "value": value} for name, value in values.items()]}).encode()


def test_a_sidecar_is_understood() -> None:
    assert read_stats(stats(version="v1", open=2, total=7)) == Said("v1", 2, 7)
    assert read_stats(stats(version="v1")) == Said("v1")


LIES = {
    "more than any number": b'{"stats": [{"name": "cluster.inbound-plain.upstream_cx_active", "value": 1e999}]}',
    "a number of 4,000 digits": stats(open=10**4000),
    "less than none": stats(total=-1),
    "words": stats(open="many"),
    "without end": b"[" * 60_000,
    "nothing": b"",
    "something else": b"[]",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_what_is_no_sidecar_is_no_number(lie: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, OverflowError, RecursionError)):
        read_stats(lie)


WELL = stats(version="v1")


@contextlib.asynccontextmanager
async def answering(
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[], Awaitable[Said]]]:
    """Serve as a pod does, and ask it."""
    application = web.Application()
    application.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    monkeypatch.setattr(traffic, "REDIRECTED_PORT", runner.addresses[0][1])
    async with traffic.asking() as session:
        yield lambda: traffic.ask(session, "127.0.0.1")
    await runner.cleanup()


async def redirect(request: web.Request) -> web.StreamResponse:
    if request.path == "/state":
        raise web.HTTPFound("/elsewhere")
    return web.Response(body=WELL)


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b" " * 10_000)
    return response


async def compressed(_: web.Request) -> web.StreamResponse:
    body = gzip.compress(WELL + b" " * 10**7)
    return web.Response(body=body, headers={"Content-Encoding": "gzip"})


async def failing(_: web.Request) -> web.StreamResponse:
    return web.Response(body=WELL, status=503)


async def in_parts(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for start in range(0, len(WELL), 10):
        await response.write(WELL[start : start + 10])
        await asyncio.sleep(0)
    return response


@pytest.mark.parametrize("handle", [redirect, endless, compressed, failing])
def test_who_leads_elsewhere_or_says_too_much_is_not_heard(
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with answering(handle, monkeypatch) as ask:
            with pytest.raises((ValueError, aiohttp.ClientError)):
                await ask()

    asyncio.run(main())


def test_an_answer_may_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with answering(in_parts, monkeypatch) as ask:
            assert await ask() == Said("v1")

    asyncio.run(main())
