"""Start Envoy as a pod's sidecar: ``python -m sovereign_operator.sidecar --probe=http://:8080/healthz``.

It imports little, as it stands between a pod and its start, and it stays for no longer than it takes to write some
files: then this process is Envoy.
"""

import argparse
import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sovereign_operator.core import sidecar
from sovereign_operator.core.sidecar import Probe, probe_ports
from sovereign_operator.dataplane import bootstrap
from sovereign_operator.dataplane.envoy import Json
from sovereign_operator.dataplane.keepalive import GIVE_UP_SOONER

ENVOY: Final = "envoy"
BOOTSTRAP: Final = f"{sidecar.RUN_FOLDER}/bootstrap.json"
DRAIN_SECONDS: Final = 5
"""How long a chain that changes keeps its connections. No change of mode changes one."""


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


def write(name: str, probes: Sequence[Probe]) -> None:
    """Write what Envoy reads, for a pod of that name."""
    started = bootstrap.bootstrap(name, probe_ports(probes), give_up_sooner=kernel_knows(GIVE_UP_SOONER))
    files = {BOOTSTRAP: started, **bootstrap.secrets()}
    for path, content in files.items():
        Path(path).write_text(json.dumps(content), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the files, and become Envoy."""
    parser = argparse.ArgumentParser(prog="python -m sovereign_operator.sidecar", description=__doc__)
    parser.add_argument("--probe", action="append", default=[], type=Probe.parse, help="what a kubelet looks at")
    write(socket.gethostname(), parser.parse_args(arguments).probe)
    line = command()
    os.execvp(line[0], line)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
