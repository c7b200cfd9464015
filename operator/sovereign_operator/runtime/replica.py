"""Where this replica runs, and how it shows itself: options that every process has."""

import argparse
import logging
import os
import socket
import sys
from dataclasses import dataclass

from pythonjsonlogger.json import JsonFormatter


@dataclass(frozen=True)
class Replica:
    """One process of ours."""

    namespace: str
    """Where the operator is installed: its Leases are here, and the service accounts that stand for policies."""
    identity: str
    """Name of this replica, as a Lease shows it."""
    lease_seconds: int
    port: int
    """Of /healthz, /readyz and /metrics."""
    log_level: str


def options(prog: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of what the chart tells every process. Namespace and pod name come from the environment."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--namespace", default=os.environ.get("POD_NAMESPACE"), help="default: $POD_NAMESPACE")
    parser.add_argument("--identity", default=os.environ.get("POD_NAME") or socket.gethostname())
    parser.add_argument("--lease-seconds", type=int, default=15, help="at least 5")
    parser.add_argument("--port", type=int, default=8080, help="of /healthz, /readyz and /metrics")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], default="info")
    return parser


def replica(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Replica:
    """Read the common options. Ends the process with a word to whoever started it if one is missing."""
    if not given.namespace:
        parser.error("say which namespace the operator is installed in: --namespace or $POD_NAMESPACE")
    return Replica(given.namespace, given.identity, given.lease_seconds, given.port, given.log_level)


def log_as_json(level: str) -> None:
    """Log to standard error, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter("{levelname}{name}{message}", style="{", rename_fields={"levelname": "severity"}, timestamp=True)
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
