"""What a sidecar costs, compared with the smallest Envoys that do mutual TLS ("bare": see bare.py), in the same run.

``sudo python -m hack.bench.sidecar`` needs root, nft and Go, but no cluster. There are five pairs of network
namespaces, each with the same HTTP server (fortio): without sidecars, with sidecars that send plaintext, with sidecars
that use mutual TLS, with bare Envoys, and with bare Envoys while the kernel tracks connections, as it does for any
redirect ("tracked"). In each round every pair in turn gets the same load: requests on kept connections and on new
ones, at a tenth, a third and two thirds of what the bare Envoys can do, then as many as possible; and bodies of 64 MB,
one after the other. Load is open loop: see load.py.

Printed are medians of the rounds, and the median of each round's ratio to the bare Envoys, which is what counts on a
shared machine; we aim at 1.1. CPU is that of both proxies; the load generator, the server and other programs hardly
affect it. Memory is that of the larger proxy; we aim at 25 MB anonymous.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from hack.bench import bare
from hack.bench.load import Load, LoadError, Memory, Seen, memory_of, put
from hack.dataplane.pods import PATIENCE, Pod, Road, authority, road
from hack.images import gotool
from hack.kubectl import eventually
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.sidecar.envoy_files import command

APP_PORT: Final = 8080
NONE, PLAIN, MTLS, BARE, TRACKED = PAIRS = ("none", "plain", "mTLS", "bare", "tracked")
MODES: Final = {PLAIN: EncryptionMode.PERMISSIVE, MTLS: EncryptionMode.STRICT}
LOADS: Final = (Fraction(1, 10), Fraction(1, 3), Fraction(2, 3))
TRIALS: Final = 3
BODY: Final = 64 * 1024 * 1024
BODY_GB: Final = BODY * 1e-9
SMALL, LARGE = "/echo?size=128", f"/echo?size={BODY}"
TRACKING: Final = """\
table inet bench {
    chain in {
        type nat hook prerouting priority dstnat; policy accept;
    }
    chain out {
        type nat hook output priority -100; policy accept;
        tcp dport 1 redirect to :2
    }
}
"""
"""These rules change no packet, but make the kernel track connections."""
MEMORY: Final = "memory"
GREETING: Final = b"GET /echo?size=128 HTTP/1.1\r\nHost: bench\r\n\r\n"


@dataclass(frozen=True)
class Pair:
    """A client and a server, and the proxies between them."""

    name: str
    client: Pod
    address: tuple[str, int]
    """The address to which the client connects."""
    proxies: tuple[int, ...]
    """Ids of their processes."""

    def put(self, path: str, rate: int, seconds: float, *, keep_alive: bool = True, workers: int = 16) -> Seen:
        """Put a load on the pair."""
        address, port = self.address
        load = Load(f"http://{address}:{port}{path}", rate, seconds, keep_alive, workers)
        return put(load, self.client.net.name, self.proxies, self.client.folder)


@contextmanager
def pairs(folder: Path) -> Iterator[list[Pair]]:
    """Start all pairs, and yield them once they are ready."""
    with ExitStack() as stack:
        made = []
        for name in PAIRS:
            (folder / name).mkdir()
            on = stack.enter_context(road(folder / name))
            stack.enter_context(_serving(on.server))
            proxies, address = _proxies(stack, name, on)
            made.append(Pair(name, on.client, address, tuple(proxies)))
        yield made


def _proxies(stack: ExitStack, name: str, on: Road) -> tuple[list[int], tuple[str, int]]:
    direct = on.server.address, APP_PORT
    if name == NONE:
        return [], direct
    brest, lyon = authority("brest"), authority("lyon")
    pods = on.client, on.server
    for pod, signer in zip(pods, (brest, lyon), strict=True):
        pod.certify(signer, [brest, lyon])
    if name in (BARE, TRACKED):
        if name == TRACKED:
            for pod in pods:
                pod.net.nft(TRACKING)
        line = command()
        concurrency = int(line[line.index("--concurrency") + 1])
        return stack.enter_context(bare.proxies(on, APP_PORT, concurrency)), (bare.LOCAL, bare.CLIENT_PORT)
    for pod in pods:
        pod.tell(MODES[name])
        pod.start()
    for pod in pods:
        on.until_ready(pod)
    return [pod.envoy.pid for pod in pods if pod.envoy], direct


@contextmanager
def _serving(pod: Pod) -> Iterator[None]:
    others = [f"-{kind}-port=disabled" for kind in ("grpc", "tcp", "udp", "redirect")]
    size = f"-maxpayloadsizekb={BODY // 1024}"
    line = [str(gotool.build("fortio")), "server", f"-http-port={APP_PORT}", *others, size, "-loglevel=error"]
    with (pod.folder / "server").open("wb") as log:
        server = subprocess.Popen(["nsenter", f"--net=/run/netns/{pod.net.name}", *line], stdout=log, stderr=log)
    try:
        eventually(lambda: _listens(pod), seconds=PATIENCE, what="the server")
        yield
    finally:
        server.terminate()
        server.wait(PATIENCE)


def _listens(pod: Pod) -> bool:
    try:
        pod.net.connect("127.0.0.1", APP_PORT).close()
    except ConnectionRefusedError:
        return False
    return True


class Table:
    """The measurements of each pair, with a row for each measure and a value for each round."""

    def __init__(self) -> None:
        self._rows: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, row: str, pair: str, value: float) -> None:
        """Add a round's value."""
        self._rows[row][pair].append(value)

    def show(self) -> None:
        """Print the table, memory last."""
        others = (BARE, TRACKED)
        heads = [*(f"{name:>9}" for name in PAIRS), *(f"{MTLS}/{name}".rjust(14) for name in others)]
        print(f"{'':46}{''.join(heads)}")
        for row, values in sorted(self._rows.items(), key=lambda item: item[0].startswith(MEMORY)):
            medians = [f"{statistics.median(values[name]):9.2f}" if values[name] else f"{'':9}" for name in PAIRS]
            ratios = [f"{_ratio(values[MTLS], values[name]):14.2f}" for name in others]
            print(f"{row:46}{''.join(medians)}{''.join(ratios)}")


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def measure(made: Sequence[Pair], rounds: int, seconds: float) -> Table:
    """Put all loads on each pair in turn."""
    table = Table()
    by_name = {pair.name: pair for pair in made}
    # The least of several: a load above the capacity would only show how queues grow.
    kept, anew = (
        min(by_name[BARE].put(SMALL, 0, seconds, keep_alive=keep_alive).rate for _ in range(TRIALS))
        for keep_alive in (True, False)
    )
    for number in range(rounds):
        turn = [*made[number % len(made) :], *made[: number % len(made)]]
        for what, most, keep_alive in (("kept connections", kept, True), ("new connections", anew, False)):
            for part in LOADS:
                rate = round(most * part)
                row = f"{what}, {part} ({rate}/s),"
                for pair in turn:
                    seen = pair.put(SMALL, rate, seconds, keep_alive=keep_alive)
                    _note(table, row, pair, seen)
            for pair in turn:
                full = pair.put(SMALL, 0, seconds, keep_alive=keep_alive)
                table.add(f"{what}, s for 10,000", pair.name, 10_000 / full.rate)
        for pair in turn:
            bulk = pair.put(LARGE, 0, seconds, workers=1)
            table.add("bulk, s for 1 GB", pair.name, 1 / (bulk.rate * BODY_GB))
            if pair.proxies:
                table.add("bulk, CPU s for 1 GB", pair.name, bulk.cpu / BODY_GB)
                _remember(table, "in bulk", pair, bulk.memory)
    return table


