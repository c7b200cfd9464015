"""Clusters on which no process of the operator runs, or one of them does not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from hack.install import NAMESPACE
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.observed import leader

OURS = ("-n", NAMESPACE)


@contextmanager
def all_stopped(admin: Kubectl) -> Iterator[None]:
    """End every process of the operator, and start all of them again at the end."""
    replicas = {found["metadata"]["name"]: found["spec"]["replicas"] for found in admin.list("deployments", NAMESPACE)}
    agents = [found["metadata"]["name"] for found in admin.list("daemonsets", NAMESPACE)]
    try:
        admin.run(*OURS, "scale", "deployment", *replicas, "--replicas=0")
        for name in agents:
            _patch_selector(admin, name, {"example.org/no-node-has": "this-label"})
        eventually(lambda: not _unfinished(admin), what="no process of the operator")
        yield
    finally:
        for name, count in replicas.items():
            admin.run(*OURS, "scale", "deployment", name, f"--replicas={count}")
        for name in agents:
            _patch_selector(admin, name, None)
        for name in (*(f"deployment/{name}" for name in replicas), *(f"daemonset/{name}" for name in agents)):
            admin.run(*OURS, "rollout", "status", name, "--timeout=90s")
        eventually(lambda: leader(admin), what="a controller that leads")


@contextmanager
def without(admin: Kubectl, process: str) -> Iterator[None]:
    """Stop all replicas of a process, such as ``signer``, and start them again at the end."""
    deployment = f"deployment/sovereign-{process}"
    admin.run(*OURS, "scale", deployment, "--replicas=0")
    try:
        selector = f"app.kubernetes.io/component={process}"
        admin.run(*OURS, "wait", "pods", "-l", selector, "--for=delete", "--timeout=60s")
        yield
    finally:
        admin.run(*OURS, "scale", deployment, "--replicas=2")
        admin.run(*OURS, "rollout", "status", deployment, "--timeout=90s")


def _unfinished(admin: Kubectl) -> list[str]:
    """Return the pods whose processes may run. One that is being deleted still answers; those of Jobs have ended."""
    found = admin.list("pods", NAMESPACE)
    return [one["metadata"]["name"] for one in found if one["status"].get("phase") not in {"Succeeded", "Failed"}]


def _patch_selector(admin: Kubectl, daemon_set: str, selector: dict[str, str] | None) -> None:
    patch = {"spec": {"template": {"spec": {"nodeSelector": selector}}}}
    admin.run(*OURS, "patch", "daemonset", daemon_set, "-p", json.dumps(patch))
