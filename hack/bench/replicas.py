"""Replicas of the operator's processes: their number, and their metrics."""

from collections.abc import Iterator
from contextlib import contextmanager

from hack import estate
from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually


def pods(admin: Kubectl, component: str) -> list[Json]:
    """Return the pods of a process, for example ``signer``."""
    return admin.list("pods", NAMESPACE, f"app.kubernetes.io/component={component}")


def metrics(cluster: Cluster, pod: Json) -> dict[str, float]:
    """Return the metrics of one of the operator's pods, by name and labels."""
    curl = ["curl", "--silent", "--fail", f"http://{pod['status']['podIP']}:8080/metrics"]
    lines = cluster.node_exec(estate.REFUSED[0], curl).stdout.splitlines()
    shown = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in shown}


def scale(admin: Kubectl, component: str, replicas: int) -> None:
    """Scale to this number, and wait until all are ready and there are no others."""
    deployment = f"sovereign-{component}"
    admin.run("-n", NAMESPACE, "scale", "deployment", deployment, f"--replicas={replicas}")
    admin.run("-n", NAMESPACE, "rollout", "status", f"deployment/{deployment}", "--timeout=3m")
    eventually(lambda: len(pods(admin, component)) == replicas, what=f"{replicas} of {deployment}")


@contextmanager
def restored(admin: Kubectl, component: str) -> Iterator[None]:
    """Restore the number of replicas at the end."""
    before = admin.get("deployment", f"sovereign-{component}", NAMESPACE)["spec"]["replicas"]
    try:
        yield
    finally:
        scale(admin, component, before)