def _note(table: Table, row: str, pair: Pair, seen: Seen) -> None:
    table.add(f"{row} p50 ms", pair.name, seen.p50)
    table.add(f"{row} p99 ms", pair.name, seen.p99)
    if pair.proxies:
        table.add(f"{row} CPU us", pair.name, seen.cpu * 1e6)
        _remember(table, "at load", pair, seen.memory)


def crowd(made: Sequence[Pair], table: Table, connections: int) -> None:
    """Hold this many connections open at once, after one request on each."""
    for pair in made:
        if not pair.proxies:
            continue
        held = [pair.client.net.connect(*pair.address, uid=1000) for _ in range(connections)]
        for one in held:
            one.sendall(GREETING)
        if not all(one.recv(1000).startswith(b"HTTP/1.1 200") for one in held):
            raise LoadError(f"{pair.name}: not all of {connections} connections are answered")
        _remember(table, f"with {connections} connections", pair, [memory_of(pid) for pid in pair.proxies])
        for one in held:
            one.close()


def _remember(table: Table, when: str, pair: Pair, memory: Sequence[Memory]) -> None:
    table.add(f"{MEMORY} {when}, anonymous MB", pair.name, max(one.anonymous for one in memory))
    table.add(f"{MEMORY} {when}, resident MB", pair.name, max(one.resident for one in memory))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.sidecar", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each load")
    parser.add_argument("--connections", type=int, default=1000, help="at once, to see what memory these take")
    given = parser.parse_args()
    if os.geteuid() or not shutil.which("nft"):
        sys.exit("this needs root and nft")
    with tempfile.TemporaryDirectory() as folder, pairs(Path(folder)) as made:
        idle = {pair.name: [memory_of(pid) for pid in pair.proxies] for pair in made}
        table = measure(made, given.rounds, given.seconds)
        for pair in made:
            if pair.proxies:
                _remember(table, "idle", pair, idle[pair.name])
        crowd(made, table, given.connections)
        table.show()


if __name__ == "__main__":
    main()
