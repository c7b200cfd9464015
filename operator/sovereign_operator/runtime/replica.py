"""Options that every long-running process has: where it runs, its Lease, its port, its log level."""

import argparse
import os
import socket
from dataclasses import dataclass

from sovereign_operator.core.names import SYSTEM_NAMESPACES


@dataclass(frozen=True)
class Replica:
    """The common options of one replica of a process."""

    namespace: str
    """The operator's namespace, with its Leases and the service accounts that stand for policies."""
    identity: str
    """The holder name in Leases: the pod name by default."""
    system_namespaces: frozenset[str]
    """Namespaces that are never in scope, including the operator's own."""
    lease_seconds: int
    port: int
    """The port of /healthz, /readyz and /metrics."""
    log_level: str


def options(prog: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that every process has. Namespace and pod name come from the environment."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--namespace", default=os.environ.get("POD_NAMESPACE"), help="default: $POD_NAMESPACE")
    parser.add_argument("--identity", default=os.environ.get("POD_NAME") or socket.gethostname())
    parser.add_argument("--system-namespaces", default=",".join(sorted(SYSTEM_NAMESPACES)), help="comma-separated")
    parser.add_argument("--lease-seconds", type=int, default=15, help="at least 5")
    parser.add_argument("--port", type=int, default=8080, help="of /healthz, /readyz and /metrics")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], default="info")
    return parser


def replica(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Replica:
    """Return the common options. Exits with an error message if the namespace is missing."""
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
