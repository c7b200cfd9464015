"""Start Envoy as a pod's sidecar: ``python -m sovereign_operator.sidecar --probe=http://:8080/healthz``.

It imports little, as it stands between a pod and its start, and it stays for no longer than it takes to write some
files: then this process is Envoy.
"""

import argparse
import json
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe, probe_ports
from sovereign_operator.dataplane import bootstrap
from sovereign_operator.dataplane.envoy import Json
from sovereign_operator.dataplane.keepalive import GIVE_UP_SOONER
from sovereign_operator.dataplane.memory import Budget

ENVOY: Final = "envoy"
MEMORY_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a container finds it, with cgroups of version 2 and 1."""
NO_LIMIT: Final = 1 << 60
"""Version 1 says a number of about this size where there is none."""
BOOTSTRAP: Final = f"{sidecar.RUN_FOLDER}/bootstrap.json"
DRAIN_SECONDS: Final = 5
"""How long a chain that goes keeps its connections: that of plaintext in Strict, or that of an exception."""


def command() -> list[str]:
    """Return what this process becomes."""
    options = {
        "--config-path": BOOTSTRAP,
        # Two threads share what a pod sends. Each has its own listeners and connections, which costs memory.
        "--concurrency": "2",
        "--drain-time-s": str(DRAIN_SECONDS),
        "--log-level": "warn",
        "--log-format": '{"time": "%Y-%m-%dT%T.%eZ", "level": "%l", "logger": "envoy.%n", "message": "%j"}',
    }
    # Envoy takes no --option=value.
    return [ENVOY, "--disable-hot-restart", *(word for option in options.items() for word in option)]


def kernel_knows(option: Json) -> bool:
    """Whether this node's kernel takes a socket option: Envoy would let a connection go that does not get its own."""
    with socket.socket() as asked:
        try:
            asked.setsockopt(option["level"], option["name"], option["int_value"])
        except OSError:
            return False
    return True


def memory_limit() -> int | None:
    """Return how much memory this container may use; None if nobody says so."""
    for path in MEMORY_LIMITS:
        with suppress(FileNotFoundError):
            found = path.read_text(encoding="ascii").strip()
            return int(found) if found.isdecimal() and int(found) < NO_LIMIT else None
    return None


def write(name: str, probes: Sequence[Probe], budget: Budget) -> None:
    """Write what Envoy reads, for a pod of that name."""
    started = bootstrap.bootstrap(name, probe_ports(probes), budget, give_up_sooner=kernel_knows(GIVE_UP_SOONER))
    files = {BOOTSTRAP: started, **bootstrap.secrets()}
    for path, content in files.items():
        Path(path).write_text(json.dumps(content), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the files, and become Envoy."""
    parser = argparse.ArgumentParser(prog="python -m sovereign_operator.sidecar", description=__doc__)
    parser.add_argument("--probe", action="append", default=[], type=Probe.parse, help="what a kubelet looks at")
    probes, limit = parser.parse_args(arguments).probe, memory_limit()
    if limit is not None and limit < sidecar.LEAST_MEMORY:
        sys.exit(f"{limit} bytes of memory are too few: give {sidecar.CONTAINER} {sidecar.LEAST_MEMORY} or more")
    write(socket.gethostname(), probes, Budget(limit))
    line = command()
    os.execvp(line[0], line)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
