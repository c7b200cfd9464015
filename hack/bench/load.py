"""Open-loop load on an HTTP server, and what processes use meanwhile.

The generator (vegeta) begins requests at its rate, whether or not earlier ones are answered. A request that finds all
connections busy waits for one, and its latency includes the wait. At rate 0, a few workers each begin the next request
when the last one is answered.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hack.images import gotool

SATURATING_WORKERS: Final = 16
MOST_CONNECTIONS: Final = 64
"""At once. Without a limit one slow moment opens hundreds, and their handshakes would dominate the measurement."""
GRACE_SECONDS: Final = 60


class LoadError(Exception):
    """The load failed, or not all requests were answered. The text gives details."""


@dataclass(frozen=True)
class Memory:
    """The memory of a process, in MB (of 1,000,000 bytes)."""

    anonymous: float
    """Its private data."""
    resident: float
    """Including pages of files, which other processes may share."""


@dataclass(frozen=True)
class Load:
    """Requests to a server."""

    url: str
    rate: int
    """Requests a second; 0: as many as ``workers`` can."""
    seconds: float
    keep_alive: bool = True
    workers: int = SATURATING_WORKERS


@dataclass(frozen=True)
class Seen:
    """The results of a load."""

    rate: float
    """Answers a second."""
    p50: float
    """In milliseconds, as is ``p99``."""
    p99: float
    cpu: float
    """Seconds of CPU that the processes used for each answer."""
    memory: tuple[Memory, ...]
    """Of each process, in the middle of the load."""


def memory_of(pid: int) -> Memory:
    """Return the current memory of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kilobytes = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
    return Memory(kilobytes["Anonymous"] * 1.024e-3, kilobytes["Rss"] * 1.024e-3)


def cpu_of(pids: Iterable[int]) -> float:
    """Return the seconds of CPU that all live threads of processes have used so far."""
    tasks = (task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir())
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) * 1e-9


def put(load: Load, net: str, pids: Sequence[int], folder: Path) -> Seen:
    """Put a load on a server from a network namespace, and watch processes. Raises LoadError."""
    vegeta, results = str(gotool.build("vegeta")), folder / f"results-{os.urandom(4).hex()}"
    pace = [f"-rate={load.rate}", f"-duration={load.seconds}s", f"-keepalive={str(load.keep_alive).lower()}"]
    pace += [f"-max-connections={MOST_CONNECTIONS}"]
    if not load.rate:
        pace += [f"-workers={load.workers}", f"-max-workers={load.workers}"]
    # Bodies are read and discarded.
    attack = ["nsenter", f"--net=/run/netns/{net}", vegeta, "attack", *pace, "-max-body=0", f"-output={results}"]
    before = cpu_of(pids)
    with subprocess.Popen(attack, stdin=subprocess.PIPE, text=True) as attacking:
        assert attacking.stdin
        attacking.stdin.write(f"GET {load.url}\n")
        attacking.stdin.close()
        time.sleep(load.seconds / 2)
        memory = tuple(map(memory_of, pids))
        if attacking.wait(load.seconds + GRACE_SECONDS):
            raise LoadError(f"{attack} failed")
    cpu = cpu_of(pids) - before
    said = subprocess.run([vegeta, "report", "-type=json", str(results)], capture_output=True, text=True, check=True)
    results.unlink()
    report = json.loads(said.stdout)
    if report["success"] != 1:
        raise LoadError(f"{load}: {report['status_codes']} {report['errors'][:3]}")
    latencies = report["latencies"]
    p50, p99 = latencies["50th"] * 1e-6, latencies["99th"] * 1e-6
    return Seen(report["throughput"], p50, p99, cpu / report["requests"], memory)
