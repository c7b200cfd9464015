"""Starts Envoy as a pod's sidecar: ``python -m sovereign_operator.sidecar --probe=http://:8080/healthz``.

The process writes Envoy's files, and then executes Envoy in its place. It imports little, because the pod waits for it.
"""

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe
from sovereign_operator.dataplane.memory import Budget
from sovereign_operator.sidecar.envoy_files import command, memory_limit, write


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
