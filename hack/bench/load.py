"""Open-loop load on an HTTP server, and what processes use meanwhile.

The generator (vegeta) begins requests at its rate, whether or not earlier ones are answered. A request that finds all
connections busy waits for one, and its latency includes the wait. At rate 0, a few workers each begin the next request
when the last one is answered.
"""

import json
import os
import resource
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
_STAT: Final = Path("/proc/stat")


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
class Credentials:
    """Files (PEM) by which a server knows its client, and the client its server."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class Load:
    """Requests to a server."""

    url: str
    rate: int
    """Requests a second; 0: as many as ``workers`` can."""
    seconds: float
    keep_alive: bool = True
    workers: int = SATURATING_WORKERS
    body: str = ""
    """JSON that each request posts; without it, requests are GET."""
    credentials: Credentials | None = None
    """For TLS. The workers then share one connection, by HTTP/2, as those of a Kubernetes client do."""


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
    client: float
    """Seconds of CPU that the generator used for each answer."""
    others: float
    """How many CPUs all other programs used meanwhile, and other machines on the same host."""


def memory_of(pid: int) -> Memory:
    """Return the current memory of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kilobytes = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
    return Memory(kilobytes["Anonymous"] * 1.024e-3, kilobytes["Rss"] * 1.024e-3)


def cpu_of(pids: Iterable[int]) -> float:
    """Return the seconds of CPU that all live threads of processes have used so far."""
    tasks = (task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir())
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) * 1e-9


def put(load: Load, net: str, pids: Sequence[int], folder: Path, *, weigh: bool = True) -> Seen:
    """Put a load on a server from a network namespace, and watch processes. Raises LoadError.

    ``net``: empty for this machine's own. ``weigh``: whether to read the memory of the processes, which holds up large
    ones for some milliseconds.
    """
    vegeta, results = str(gotool.build("vegeta")), folder / f"results-{os.urandom(4).hex()}"
    inside = ["nsenter", f"--net=/run/netns/{net}"] if net else []
    # Bodies of answers are read and discarded.
    attack = [*inside, vegeta, "attack", *_pace(load), *_tls(load), "-max-body=0", f"-output={results}"]
    before, client, all_before, begun = cpu_of(pids), _cpu_of_ended(), _cpu_of_all(), time.perf_counter()
    with subprocess.Popen(attack, stdin=subprocess.PIPE, text=True) as attacking:
        assert attacking.stdin
        attacking.stdin.write(_target(load, folder))
        attacking.stdin.close()
        memory: tuple[Memory, ...] = ()
        if weigh:
            time.sleep(load.seconds / 2)
            memory = tuple(map(memory_of, pids))
        if attacking.wait(load.seconds + GRACE_SECONDS):
            raise LoadError(f"{attack} failed")
    cpu, client, seconds = cpu_of(pids) - before, _cpu_of_ended() - client, time.perf_counter() - begun
    others = max(0.0, _cpu_of_all() - all_before - cpu - client) / seconds
    said = subprocess.run([vegeta, "report", "-type=json", str(results)], capture_output=True, text=True, check=True)
    results.unlink()
    report = json.loads(said.stdout)
    if report["success"] != 1:
        raise LoadError(f"{load}: {report['status_codes']} {report['errors'][:3]}")
    latencies, answers = report["latencies"], report["requests"]
    p50, p99 = latencies["50th"] * 1e-6, latencies["99th"] * 1e-6
    return Seen(report["throughput"], p50, p99, cpu / answers, memory, client / answers, others)


def _pace(load: Load) -> list[str]:
    pace = [f"-rate={load.rate}", f"-duration={load.seconds}s", f"-keepalive={str(load.keep_alive).lower()}"]
    pace += [f"-max-connections={MOST_CONNECTIONS}"]
    if not load.rate:
        pace += [f"-workers={load.workers}", f"-max-workers={load.workers}"]
    return pace


def _tls(load: Load) -> list[str]:
    if not (ours := load.credentials):
        return []
    return [f"-cert={ours.certificate}", f"-key={ours.key}", f"-root-certs={ours.authority}"]


def _target(load: Load, folder: Path) -> str:
    if not load.body:
        return f"GET {load.url}\n"
    body = folder / "body.json"
    body.write_text(load.body, encoding="utf-8")
    return f"POST {load.url}\nContent-Type: application/json\n@{body}\n"


def _cpu_of_ended() -> float:
    """Return the seconds of CPU that this program's children have used that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_of_all() -> float:
    """Return the seconds in which the CPUs were not idle so far."""
    user, nice, system, _idle, _wait, *interrupts_and_stolen = map(int, _STAT.read_text(encoding="ascii").split()[1:9])
    return (user + nice + system + sum(interrupts_and_stolen)) / os.sysconf("SC_CLK_TCK")
