"""The objects that we write about workloads, rendered from scratch each time."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from sovereign_operator.api.v1alpha1 import GROUP, VERSION
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind, WorkloadTemplate
from sovereign_operator.core import names
from sovereign_operator.core.workload.facts import LastWrite

API_VERSIONS: Final = {
    WorkloadKind.DEPLOYMENT: "apps/v1",
    WorkloadKind.STATEFUL_SET: "apps/v1",
    WorkloadKind.DAEMON_SET: "apps/v1",
    WorkloadKind.JOB: "batch/v1",
    WorkloadKind.CRON_JOB: "batch/v1",
}

PLURALS: Final = {
    WorkloadKind.DEPLOYMENT: "deployments",
    WorkloadKind.STATEFUL_SET: "statefulsets",
    WorkloadKind.DAEMON_SET: "daemonsets",
    WorkloadKind.JOB: "jobs",
    WorkloadKind.CRON_JOB: "cronjobs",
}


def pod_template_path(kind: WorkloadKind) -> tuple[str, ...]:
    """Return where a workload of this kind keeps its pod template."""
    return ("spec", "jobTemplate", "spec", "template") if kind is WorkloadKind.CRON_JOB else ("spec", "template")


def adoption(kind: WorkloadKind, namespace: str, name: str, uid: str, policy: str) -> dict[str, Any]:
    """Return the one label that we apply to a workload of others, twice.

    The uid keeps the apply from creating an object, should the workload be gone by now.
    """
    label = {"metadata": {"labels": {names.POLICY_LABEL: policy}}}
    manifest = _identity(kind, namespace, name, uid) | _nested(pod_template_path(kind), label)
    manifest["metadata"]["labels"] = {names.POLICY_LABEL: policy}
    return manifest


def release(kind: WorkloadKind, namespace: str, name: str, uid: str) -> dict[str, Any]:
    """Return the body that releases a workload: an apply without fields removes all fields that we applied."""
    return _identity(kind, namespace, name, uid)


def unlabelled(kind: WorkloadKind, uid: str) -> dict[str, Any]:
    """Return a merge patch that removes our label from a workload and its pod template; a Job's template stays."""
    label: dict[str, Any] = {"metadata": {"labels": {names.POLICY_LABEL: None}}}
    patch = {} if kind is WorkloadKind.JOB else _nested(pod_template_path(kind), label)
    own = {"uid": uid, "annotations": {names.RENDERED_ANNOTATION: None}}
    return patch | {"metadata": label["metadata"] | own}


def owned(
    template: WorkloadTemplate, *, namespace: str, name: str, owner_uid: str, policy: str, scaled: bool = False
) -> dict[str, Any]:
    """Return the workload that a SovereignWorkload owns, with our label on it and on its pods.

    One of its annotations stands for all of it. What a user took out of the template would otherwise be in the
    live object with nothing to tell that it has to go. Where an autoscaler has ``scaled`` it, the replica count
    is left out.
    """
    spec = _labelled(template.spec, pod_template_path(template.kind)[1:], policy)
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "labels": {**template.metadata.labels, names.POLICY_LABEL: policy},
        "annotations": dict(template.metadata.annotations),
        "ownerReferences": [
            {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": "SovereignWorkload",
                "name": name,
                "uid": owner_uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }
    manifest = {
        "apiVersion": API_VERSIONS[template.kind],
        "kind": template.kind.value,
        "metadata": metadata,
        "spec": spec,
    }
    content = json.dumps(manifest, sort_keys=True).encode()
    metadata["annotations"][names.RENDERED_ANNOTATION] = hashlib.sha256(content).hexdigest()[:16]
    if scaled:
        spec.pop("replicas", None)
    return manifest


def digest_of(manifest: Mapping[str, Any]) -> str:
    """Return what stands for a workload as it was rendered: 16 hexadecimal digits."""
    return str(manifest["metadata"]["annotations"][names.RENDERED_ANNOTATION])


def stands(live: Mapping[str, Any], wanted: Mapping[str, Any], last: LastWrite | None) -> bool:
    """Whether a live workload is as we last wrote it, so that nothing needs to be written.

    The API server keeps templates in a form of its own (a quantity of 1024Mi as 1Gi, an empty list not at all), so that
    they cannot be compared field by field. Each change of a spec, by any client, adds one to its generation instead.
    """
    metadata = live["metadata"]
    if last and (last.uid, last.content, last.generation) == (
        metadata["uid"],
        digest_of(wanted),
        metadata.get("generation"),
    ):
        return holds(metadata, wanted["metadata"])
    return holds(live, wanted)


def holds(live: Any, wanted: Any) -> bool:
    """Whether a live object has all that we want of it. What the server or others added does not count."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(key in live and holds(live[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(holds, live, wanted))
    return bool(live == wanted)


def _identity(kind: WorkloadKind, namespace: str, name: str, uid: str) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name, "uid": uid}
    return {"apiVersion": API_VERSIONS[kind], "kind": kind.value, "metadata": metadata}


def _nested(path: tuple[str, ...], leaf: dict[str, Any]) -> dict[str, Any]:
    for key in reversed(path):
        leaf = {key: leaf}
    return leaf


def _labelled(spec: Any, path: tuple[str, ...], policy: str) -> dict[str, Any]:
    """Copy a spec with our label on the pod template at this path, whatever else is malformed in it."""
    copy = _mapping(spec)
    if path:
        return copy | {path[0]: _labelled(copy.get(path[0]), path[1:], policy)}
    metadata = _mapping(copy.get("metadata"))
    labels = _mapping(metadata.get("labels")) | {names.POLICY_LABEL: policy}
    return copy | {"metadata": metadata | {"labels": labels}}


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
