"""How the injector accepts connections: floods of connections and of bytes do not delay other clients for long."""

import asyncio
import gc
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest
from aiohttp import web

from sovereign_operator.injector.budget import MemoryBudget
from sovereign_operator.pki.serving import Serving, make_authority
from sovereign_operator.runtime.connections import SECONDS, SHORT_SECONDS
from sovereign_operator.runtime.listening import answering
from sovereign_operator.runtime.tls import load
from tests.unit import virtual_time

SERVER, FLOOD, CLIENT = "127.0.0.1", "127.0.0.2", "127.0.0.3"
PLACES, WAITING = 4, 20
ASKED = b"POST /inject HTTP/1.1\r\nHost: injector\r\nContent-Length: 2\r\n\r\n{}"


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the TLS contexts of a server and its clients."""
    authority = make_authority(["injector"], datetime.now(UTC))
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    load(server, Serving.sign(authority, ["injector"], datetime.now(UTC)))
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    return server, client


@asynccontextmanager
async def door() -> AsyncIterator[int]:
    """Serve on a free port, with few places for connections."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    application = web.Application()
    application.router.add_post("/inject", answer)
    with socket.create_server((SERVER, 0)) as listener:
        async with answering(application, listener, contexts()[0], most=PLACES, most_waiting=WAITING):
            yield listener.getsockname()[1]


async def bare(port: int, address: str = FLOOD) -> asyncio.StreamWriter:
    """Open a connection that sends nothing."""
    _, writer = await asyncio.open_connection(SERVER, port, local_addr=(address, 0))
    return writer


