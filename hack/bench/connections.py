"""How many TCP connections sidecars carry: what each costs, how many ports they take, and how many fit into memory.

``sudo python -m hack.bench.connections`` needs root and nft, but no cluster. There are three pairs of network
namespaces: without sidecars, with sidecars that send plaintext, and with sidecars that use mutual TLS. Each gets the
same load, one pair after the other: short connections one after another, a burst, and many that stay open. Then a
sidecar with the chart's memory limit gets more connections than it accepts.

Rates depend on the machine: compare them within a run. "ports" counts those that the client's pod cannot use again for
a minute after the short connections. Memory is that of the client's sidecar, without its program.
"""

import argparse
import contextlib
import os
import resource
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from hack.bench.load import memory_of
from hack.dataplane.netns import Net
from hack.dataplane.pods import PATIENCE, Pod, Road, authority, memory_cgroup, road
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode

APP_PORT: Final = 8080
APP_USER: Final = 1000
WORDS: Final = b"hello"
"""As long as the sidecar has to wait for to know that they are plaintext."""
BURST: Final = 1000
DEFAULT_MEMORY: Final = 512 * 1024 * 1024
"""The chart's limit."""
PORT_RANGE: Final = "20000 65535"
"""Above the sidecar's ports: room for 22,768 connections to one address and port."""
SPARE_FILES: Final = 1000
"""Of the files that a process may have open. A sidecar has two for each connection, and so has this program."""
PAIRS: Final = {"none": None, "plain": EncryptionMode.PERMISSIVE, "mTLS": EncryptionMode.STRICT}


@contextmanager
def echoing(net: Net) -> Iterator[None]:
    """Send back what clients send, with one thread for all."""
    bound = net.listen("", APP_PORT, uid=APP_USER).bound
    bound.listen(4096)
    chosen, over = selectors.DefaultSelector(), threading.Event()
    chosen.register(bound, selectors.EVENT_READ)

    def serve() -> None:
        while not over.is_set():
            for key, _ in chosen.select(0.1):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                if connection is bound:
                    accepted, _ = bound.accept()
                    chosen.register(accepted, selectors.EVENT_READ)
                    continue
                with contextlib.suppress(ConnectionError):
                    if words := connection.recv(65536):
                        connection.sendall(words)
                        continue
                chosen.unregister(connection)
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for key in [*chosen.get_map().values()]:
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()


def ask(address: str) -> socket.socket:
    """Open a connection, and return it after an answer. Raises ConnectionError if there is none."""
    made = socket.create_connection((address, APP_PORT), PATIENCE)
    made.sendall(WORDS)
    if made.recv(len(WORDS), socket.MSG_WAITALL) != WORDS:
        made.close()
        raise ConnectionError("no answer")
    return made


def short(on: Road, number: int) -> float:
    """Open and close connections one after another, and return how many a second."""

    def talk() -> None:
        for _ in range(number):
            ask(on.server.address).close()

    begun = time.monotonic()
    on.client.net.within(talk)
    return number / (time.monotonic() - begun)


def burst(on: Road) -> float:
    """Open connections at once, and return after how many seconds all were answered."""

    def talk() -> None:
        with ExitStack() as stack:
            opened = [stack.enter_context(socket.socket()) for _ in range(BURST)]
            for one in opened:
                one.settimeout(0)
                one.connect_ex((on.server.address, APP_PORT))
            for one in opened:
                one.settimeout(PATIENCE)
                one.sendall(WORDS)
            if {one.recv(len(WORDS), socket.MSG_WAITALL) for one in opened} != {WORDS}:
                raise ConnectionError("not all are answered")

    begun = time.monotonic()
    on.client.net.within(talk)
    return time.monotonic() - begun


def hold(on: Road, most: int) -> list[socket.socket]:
    """Open connections until one is not answered, and return them."""

    def talk() -> list[socket.socket]:
        held: list[socket.socket] = []
        with contextlib.suppress(OSError):
            while len(held) < most:
                held.append(ask(on.server.address))
        return held

    return on.client.net.within(talk)


def waiting_ports(net: Net) -> int:
    """Return how many ports of a namespace wait for the end of a connection (TIME_WAIT)."""
    line = ["ip", "netns", "exec", net.name, "ss", "-Htan", "state", "time-wait"]
    return len(subprocess.check_output(line, text=True).splitlines())


def anonymous(pod: Pod) -> float:
    """Return the memory of a sidecar that is not its program, in MB."""
    return memory_of(pod.envoy.pid).anonymous if pod.envoy else 0


@contextmanager
def pair(mode: EncryptionMode | None, memory: Path | None = None) -> Iterator[Road]:
    """Start two pods, with sidecars if there is a mode, and an application on the second."""
    with tempfile.TemporaryDirectory() as folder, road(Path(folder)) as on, echoing(on.server.net):
        on.client.net.sysctl("net.ipv4.ip_local_port_range", PORT_RANGE)
        if mode:
            on.client.cgroup = memory
            brest, lyon = authority("brest"), authority("lyon")
            for pod, signer in ((on.client, brest), (on.server, lyon)):
                pod.certify(signer, [brest, lyon])
                pod.tell(mode)
                pod.start()
            for pod in (on.client, on.server):
                on.until_ready(pod)
        yield on


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.connections", description=__doc__)
    parser.add_argument("--short", type=int, default=10_000)
    parser.add_argument("--open", type=int, default=20_000)
    given = parser.parse_args()
    if os.geteuid() or not shutil.which("nft"):
        sys.exit("this needs root and nft")
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    most = min(given.open, (files - SPARE_FILES) // 2)
    print(f"{'':8}{'short/s':>10}{'ports':>10}{f'burst of {BURST}, s':>20}{'open':>10}{'KB each':>10}")
    for name, mode in PAIRS.items():
        with pair(mode) as on:
            rate = short(on, given.short)
            ports = waiting_ports(on.client.net)
            took = burst(on)
        # In other namespaces, where all ports are free.
        with pair(mode) as on:
            before = anonymous(on.client)
            held = hold(on, most)
            each = (anonymous(on.client) - before) * 1000 / max(1, len(held))
            print(f"{name:8}{rate:10.0f}{ports:10}{took:20.2f}{len(held):10}{each:10.1f}", flush=True)
            for one in held:
                one.close()
    with memory_cgroup(DEFAULT_MEMORY) as group, pair(EncryptionMode.STRICT, group) as on:
        held = hold(on, most)
        print(f"with {DEFAULT_MEMORY >> 20} MiB, {len(held)} connections of one direction are open at once")
        for one in held:
            one.close()


if __name__ == "__main__":
    main()
