"""The processes of a cluster: start them in its namespaces, identify them later, end them.

A process id alone is ambiguous, since ids are reused. Together with the process's start time and the machine's boot id
it identifies one process. All of a cluster's processes also carry its folder in their environment: this is how ``down``
finds a process that was started but not yet recorded when its starter was killed.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hack.cluster.errors import ClusterError
from hack.cluster.paths import replace_text

MARKER = "SOVEREIGN_CLUSTER"
"""The environment variable that holds the cluster's folder in each of its processes."""

_HELPER = Path(__file__).with_name("namespaces.py")
_STAT_START_TIME = 19  # of the fields that follow the program's name in /proc/PID/stat
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Process:
    """One process of this machine, past or present. ``started`` is in clock ticks since the boot."""

    pid: int
    started: int
    boot: str

    @classmethod
    def identify(cls, pid: int) -> "Process | None":
        """Return the process that has this id now; None if there is none or it is only a zombie."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        if fields[0] in "ZX":
            return None
        return cls(pid, int(fields[_STAT_START_TIME]), _read_boot())

    @classmethod
    def load(cls, path: Path) -> "Process | None":
        """Return the process that a file names, None if there is no such file or the process has ended."""
        try:
            saved = cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        return saved if saved.is_running() else None

    def save(self, path: Path) -> None:
        """Record the process for later programs."""
        replace_text(path, json.dumps(asdict(self)))

    def is_running(self) -> bool:
        """Return whether exactly this process is still running."""
        return Process.identify(self.pid) == self

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Have the process do nothing for a while, which has to be short: others wait for it."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def stop(self, signals: Iterable[signal.Signals], patience: float) -> None:
        """Send the signals one after the other; after each, give the process ``patience`` seconds to end.

        Raises ClusterError if the process outlives them all.
        """
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        with contextlib.closing(os.fdopen(descriptor)):
            if not self.is_running():  # checked last: the open descriptor always refers to the same process
                return
            ended = select.poll()
            ended.register(descriptor, select.POLLIN)
            for number in signals:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, number)
                if ended.poll(patience * 1000):
                    return
        raise ClusterError(f"process {self.pid} did not end on {', '.join(number.name for number in signals)}")


def _read_boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def find_marked(folder: Path) -> list[Process]:
    """Return all running processes that carry this cluster folder in their environment."""
    wanted = f"{MARKER}={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(Process.identify(int(entry.name)))
    return [process for process in found if process]


def hold_namespaces(
    folder: Path,
    namespaces: Sequence[str],
    *,
    inside: Process | None = None,
    mounts: Sequence[Mapping[str, str]] = (),
    sysctls: Mapping[str, str] | None = None,
    hostname: str = "",
) -> Process:
    """Start the holder of new namespaces; see namespaces.py. Raises ClusterError with the kernel's reason."""
    request = {
        "do": "hold",
        "inside": inside.pid if inside else 0,
        "namespaces": list(namespaces),
        "mounts": [dict(mount) for mount in mounts],
        "sysctls": dict(sysctls or {}),
        "hostname": hostname,
    }
    return _request(request, folder, [])


def start(
    folder: Path,
    argv: Sequence[str],
    *,
    inside: Process,
    namespaces: Sequence[str],
    log: Path,
    path: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start a program in a holder's namespaces. ``path`` is put before the system's PATH.

    Raises ClusterError if the program cannot be executed; if it ends later, its log says why.
    """
    request = {
        "do": "run",
        "inside": inside.pid,
        "namespaces": list(namespaces),
        "log": str(log),
        "argv": list(argv),
    }
    return _request(request, folder, path, environment)


def _request(
    request: Mapping[str, Any], folder: Path, path: Sequence[str], environment: Mapping[str, str] | None = None
) -> Process:
    """Send a request to the helper program, in an environment that inherits nothing from the caller's."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(_HELPER)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        env={MARKER: str(folder), "PATH": ":".join([*path, _SYSTEM_PATH]), **(environment or {})},
    )
    process = Process.identify(int(done.stdout)) if done.stdout else None
    if process is None:
        what = " ".join(request.get("argv") or request["namespaces"])
        lines = done.stderr.strip().splitlines() or ["it ended at once"]
        raise ClusterError(f"cannot start {what}: {lines[-1]}")
    return process
