"""Reads the API server's audit log: which requests a process of the operator sent, in the order of their answers.

It holds metadata alone: https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
OF_A_POD = "authentication.kubernetes.io/pod-name"
VIOLATIONS = "validation.policy.admission.k8s.io/validation_failure"
"""The annotation of a request that fails validations with the action Audit."""


def position(cluster: Cluster) -> int:
    """Return where the log ends now, in bytes."""
    return cluster.audit_log.stat().st_size


def requests_of(cluster: Cluster, account: str, since: int = 0) -> list[Json]:
    """Return the requests of a service account of the operator after a position, sent by its pods.

    Those that a test sent with the account's token are left out.
    """
    user = f"system:serviceaccount:{NAMESPACE}:{account}"
    return [
        entry
        for entry in entries(cluster, since, user)
        if entry["user"]["username"] == user and OF_A_POD in entry["user"].get("extra", {})
    ]


def entries(cluster: Cluster, since: int = 0, words: str = "") -> list[Json]:
    """Return the requests after a position whose record contains these words."""
    with cluster.audit_log.open(encoding="utf-8") as log:
        log.seek(since)
        # The API server may still be writing the last line.
        return [json.loads(line) for line in log if words in line and line.endswith("\n")]


def writes_in(requests: Iterable[Json], *, besides: frozenset[str] = frozenset({"leases"})) -> list[Json]:
    """Return those of some requests that write something, but to the resources in ``besides``."""
    return [entry for entry in requests if entry["verb"] in WRITES and target(entry) not in besides]


def target(entry: Json) -> str:
    """Return what a request is about: ``sovereignworkloads/status``; its path if that is no resource."""
    what = entry.get("objectRef")
    if not what:
        return str(entry["requestURI"].partition("?")[0])
    return "/".join(filter(None, (what["resource"], what.get("subresource"))))


def group(entry: Json) -> str:
    """Return the API group of what a request is about; empty for the core group, and if that is no resource."""
    return str(entry.get("objectRef", {}).get("apiGroup", ""))


def received(entry: Json) -> datetime:
    """Return when the API server received a request."""
    return datetime.fromisoformat(entry["requestReceivedTimestamp"])


def answered(entry: Json) -> datetime:
    """Return when the API server answered a request."""
    return datetime.fromisoformat(entry["stageTimestamp"])


def silent_for(requests: Iterable[Json]) -> float:
    """Return for how many seconds none of these requests was answered; infinity if there is none."""
    last = max(map(answered, requests), default=None)
    return (datetime.now(UTC) - last).total_seconds() if last else float("inf")
