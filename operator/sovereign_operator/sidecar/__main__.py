"""Starts Envoy as a pod's sidecar: ``python -m sovereign_operator.sidecar --probe=http://:8080/healthz``.

The process writes Envoy's files, and then executes another program in its place: Envoy, if a kubelet keeps the pod's
certificate. Otherwise there is a token of the pod, and the program is the supervisor, which gets the certificate from
the signer and stays beside Envoy. This process imports little, because the pod waits for it.
"""

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe
from sovereign_operator.dataplane.memory import BESIDE_ENVOY, Budget
from sovereign_operator.sidecar.envoy_files import command, memory_limit, write

TERMINATION_LOG: Final = "/dev/termination-log"
"""The kubelet shows in the pod's status what a container writes there."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the files, and execute Envoy or the supervisor. Exits if the memory limit is too low."""
    parser = argparse.ArgumentParser(prog="python -m sovereign_operator.sidecar", description=__doc__)
    parser.add_argument(
        "--probe", action="append", default=[], type=Probe.parse, help="a probe or hook of the application"
    )
    probes, limit = parser.parse_args(arguments).probe, memory_limit()
    if limit is not None and limit < sidecar.LEAST_MEMORY:
        sys.exit(f"{limit} bytes of memory are too few: give {sidecar.CONTAINER} {sidecar.LEAST_MEMORY} or more")
    name, identity, own = socket.gethostname(), sidecar.IDENTITY_FOLDER, sidecar.OWN_FOLDER
    if Path(identity, sidecar.TOKEN).exists():
        write(name, probes, Budget(limit, reserved=BESIDE_ENVOY), own)
        supervisor = [sys.executable, "-m", "sovereign_operator.sidecar.supervise", identity, own, TERMINATION_LOG]
        _become([*supervisor, *command()])
    write(name, probes, Budget(limit), identity)
    _become(command())


def _become(line: list[str]) -> None:
    os.execvp(line[0], line)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
