"""What the chart tells the controller, as command-line options."""

import argparse
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sovereign_operator.core.guards import Guards
from sovereign_operator.core.names import SYSTEM_NAMESPACES


@dataclass(frozen=True)
class Settings:
    """How this replica runs."""

    namespace: str
    """Where the operator is installed: its Lease is here, and the service accounts that stand for policies."""
    identity: str
    """Name of this replica, as the Lease shows it."""
    system_namespaces: frozenset[str]
    """Never in scope, this one's own among them."""
    guards: Guards
    """Our admission policies and their bindings, as the chart installed them."""
    lease_seconds: int
    port: int
    log_level: str


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the options. The namespace and the pod's name come from the environment."""
    parser = argparse.ArgumentParser(prog="sovereign-controller", description=__doc__)
    parser.add_argument("--namespace", default=os.environ.get("POD_NAMESPACE"), help="default: $POD_NAMESPACE")
    parser.add_argument("--identity", default=os.environ.get("POD_NAME") or socket.gethostname())
    parser.add_argument("--system-namespaces", default=",".join(sorted(SYSTEM_NAMESPACES)), help="comma-separated")
    parser.add_argument("--guards", type=read_guards, required=True, help="file with the chart's admission policies")
    parser.add_argument("--lease-seconds", type=int, default=15, help="at least 5")
    parser.add_argument("--port", type=int, default=8080, help="of /healthz, /readyz and /metrics")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], default="info")
    given = parser.parse_args(arguments)
    if not given.namespace:
        parser.error("say which namespace the operator is installed in: --namespace or $POD_NAMESPACE")
    system = frozenset(filter(None, given.system_namespaces.split(",")))
    return Settings(
        given.namespace,
        given.identity,
        system | {given.namespace},
        given.guards,
        given.lease_seconds,
        given.port,
        given.log_level,
    )


def read_guards(path: str) -> Guards:
    """Read the admission policies and bindings that the chart installed: a JSON list of them."""
    objects = json.loads(Path(path).read_text(encoding="utf-8"))
    return {(obj["kind"], obj["metadata"]["name"]): obj["spec"] for obj in objects}
