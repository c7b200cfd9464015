"""Starts Envoy as a pod's sidecar: ``python -m sovereign_operator.sidecar --probe=http://:8080/healthz``.

The process writes Envoy's files, and then executes another program in its place: Envoy, if a kubelet keeps the pod's
certificate. Otherwise there is a token of the pod, and the program is the supervisor, which gets the certificate from
the signer and stays beside Envoy. This process imports little, because the pod waits for it.

If the node's kernel has no IPv6, a further process keeps a copy of the listeners for Envoy (ipv4.py).
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
from sovereign_operator.dataplane.memory import BESIDE_ENVOY, FOLLOWER, Budget
from sovereign_operator.sidecar import ipv4
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
    # Not so if the node was booted with ipv6.disable=1, or if its kernel was built without IPv6. The setting
    # net.ipv6.conf.all.disable_ipv6 only removes addresses.
    ipv6 = socket.has_dualstack_ipv6()
    by_token = Path(identity, sidecar.TOKEN).exists()
    reserved = (BESIDE_ENVOY if by_token else 0) + (0 if ipv6 else FOLLOWER)
    write(name, probes, Budget(limit, reserved=reserved), own if by_token else identity, ipv6=ipv6)
    if not ipv6:
        _follow_listeners()
    if by_token:
        supervisor = [sys.executable, "-m", "sovereign_operator.sidecar.supervise", identity, own, TERMINATION_LOG]
        _become([*supervisor, *command()])
    _become(command())


def _follow_listeners() -> None:
    """Copy the listeners for Envoy, and start the process that keeps the copy up to date."""
    source, target = (f"{folder}/{sidecar.LISTENERS}" for folder in (sidecar.TRANSIT_FOLDER, sidecar.IPV4_FOLDER))
    Path(sidecar.IPV4_FOLDER).mkdir(exist_ok=True)
    ipv4.copy(source, target)
    line = [sys.executable, "-m", "sovereign_operator.sidecar.ipv4", source, target]
    os.posix_spawn(line[0], line, os.environ)


def _become(line: list[str]) -> None:
    os.execvp(line[0], line)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
