"""Connections: how many there may be, and how long one may keep its place without asking anything.

Any pod may connect to the operator's processes, and a TLS connection takes a quarter of a megabyte before it has said a
word. So only some connections are let in at once. The others wait as bare sockets, which take next to nothing, and
addresses take turns: one that opens thousands does not keep the API server waiting.
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
"""Connections that may be open at once, and so questions that may be answered."""
MOST_WAITING: Final = 1024
SECONDS: Final = 5.0
"""For a place, a handshake, a first question. The API server waits no longer for an answer."""
SHORT_SECONDS: Final = 1.0
"""Where others wait, a connection on which nothing is asked, or not to its end, keeps its place for this long."""
IDLE_SECONDS: Final = 75.0
"""Where nobody waits, a connection on which questions were answered is kept for so long for the next ones."""


@dataclass(frozen=True, eq=False)
class _Bare:
    """A TCP connection that waits for its place."""

    connected: socket.socket
    address: str
    since: float


class Connections:
    """All connections of one listener. ``make`` makes what speaks HTTP on one."""

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
        """The one whose last question is longest ago comes first."""
        self._room = asyncio.Event()

    async def serve(self, listener: socket.socket) -> None:
        """Take connections until this is cancelled; then close them."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._let_them_in(group))
                while True:
                    try:
                        connected, peer = await loop.sock_accept(listener)
                    except OSError as error:
                        # For example, as many files are open as may be: it passes.
                        logger.warning("no connection is taken for a moment: %s", error)
                        await asyncio.sleep(SHORT_SECONDS)
                        continue
                    self._waiting.add(_Bare(connected, str(peer[0]), loop.time()))
                    if len(self._waiting) > self._most_waiting:
                        self._waiting.shed().connected.close()
                    self._room.set()
                    # Where connections come faster than they are taken, others have their turn all the same.
                    await asyncio.sleep(0)
        finally:
            while self._waiting:
                self._waiting.take().connected.close()
            for connection in list(self._let_in):
                connection.close()

    def crowds(self, request: web.BaseRequest) -> bool:
        """Whether the connection of a question shall make room: others wait, and its address has its share."""
        address = next((each.address for each in self._let_in if each.transport is request.transport), None)
        return bool(self._waiting) and address in self._with_a_share()

    def _with_a_share(self) -> set[str]:
        """Return the addresses that have as many places as there are for each, or more."""
        places = Counter(connection.address for connection in self._let_in)
        return {address for address, number in places.items() if number >= self._most // len(places)}

    @contextmanager
    def asked(self, request: web.BaseRequest) -> Iterator[None]:
        """Let a connection keep its place while a question that came on it is answered."""
        self._note(request.transport, request)
        try:
            yield
        finally:
            self._note(request.transport, None)

    def _note(self, transport: asyncio.BaseTransport | None, question: web.BaseRequest | None) -> None:
        for connection in self._let_in:
            if connection.transport is transport:
                connection.note(question)
                self._let_in[connection] = self._let_in.pop(connection)
                return

    async def _let_them_in(self, group: asyncio.TaskGroup) -> None:
        """Let those in that wait, as far as there is room, or as others can go."""
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
        """Close a connection that keeps its place for nothing, of an address with its share; say if there is one."""
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
            # No handshake, or none in time. What it took, a quarter of a megabyte, would stay until the garbage
            # collector comes, which counts objects and not their size.
            clear_frames(error.__traceback__)
            logger.debug("no connection from %s: %s", bare.address, error)
            self._gone(connection)

    def _gone(self, connection: "_LetIn") -> None:
        self._let_in.pop(connection, None)
        self._room.set()


class _LetIn(asyncio.Protocol):
    """A connection with a place: what comes on it goes to what speaks HTTP."""

    def __init__(self, inner: asyncio.Protocol, address: str, gone: Callable[["_LetIn"], None]) -> None:
        self._inner = inner
        self._gone = gone
        self._question: web.BaseRequest | None = None
        self._loop = asyncio.get_running_loop()
        self._noted = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self.address = address
        self.transport: asyncio.BaseTransport | None = None
        self.connecting: asyncio.Task[None] | None = None

    @property
    def idles(self) -> bool:
        """Whether no question has come to its end for some time. A handshake that takes so long counts, too."""
        asks = self._question is not None and self._question.content.is_eof()
        return not asks and self._loop.time() - self._noted >= SHORT_SECONDS

    def note(self, question: web.BaseRequest | None) -> None:
        """Take note of a question that is being answered; None once it is."""
        self._question, self._noted = question, self._loop.time()
        self._expect(IDLE_SECONDS)

    def close(self) -> None:
        """End it at once, whatever is still to be said on it."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()
        elif self.connecting:
            # A handshake that goes on would keep its memory.
            self.connecting.cancel()

    def _expect(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None if self._question else self._loop.call_later(seconds, self.close)

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
        """Pass on that it has ended."""
        if self._timer:
            self._timer.cancel()
        self._inner.connection_lost(exc)
        self._gone(self)
