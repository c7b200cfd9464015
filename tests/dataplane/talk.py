"""Applications without any support for sidecars: a server and clients."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Self

from hack.dataplane.netns import Net
from hack.dataplane.pods import PATIENCE
from hack.kubectl import eventually
from tests.dataplane.links import APP_USER

REFUSAL_SECONDS = 5.0
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing the socket resets the connection."""
TOO_MUCH = 1 << 20
"""Bytes of one write; sent again and again, they fill all buffers on the way."""


class Echo:
    """A server that sends back what it receives, unless its arguments say otherwise."""

    def __init__(
        self, net: Net, port: int, *, answer: bytes = b"", greeting: bytes = b"", late: bool = False, address: str = ""
    ) -> None:
        self._listener = net.listen(address, port, uid=APP_USER).bound
        self._answer, self._greeting, self._late = answer, greeting, late
        self._open: set[socket.socket] = set()
        self.heard: list[bytes] = []

    def __enter__(self) -> Self:
        """Start serving."""
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving, and end open connections."""
        # Closing alone does not wake the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)

    def _accept(self) -> None:
        self._listener.settimeout(None)
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.add(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        kept = b""
        with connection, contextlib.suppress(OSError):
            connection.sendall(self._greeting)
            while got := connection.recv(65536):
                self.heard.append(got)
                if self._answer:
                    connection.sendall(self._answer)
                    return
                if self._late:
                    kept += got
                else:
                    connection.sendall(got)
            connection.sendall(kept)


def said(net: Net, address: str, port: int, words: bytes) -> bytes:
    """Send bytes to a server, and return as many bytes of its answer."""
    with net.connect(address, port, uid=APP_USER) as connection:
        connection.sendall(words)
        return connection.recv(len(words), socket.MSG_WAITALL)


def refused(net: Net, address: str, port: int, uid: int = APP_USER) -> bool:
    """Return whether a server ends the connection without an answer. Raises TimeoutError if it does neither."""
    try:
        with net.connect(address, port, uid=uid, wait=REFUSAL_SECONDS) as connection:
            connection.sendall(b"hello")
            return connection.recv(5) == b""
    except ConnectionError:
        return True


class Steady:
    """A client that sends without pause: in each round on one lasting session and on a new connection."""

    def __init__(self, net: Net, address: str, port: int) -> None:
        self._net, self._address, self._port = net, address, port
        self._over = threading.Event()
        self.failures: list[str] = []
        self.rounds = 0

    def __enter__(self) -> Self:
        """Start, and wait for the first rounds."""
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()
        self.goes_on()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._over.set()
        self._thread.join(PATIENCE)

    def goes_on(self, rounds: int = 20) -> None:
        """Wait until more rounds are done, or something has failed."""
        until = self.rounds + rounds
        eventually(lambda: self.rounds >= until or bool(self.failures), seconds=PATIENCE, what=f"{rounds} rounds")

    def _talk(self) -> None:
        session = self._net.connect(self._address, self._port, uid=APP_USER)
        while not self._over.is_set():
            for what, connection in self._both(session):
                words = b"%d" % time.monotonic_ns()
                try:
                    connection.sendall(words)
                    if connection.recv(len(words), socket.MSG_WAITALL) != words:
                        self.failures.append(f"{what}: ended in round {self.rounds}")
                except OSError as error:
                    self.failures.append(f"{what}: {error!r} in round {self.rounds}")
            self.rounds += 1

    def _both(self, session: socket.socket) -> Iterator[tuple[str, socket.socket]]:
        yield "session", session
        try:
            connection = self._net.connect(self._address, self._port, uid=APP_USER)
        except OSError as error:
            self.failures.append(f"connection: {error!r} in round {self.rounds}")
            return
        with connection:
            yield "connection", connection


def frame(kind: int, flags: int, content: bytes, stream: int = 1) -> bytes:
    """Return an HTTP/2 frame."""
    return len(content).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + content


def literal(name: str, value: str) -> bytes:
    """Return an HTTP/2 header without compression."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def exchange(one: socket.socket, other: socket.socket) -> None:
    """Check that bytes pass in both directions."""
    for sender, receiver in ((one, other), (other, one)):
        sender.sendall(b"word")
        assert receiver.recv(4, socket.MSG_WAITALL) == b"word"


def fill(sender: socket.socket) -> int:
    """Send until no more is accepted, and return how many bytes were."""
    sent, sender_waits = 0, sender.gettimeout()
    sender.settimeout(1)
    try:
        while True:
            sent += sender.send(bytes(TOO_MUCH))
    except TimeoutError:
        sender.settimeout(sender_waits)
        return sent