async def secured(port: int, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(SERVER, port, ssl=contexts()[1], local_addr=(address, 0))


async def ask(port: int, address: str = CLIENT) -> str:
    """Send one request, and return the status line."""
    reader, writer = await secured(port, address)
    writer.write(ASKED)
    line = await reader.readline()
    writer.close()
    return line.decode().strip()


Flood = Callable[[int], Awaitable[list[asyncio.StreamWriter]]]


async def idle(port: int) -> list[asyncio.StreamWriter]:
    """Open many connections, and never begin a handshake."""
    return [await bare(port) for _ in range(50)]


async def silent(port: int) -> list[asyncio.StreamWriter]:
    """Open TLS connections, and never send a request."""
    return [(await secured(port, FLOOD))[1] for _ in range(PLACES)]


async def slow(port: int) -> list[asyncio.StreamWriter]:
    """Begin requests on many connections, but never finish the headers."""
    opened = await silent(port)
    for writer in opened:
        writer.write(ASKED[:30])
    return opened


async def unfinished(port: int) -> list[asyncio.StreamWriter]:
    """Begin requests on many connections, but never finish the body."""
    opened = await silent(port)
    for writer in opened:
        writer.write(ASKED[:-1])
    return opened


async def unread(port: int) -> list[asyncio.StreamWriter]:
    """Send many requests, and read no answer."""
    opened = await silent(port)
    for writer in opened:
        assert isinstance(writer.transport, asyncio.Transport)
        writer.transport.pause_reading()
        writer.write(ASKED * 20_000)
    return opened


def handshakes() -> int:
    """Return how many TLS connections are in memory, including ended ones."""
    return sum(isinstance(found, SSLProtocol) for found in gc.get_objects())


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Disable the garbage collector, which is too late here: it counts objects, and a handshake is a few large ones."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
def test_a_handshake_that_is_given_up_leaves_nothing() -> None:
    async def main() -> None:
        async with door() as port:
            before = handshakes()
            with ExitStack() as opened:
                sockets = [opened.enter_context(socket.create_connection((SERVER, port))) for _ in range(WAITING)]
                for connected in sockets:
                    connected.setblocking(False)
                    with suppress(ConnectionError):
                        ended = asyncio.get_running_loop().sock_recv(connected, 1)
                        assert not await asyncio.wait_for(ended, 3 * SECONDS)
            assert handshakes() == before

    asyncio.run(main())


@pytest.mark.parametrize("flood", [idle, silent, slow, unfinished, unread])
def test_a_flood_of_connections_keeps_nobody_out(flood: Flood) -> None:
    async def main() -> None:
        async with door() as port:
            opened = await flood(port)
            async with asyncio.timeout(5):
                assert await ask(port) == "HTTP/1.1 200 OK"
            for writer in opened:
                writer.transport.abort()

    asyncio.run(main())


def test_a_connection_on_which_a_question_is_answered_keeps_its_place() -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def answer(request: web.Request) -> web.Response:
            await go_on.wait()
            return web.Response(body=await request.read())

        application = web.Application()
        application.router.add_post("/inject", answer)
        with socket.create_server((SERVER, 0)) as listener:
            async with answering(application, listener, contexts()[0], most=PLACES):
                port = listener.getsockname()[1]
                asking = [asyncio.create_task(ask(port, FLOOD)) for _ in range(PLACES)]
                waiting = asyncio.create_task(ask(port))
                # Longer than a connection without a request keeps its place.
                done, _ = await asyncio.wait([waiting, *asking], timeout=1.5 * SHORT_SECONDS)
                assert not done
                go_on.set()
                assert set(await asyncio.gather(waiting, *asking)) == {"HTTP/1.1 200 OK"}

    asyncio.run(main())


def test_a_handshake_that_nobody_begins_keeps_no_memory_while_others_wait() -> None:
    async def main() -> None:
        async with door() as port:
            opened = [await asyncio.open_connection(SERVER, port, local_addr=(FLOOD, 0)) for _ in range(2 * PLACES)]
            # Sooner than the longest time for a handshake.
            async with asyncio.timeout(SECONDS - SHORT_SECONDS):
                for reader, _ in opened[:PLACES]:
                    assert await reader.read() == b""
            for _, writer in opened:
                writer.transport.abort()

    asyncio.run(main())


def test_where_too_many_wait_those_of_the_address_with_most_of_them_are_turned_away() -> None:
    async def main() -> None:
        async with door() as port:
            opened = await silent(port)
            waiting = asyncio.create_task(ask(port))
            opened += [await bare(port) for _ in range(2 * WAITING)]
            async with asyncio.timeout(5):
                assert await waiting == "HTTP/1.1 200 OK"
            for writer in opened:
                writer.transport.abort()

    asyncio.run(main())


def test_one_connection_serves_many_questions() -> None:
    async def main() -> None:
        async with door() as port:
            reader, writer = await secured(port, CLIENT)
            for _ in range(5):
                writer.write(ASKED)
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(2) == b"{}"
            writer.close()

    asyncio.run(main())


STRANGE = {
    "another method": b"GET /inject HTTP/1.1\r\nHost: injector\r\n\r\n",
    "another path": b"POST /metrics HTTP/1.1\r\nHost: injector\r\nContent-Length: 0\r\n\r\n",
    "an expectation": b"POST /inject HTTP/1.1\r\nHost: injector\r\nExpect: the-moon\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\r\n\r\n",
    "a long header": b"POST /inject HTTP/1.1\r\nHost: " + b"x" * 100_000 + b"\r\n\r\n",
    "a failure": b"POST /fail HTTP/1.1\r\nHost: injector\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("said", STRANGE.values(), ids=STRANGE.keys())
def test_a_stranger_is_told_neither_what_answers_nor_how_to_ask(said: bytes) -> None:
    async def fail(_: web.Request) -> web.Response:
        raise AssertionError("a secret")

    async def main() -> None:
        application = web.Application()
        application.router.add_post("/inject", fail)
        application.router.add_post("/fail", fail)
        with socket.create_server((SERVER, 0)) as listener:
            async with answering(application, listener, contexts()[0]):
                reader, writer = await secured(listener.getsockname()[1], CLIENT)
                writer.write(said)
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = dict(line.split(": ", 1) for line in head.splitlines()[1:-1])
                assert set(lines) <= {"Content-Length", "Content-Type", "Connection", "Date", "Server"}
                assert (lines["Content-Length"], lines["Server"]) == ("0", "")
                writer.transport.abort()

    asyncio.run(main())


def test_who_needs_more_than_is_left_waits_for_it_and_addresses_take_turns() -> None:
    order: list[str] = []

    async def take(budget: MemoryBudget, name: str, size: int) -> None:
        async with budget.take(size, name[0]):
            order.append(name)
            await asyncio.sleep(1)

    async def main() -> None:
        budget = MemoryBudget(10)
        many = [take(budget, f"a{number}", 6) for number in range(4)]
        await asyncio.gather(*many, take(budget, "b", 6), take(budget, "c", 1))
        assert order == ["a0", "a1", "a2", "b", "c", "a3"]
        # A caller that gives up leaves all of the budget to the others.
        holds = asyncio.create_task(take(budget, "holds", 10))
        await asyncio.sleep(0)
        gives_up = asyncio.create_task(take(budget, "gives up", 5))
        await asyncio.sleep(0)
        gives_up.cancel()
        await holds
        async with asyncio.timeout(0.5), budget.take(10, "another"):
            pass

    virtual_time.run(main())
