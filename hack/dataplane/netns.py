"""Network namespaces of this machine: sockets of any user in them, without a process of their own."""

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SO_ORIGINAL_DST = 80
PATIENCE = 20.0
"""How long a socket waits for data that must arrive, in seconds."""
IMPATIENCE = 0.5
"""How long a socket waits for data that must not arrive, in seconds."""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket."""

    bound: socket.socket
    uid: int

    def accept(self) -> socket.socket:
        """Wait for a connection. Its socket belongs to the same user."""

        def take() -> socket.socket:
            _libc.setfsuid(self.uid)
            accepted = self.bound.accept()[0]
            accepted.settimeout(PATIENCE)
            return accepted

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(take).result()

    def hears_nothing(self) -> bool:
        """Return whether no client has connected."""
        self.bound.settimeout(0)
        try:
            self.bound.accept()[0].close()
        except BlockingIOError:
            return True
        finally:
            self.bound.settimeout(PATIENCE)
        return False


class Net:
    """A network namespace, known to ``ip netns`` by its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._made: list[socket.socket] = []
        _run("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def remove(self) -> None:
        """Close the namespace's sockets, and remove it."""
        for made in self._made:
            made.close()
        _run("ip", "netns", "delete", self.name)

    def ip(self, *arguments: str) -> str:
        """Run the program ip in the namespace."""
        return _run("ip", "-netns", self.name, *arguments)

    def nft(self, script: str) -> str:
        """Load nftables rules."""
        return _run("nsenter", f"--net=/run/netns/{self.name}", "nft", "-f", "-", given=script)

    def sysctl(self, name: str, value: int | str) -> None:
        """Set a sysctl of the namespace."""
        _run("nsenter", f"--net=/run/netns/{self.name}", "sysctl", "-qw", f"{name}={value}")

    def open(
        self, family: int, kind: int = socket.SOCK_STREAM, protocol: int = 0, *, uid: int = 0, wait: float = PATIENCE
    ) -> socket.socket:
        """Create a socket in the namespace that belongs to a user."""

        def make() -> socket.socket:
            # A socket belongs to the file system user of the thread that creates it; only this thread's changes.
            _libc.setfsuid(uid)
            made = socket.socket(family, kind, protocol)
            made.settimeout(wait)
            self._made.append(made)
            return made

        return self.within(make)

    def within(self, act: Callable[[], T]) -> T:
        """Call a function in the namespace, in a thread of its own that never leaves it."""

        def enter() -> T:
            with Path(f"/run/netns/{self.name}").open() as file:
                if _libc.setns(file.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"enter {self.name}")
            return act()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(enter).result()

    def listen(self, address: str, port: int, *, uid: int = 0) -> Listener:
        """Listen for TCP."""
        bound = self.open(family_of(address), uid=uid)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.listen()
        return Listener(bound, uid)

    def connect(
        self, address: str, port: int, *, uid: int = 0, source: int = 0, wait: float = PATIENCE
    ) -> socket.socket:
        """Connect by TCP."""
        connection = self.open(family_of(address), uid=uid, wait=wait)
        if source:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.bind(("::" if ":" in address else "", source))
        connection.connect((address, port))
        return connection

    def datagrams(self, address: str, port: int = 0, *, uid: int = 0, wait: float = PATIENCE) -> socket.socket:
        """Return a UDP socket."""
        made = self.open(family_of(address), socket.SOCK_DGRAM, uid=uid, wait=wait)
        made.bind((address, port))
        return made


class Capture:
    """The packets that pass a namespace's eth0, from the creation of this object."""

    def __init__(self, net: Net) -> None:
        self._frames = net.open(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self._frames.bind(("eth0", ETH_P_ALL))

    def all(self) -> list[bytes]:
        """Return all packets that passed so far, in both directions."""
        found: list[bytes] = []
        self._frames.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self._frames.recv(65536))
        return found

    def until(self, mark: bytes) -> list[bytes]:
        """Return the packets received before the one that contains these bytes, without those that this side sends."""
        found: list[bytes] = []
        while True:
            packet, (_, _, direction, *_) = self._frames.recvfrom(65536)
            if direction == socket.PACKET_OUTGOING:
                continue
            if mark in packet:
                return found
            found.append(packet)


def family_of(address: str) -> int:
    """Return the family of an address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def original_destination(connection: socket.socket) -> tuple[str, int]:
    """Return the address and port to which the client connected."""
    if connection.family == socket.AF_INET6:
        found = connection.getsockopt(socket.IPPROTO_IPV6, SO_ORIGINAL_DST, 28)
        port, _, address = struct.unpack_from("!2xHI16s", found)
        return socket.inet_ntop(socket.AF_INET6, address), port
    found = connection.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
    port, address = struct.unpack_from("!2xH4s", found)
    return socket.inet_ntop(socket.AF_INET, address), port


def send(sender: socket.socket, words: bytes, address: str, port: int = 0) -> None:
    """Send a datagram. A refusal is ignored: what counts is what the other side receives."""
    with suppress(PermissionError):
        sender.sendto(words, (address, port))


def hears_nothing(listener: socket.socket) -> bool:
    """Return whether nothing arrived. The caller ensures that everything sent before would have arrived."""
    listener.settimeout(0)
    try:
        listener.recv(1)
    except BlockingIOError:
        return True
    finally:
        listener.settimeout(PATIENCE)
    return False


def _run(*arguments: str, given: str = "") -> str:
    done = subprocess.run(arguments, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def unique(word: str) -> str:
    """Return a name that no other run uses."""
    return f"{word}-{os.getpid()}-{os.urandom(2).hex()}"
