"""Where this replica runs, and how it shows itself: options that every process has."""

import argparse
import logging
import os
import socket
import sys
from dataclasses import dataclass

from pythonjsonlogger.json import JsonFormatter

from sovereign_operator.core.names import SYSTEM_NAMESPACES


@dataclass(frozen=True)
class Replica:
    """One process of ours."""

    namespace: str
    """Where the operator is installed: its Leases are here, and the service accounts that stand for policies."""
    identity: str
    """Name of this replica, as a Lease shows it."""
    system_namespaces: frozenset[str]
    """Never in scope, the operator's own among them."""
    lease_seconds: int
    port: int
    """Of /healthz, /readyz and /metrics."""
    log_level: str


def options(prog: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of what the chart tells every process. Namespace and pod name come from the environment."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--namespace", default=os.environ.get("POD_NAMESPACE"), help="default: $POD_NAMESPACE")
    parser.add_argument("--identity", default=os.environ.get("POD_NAME") or socket.gethostname())
    parser.add_argument("--system-namespaces", default=",".join(sorted(SYSTEM_NAMESPACES)), help="comma-separated")
    parser.add_argument("--lease-seconds", type=int, default=15, help="at least 5")
    parser.add_argument("--port", type=int, default=8080, help="of /healthz, /readyz and /metrics")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], default="info")
    return parser


def replica(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Replica:
    """Read the common options. Ends the process with a word to whoever started it if one is missing."""
    if not given.namespace:
        parser.error("say which namespace the operator is installed in: --namespace or $POD_NAMESPACE")
    return Replica(
        namespace=given.namespace,
        identity=given.identity,
        system_namespaces=frozenset(filter(None, given.system_namespaces.split(","))) | {given.namespace},
        lease_seconds=given.lease_seconds,
        port=given.port,
        log_level=given.log_level,
    )


def log_as_json(level: str) -> None:
    """Log to standard error, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter("{levelname}{name}{message}", style="{", rename_fields={"levelname": "severity"}, timestamp=True)
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
