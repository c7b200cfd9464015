"""How the controller polls a sidecar's statistics; any other program in the pod may answer instead."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sovereign_operator.controller import metrics
from sovereign_operator.controller.observed import sidecar_polling as polling
from sovereign_operator.controller.observed.sidecar_polling import PLAIN, VERSION, SidecarStats, read_stats
from sovereign_operator.kube.objects.pod import see_pod
from tests.builders import NOW
from tests.unit.controller.objects import pod
from tests.unit.servers import serving


def stats(**values: Any) -> bytes:
    named = {"version": VERSION, "open": f"{PLAIN}active", "total": f"{PLAIN}total"}
    return json.dumps({"stats": [{"name": named[name], "value": value} for name, value in values.items()]}).encode()


def test_a_sidecar_is_understood() -> None:
    assert read_stats(stats(version="v1", open=2, total=7)) == SidecarStats("v1", 2, 7)
    assert read_stats(stats(version="v1")) == SidecarStats("v1")


ANSWERS = {
    "an earlier version": ({}, None),
    "none": ({"listener.[__]_15001.downstream_cx_overflow": 0}, 0),
    "for every reason": (
        {
            "listener.[__]_15006.downstream_cx_overflow": 1,
            "listener.[__]_15001.downstream_global_cx_overflow": 20,
            "listener.0.0.0.0_15006.downstream_cx_overload_reject": 300,
            "overload.envoy.load_shed_points.tcp_proxy_on_data.shed_load_count": 4000,
        },
        4321,
    ),
    "more than a number holds": (dict.fromkeys((f"listener.{n}.downstream_cx_overflow" for n in "ab"), 2**53), 2**53),
}


@pytest.mark.parametrize(("counts", "refused"), ANSWERS.values(), ids=ANSWERS)
def test_a_sidecar_says_how_many_connections_it_refused(counts: dict[str, int], refused: int | None) -> None:
    listed = [{"name": VERSION, "value": "v1"}, *({"name": name, "value": value} for name, value in counts.items())]
    assert read_stats(json.dumps({"stats": listed}).encode()) == SidecarStats("v1", refused=refused)


GROWTH = [(None, 7, 0), (7, None, 0), (None, None, 0), (3, 3, 0), (3, 7, 4), (7, 3, 3), (7, 0, 0)]


@pytest.mark.parametrize(("before", "now", "grown"), GROWTH)
def test_what_a_sidecar_counted_before_its_first_answer_and_before_it_started_again(
    before: int | None, now: int | None, grown: int
) -> None:
    assert polling.growth(before, now) == grown


@pytest.mark.parametrize(
    ("answers", "counted"),
    [
        ([40, 42, 42, 42], 2),
        # A metric that had all of it would count no further refusal of any pod.
        ([0, 2**53, 2**53, 2**53], 1_000_000),
    ],
)
def test_refusals_are_noted_and_counted_once(monkeypatch: pytest.MonkeyPatch, answers: list[int], counted: int) -> None:
    """Otherwise each poll would have the policy reconciled."""
    seen, left = see_pod(pod("full") | {"status": {"podIPs": [{"ip": "127.0.0.1"}]}}), iter(answers)
    changes: list[datetime | None] = []

    async def handle(_: web.Request) -> web.StreamResponse:
        count = {"name": "listener.[__]_15006.downstream_cx_overflow", "value": next(left)}
        return web.Response(body=json.dumps({"stats": [{"name": VERSION, "value": "v1"}, count]}))

    async def main() -> None:
        poller = polling.SidecarPolling(
            lambda: NOW, lambda: [seen], lambda _: changes.append(poller.stats(seen).refused_seen), lambda _: ""
        )
        async with answering(handle, monkeypatch), polling.polling_session() as session:
            for _ in answers:
                await poller._poll(session, asyncio.Semaphore(), seen)  # noqa: SLF001 - one poll at a time
        assert poller.stats(seen) == SidecarStats("v1", refused=answers[-1], refused_seen=NOW)

    count = metrics.CONNECTIONS_REFUSED.labels(seen.transit)
    before = count._value.get()  # noqa: SLF001
    asyncio.run(main())
    assert changes == [None, NOW]
    assert count._value.get() - before == counted  # noqa: SLF001


LIES = {
    "fewer than none refused": b'{"stats": [{"name": "listener.x.downstream_cx_overflow", "value": -1}]}',
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
) -> AsyncIterator[Callable[[], Awaitable[SidecarStats]]]:
    """Serve as a pod does, and yield a function that polls it."""
    async with serving(web.get("/{path:.*}", handle)) as server, polling.polling_session() as session:
        monkeypatch.setattr(polling, "REDIRECTED_PORT", int(server.rpartition(":")[2]))
        yield lambda: polling.poll(session, "127.0.0.1")


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


COMPRESSED = gzip.compress(WELL + b" " * 10**7, compresslevel=1)
"""Made beforehand: the time limit of a poll must not end while the test compresses."""


async def compressed(_: web.Request) -> web.StreamResponse:
    return web.Response(body=COMPRESSED, headers={"Content-Encoding": "gzip"})


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


def test_each_question_has_a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that a Service once diverted would stay diverted while it is reused, even without the Service."""
    peers: set[Any] = set()

    async def note(request: web.Request) -> web.StreamResponse:
        assert request.transport
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(body=WELL)

    async def main() -> None:
        async with answering(note, monkeypatch) as ask:
            for _ in range(3):
                await ask()

    asyncio.run(main())
    assert len(peers) == 3


@pytest.mark.parametrize("when", ["before", "meanwhile", "never"])
def test_who_claims_its_address_is_not_heard_in_its_place(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    claimed, asked = {"tenant-b/ext"} if when == "before" else set(), []
    seen = see_pod(pod("tenant-a") | {"status": {"podIPs": [{"ip": "127.0.0.1"}]}})

    async def forge(_: web.Request) -> web.StreamResponse:
        asked.append(when)
        if when == "meanwhile":
            claimed.add("tenant-b/ext")
        return web.Response(body=stats(version="forged", open=7, total=9))

    async def main() -> SidecarStats:
        poller = polling.SidecarPolling(lambda: NOW, lambda: [seen], lambda _: None, lambda _: "".join(claimed))
        async with answering(forge, monkeypatch):
            task = asyncio.create_task(poller.run())
            async with asyncio.timeout(10):
                while not (asked or when == "before") or not poller._polled_at:  # noqa: ASYNC110, SLF001
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            task.cancel()
        return poller.stats(seen)

    stats_read = asyncio.run(main())
    assert (stats_read == SidecarStats()) is (when != "never")
    assert bool(asked) is (when != "before")


def test_an_answer_may_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with answering(in_parts, monkeypatch) as ask:
            assert await ask() == SidecarStats("v1")

    asyncio.run(main())
