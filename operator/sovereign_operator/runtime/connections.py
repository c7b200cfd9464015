"""Limits on connections to an HTTP port: how many are open at once, and how long an idle one keeps its place.

Any pod may connect to the operator's processes, and a TLS connection takes a quarter of a megabyte before its first
request. So only a limited number is admitted at once. The others wait as bare sockets, which take almost no memory.
Client addresses take turns, so that a client that opens thousands does not keep the API server waiting.
``listening`` uses this module.
"""

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import clear_frames
from typing import Final

from aiohttp import web

from sovereign_operator.runtime.fair_turns import FairTurns

logger = logging.getLogger(__name__)

MOST_LET_IN: Final = 64
"""How many connections may be admitted at once, and so how many requests may be served at once."""
MOST_WAITING: Final = 1024
SECONDS: Final = 5.0
"""How long to wait for each of: a place, the handshake, the first request. The API server waits no longer either."""
SHORT_SECONDS: Final = 1.0
"""While others wait, how long a connection keeps its place without a complete request."""
IDLE_SECONDS: Final = 75.0
"""While no others wait, how long a connection is kept after a response."""


@dataclass(frozen=True, eq=False)
class _Bare:
    """A TCP connection that waits for its place."""

    connected: socket.socket
    address: str
    since: float


class Connections:
    """All connections of one listener. ``make`` returns the HTTP protocol for a new connection.

    ``most`` connections are admitted at once, and ``most_waiting`` may wait. ``tls`` is None for plain HTTP.
    """

    def __init__(
        self,
        make: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
        *,
        most: int = MOST_LET_IN,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._make = make
        self._tls = tls
        self._most = most
        self._most_waiting = most_waiting
        self._waiting: FairTurns[_Bare] = FairTurns(lambda bare: bare.address)
        self._let_in: dict[_LetIn, None] = {}
        """In the order of their last requests, oldest first."""
        self._room = asyncio.Event()

    async def serve(self, listener: socket.socket) -> None:
        """Accept connections until cancelled; then close all of them."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._let_them_in(group))
                while True:
                    try:
                        connected, peer = await loop.sock_accept(listener)
                    except OSError as error:
                        # It is temporary: the limit of open files, for example.
                        logger.warning("no connection is accepted for a moment: %s", error)
                        await asyncio.sleep(SHORT_SECONDS)
                        continue
                    self._waiting.add(_Bare(connected, str(peer[0]), loop.time()))
                    if len(self._waiting) > self._most_waiting:
                        self._waiting.shed().connected.close()
                    self._room.set()
                    # Even if connections arrive faster than they are accepted, other tasks must run.
                    await asyncio.sleep(0)
        finally:
            while self._waiting:
                self._waiting.take().connected.close()
            for connection in list(self._let_in):
                connection.close()

    def crowds(self, request: web.BaseRequest) -> bool:
        """Whether the connection of a request should make room: others wait, and its address has its share."""
        address = next((each.address for each in self._let_in if each.transport is request.transport), None)
        return bool(self._waiting) and address in self._with_a_share()

    def _with_a_share(self) -> set[str]:
        """Return the addresses that have at least their equal share of the places."""
        places = Counter(connection.address for connection in self._let_in)
        return {address for address, number in places.items() if number >= self._most // len(places)}

    @contextmanager
    def asked(self, request: web.BaseRequest) -> Iterator[None]:
        """Let the connection of a request keep its place while the request is served."""
        self._note(request.transport, request)
        try:
            yield
        finally:
            self._note(request.transport, None)

    def _note(self, transport: asyncio.BaseTransport | None, request: web.BaseRequest | None) -> None:
        for connection in self._let_in:
            if connection.transport is transport:
                connection.note(request)
                self._let_in[connection] = self._let_in.pop(connection)
                return

    async def _let_them_in(self, group: asyncio.TaskGroup) -> None:
        """Admit waiting connections while there are free places, or idle connections that can be closed."""
        now = asyncio.get_running_loop().time
        while True:
            self._room.clear()
            while self._waiting and (len(self._let_in) < self._most or self._make_room()):
                bare = self._waiting.take()
                if now() - bare.since > SECONDS:
                    bare.connected.close()
                else:
                    connection = _LetIn(self._make(), bare.address, self._gone)
                    self._let_in[connection] = None
                    connection.connecting = group.create_task(self._connect(bare, connection))
            try:
                await asyncio.wait_for(self._room.wait(), SHORT_SECONDS if self._waiting else None)
            except TimeoutError:
                continue

    def _make_room(self) -> bool:
        """Close an idle connection of an address that has its share. Return False if there is none."""
        served = self._with_a_share()
        oldest = next((each for each in self._let_in if each.idles and each.address in served), None)
        if not oldest:
            return False
        oldest.close()
        self._let_in.pop(oldest, None)
        return True

    async def _connect(self, bare: _Bare, connection: "_LetIn") -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                lambda: connection,
                bare.connected,
                ssl=self._tls,
                ssl_handshake_timeout=SECONDS if self._tls else None,
            )
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - of one connection; all others go on
            # The handshake failed or timed out. Free its quarter of a megabyte now: the garbage collector runs by the
            # number of objects, not by their size.
            clear_frames(error.__traceback__)
            logger.debug("no connection from %s: %s", bare.address, error)
            self._gone(connection)

    def _gone(self, connection: "_LetIn") -> None:
        self._let_in.pop(connection, None)
        self._room.set()


class _LetIn(asyncio.Protocol):
    """An admitted connection: passes all events to the HTTP protocol, and closes itself after a timeout."""

    def __init__(self, inner: asyncio.Protocol, address: str, gone: Callable[["_LetIn"], None]) -> None:
        self._inner = inner
        self._gone = gone
        self._request: web.BaseRequest | None = None
        self._loop = asyncio.get_running_loop()
        self._noted = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self.address = address
        self.transport: asyncio.BaseTransport | None = None
        self.connecting: asyncio.Task[None] | None = None

    @property
    def idles(self) -> bool:
        """Whether no complete request is being served, for SHORT_SECONDS or more. This includes a slow handshake."""
        busy = self._request is not None and self._request.content.is_eof()
        return not busy and self._loop.time() - self._noted >= SHORT_SECONDS

    def note(self, request: web.BaseRequest | None) -> None:
        """Record the request that is being served; None once its response is sent."""
        self._request, self._noted = request, self._loop.time()
        self._expect(IDLE_SECONDS)

    def close(self) -> None:
        """Close the connection at once, without sending what is left."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()
        elif self.connecting:
            # A handshake that goes on would keep its memory.
            self.connecting.cancel()

    def _expect(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None if self._request else self._loop.call_later(seconds, self.close)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the handshake is done."""
        self.transport = transport
        self._inner.connection_made(transport)
        self._expect(SECONDS)

    def data_received(self, data: bytes) -> None:
        """Pass on what came."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on that nothing more comes."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on that the peer does not read."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the peer reads again."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that the connection has ended, and give its place to another."""
        if self._timer:
            self._timer.cancel()
        self._inner.connection_lost(exc)
        self._gone(self)
