"""Small workloads for tests, and how to start them."""

from typing import Any

from hack.kubectl import Json, Kubectl

IMAGE = "docker.io/library/busybox:latest"
NOBODY = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0a1b2c3d-0000-4000-8000-000000000000"}
"""An owner that does not exist: the garbage collector deletes its dependents."""
KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")

_VERSIONS = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
}


def pod_spec(**spec: Any) -> Json:
    """Return the spec of a pod that runs until it receives SIGTERM, and then stops at once."""
    container = {
        "name": "idle",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"],
    }
    return {"containers": [container], "terminationGracePeriodSeconds": 1, **spec}


def pod(name: str, *, labels: dict[str, str] | None = None, **spec: Any) -> Json:
    """Return a pod."""
    metadata = {"name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(**spec)}


def workload(kind: str, name: str, replicas: int = 2, **spec: Any) -> Json:
    """Return a workload of any kind, with this number of pods where the kind has such a field."""
    return {
        "apiVersion": _VERSIONS[kind],
        "kind": kind,
        "metadata": {"name": name},
        "spec": workload_spec(kind, name, replicas, **spec),
    }


def workload_spec(kind: str, name: str, replicas: int = 2, **spec: Any) -> Json:
    """Return a workload's spec."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec(**spec)}
    batch = {"metadata": {"labels": labels}, "spec": pod_spec(restartPolicy="Never", **spec)}
    match kind:
        case "Deployment":
            return {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        case "StatefulSet":
            return {
                "replicas": replicas,
                "serviceName": name,
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": labels},
                "template": template,
            }
        case "DaemonSet":
            template["spec"]["tolerations"] = [{"operator": "Exists"}]
            return {"selector": {"matchLabels": labels}, "template": template}
        case "Job":
            return {"parallelism": replicas, "completions": replicas, "template": batch}
        case "CronJob":
            return {"schedule": "0 3 1 1 *", "jobTemplate": {"spec": {"parallelism": replicas, "template": batch}}}
        case _:
            raise ValueError(kind)


def sovereign(name: str, *, policy: str | None = None, **spec: Any) -> Json:
    """Return a SovereignWorkload; ``spec`` contains workloadRef, template or podSelector."""
    named = {"policyRef": {"name": policy}} if policy else {}
    return {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "SovereignWorkload",
        "metadata": {"name": name},
        "spec": named | spec,
    }


def trigger(admin: Kubectl, kind: str, namespace: str, name: str) -> None:
    """Start a CronJob now; other kinds start by themselves."""
    if kind == "CronJob":
        admin.run("-n", namespace, "create", "job", f"{name}-now", f"--from=cronjob/{name}")
