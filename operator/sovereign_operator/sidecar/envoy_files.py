"""What Envoy is started with: its command line, and the files that it reads at its start."""

import json
import socket
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
from sovereign_operator.sidecar.ipv4 import by_ipv4

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


def write(name: str, probes: Sequence[Probe], budget: Budget, credentials: str, *, ipv6: bool = True) -> None:
    """Write the files that Envoy reads at its start.

    ``name`` is the pod's; ``credentials`` is the folder with its key and certificate. ``ipv6``: whether the kernel has
    IPv6. If not, Envoy reads its listeners from IPV4_FOLDER.
    """
    transit = sidecar.TRANSIT_FOLDER if ipv6 else sidecar.IPV4_FOLDER
    sooner = kernel_knows(GIVE_UP_SOONER)
    content = bootstrap.bootstrap(name, probe_ports(probes), budget, give_up_sooner=sooner, transit=transit)
    files = {BOOTSTRAP: content, **bootstrap.secrets(credentials)}
    for path, part in files.items():
        text = json.dumps(part)
        Path(path).write_text(text if ipv6 else by_ipv4(text), encoding="utf-8")
