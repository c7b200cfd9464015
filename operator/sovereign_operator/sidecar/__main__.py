"""Starts Envoy as a pod's sidecar: ``python -m sovereign_operator.sidecar --probe=http://:8080/healthz``.

The process writes Envoy's files, and then executes Envoy in its place. It imports little, because the pod waits for it.
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
"""The files with a container's memory limit, for cgroups of version 2 and 1."""
NO_LIMIT: Final = 1 << 60
"""Without a limit, version 1 reports a number of about this size or above."""
BOOTSTRAP: Final = f"{sidecar.RUN_FOLDER}/bootstrap.json"
DRAIN_SECONDS: Final = 5
"""How long a removed chain keeps its connections: that of plaintext in Strict, or that of an exception."""


def command() -> list[str]:
    """Return Envoy's command line."""
    options = {
        "--config-path": BOOTSTRAP,
        # Two threads share a pod's traffic. Each has its own listeners and connections, which cost memory.
        "--concurrency": "2",
        "--drain-time-s": str(DRAIN_SECONDS),
        "--log-level": "warn",
        "--log-format": '{"time": "%Y-%m-%dT%T.%eZ", "level": "%l", "logger": "envoy.%n", "message": "%j"}',
    }
    # Envoy takes no --option=value.
    return [ENVOY, "--disable-hot-restart", *(word for option in options.items() for word in option)]


def kernel_knows(option: Json) -> bool:
    """Whether the node's kernel supports a socket option. Envoy closes connections whose options it cannot set."""
    with socket.socket() as tried:
        try:
            tried.setsockopt(option["level"], option["name"], option["int_value"])
        except OSError:
            return False
    return True


def memory_limit() -> int | None:
    """Return the memory limit of this container in bytes; None if it has none."""
    for path in MEMORY_LIMITS:
        with suppress(FileNotFoundError):
            limit = path.read_text(encoding="ascii").strip()
            return int(limit) if limit.isdecimal() and int(limit) < NO_LIMIT else None
    return None


def write(name: str, probes: Sequence[Probe], budget: Budget) -> None:
    """Write the files that Envoy reads at its start. ``name`` is the pod's."""
    content = bootstrap.bootstrap(name, probe_ports(probes), budget, give_up_sooner=kernel_knows(GIVE_UP_SOONER))
    files = {BOOTSTRAP: content, **bootstrap.secrets()}
    for path, part in files.items():
        Path(path).write_text(json.dumps(part), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the files, and execute Envoy in place of this process. Exits if the memory limit is too low."""
    parser = argparse.ArgumentParser(prog="python -m sovereign_operator.sidecar", description=__doc__)
    parser.add_argument(
        "--probe", action="append", default=[], type=Probe.parse, help="a probe or hook of the application"
    )
    probes, limit = parser.parse_args(arguments).probe, memory_limit()
    if limit is not None and limit < sidecar.LEAST_MEMORY:
        sys.exit(f"{limit} bytes of memory are too few: give {sidecar.CONTAINER} {sidecar.LEAST_MEMORY} or more")
    write(socket.gethostname(), probes, Budget(limit))
    line = command()
    os.execvp(line[0], line)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
