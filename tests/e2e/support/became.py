"""What became of workloads: read from the cluster, with nothing of what the operator or its client decides."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hack.kubectl import Json, Kubectl

Key = tuple[str, str]
"""A namespace, and a workload as Kind/name: whatever has pods created, or a pod by itself."""

KINDS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob")
LOOKED_AT: Final = {"Unschedulable", "SchedulingGated"}
ENDED: Final = {"Succeeded", "Failed"}
OURS: Final = "sovereignty"
"""A part of each refusal of the operator's guards and of its injector."""


@dataclass(frozen=True)
class Scene:
    """The workloads of some namespaces at one moment."""

    workloads: Mapping[Key, Json]
    """Those that no other one owns."""
    pods: Mapping[Key, list[Json]]
    """Their pods that have not ended; also those of owners of other kinds, and of none."""
    refusals: Mapping[Key, list[str]]
    """What the API server answered when their controllers could not create pods."""

    @property
    def keys(self) -> set[Key]:
        """All workloads."""
        return {*self.workloads, *self.pods}

    def unsettled(self) -> list[Key]:
        """Return the workloads that have not got as far as they can."""
        return sorted(key for key in self.keys if not self._has_settled(key))

    def _has_settled(self, key: Key) -> bool:
        pods, workload = self.pods.get(key, []), self.workloads.get(key)
        if not all(map(_is_looked_at, pods)):
            return False
        if workload is None or workload["kind"] == "CronJob" or self.refusals.get(key):
            return True
        return len(pods) == _wanted(workload) or _is_held_up(workload, pods)


def look(admin: Kubectl, namespaces: Collection[str], *, without: Collection[str] = ()) -> Scene:
    """Return what is there, but for the pods with the uids ``without``."""
    found = [obj for kind in KINDS for obj in admin.list(kind) if obj["metadata"]["namespace"] in namespaces]
    owners = {obj["metadata"]["uid"]: obj for obj in found}
    pods: defaultdict[Key, list[Json]] = defaultdict(list)
    for pod in admin.list("pods"):
        metadata = pod["metadata"]
        if metadata["namespace"] in namespaces and metadata["uid"] not in without and _lives(pod):
            pods[_key_of(pod, owners)].append(pod)
    refusals: defaultdict[Key, list[str]] = defaultdict(list)
    for event in admin.list("events"):
        about = owners.get(event["involvedObject"].get("uid", ""))
        if about and event.get("reason") == "FailedCreate":
            refusals[_key_of(about, owners)].append(event["message"])
    top = {_key_of(obj, owners): obj for obj in found if not obj["metadata"].get("ownerReferences")}
    return Scene(top, dict(pods), dict(refusals))


def became(key: Key, before: Scene, after: Scene, accepted: Collection[str]) -> str:
    """Return what became of a workload once its pods were replaced, in the words of a preview."""
    pods, former = after.pods.get(key, []), before.pods.get(key, [])
    refusals = after.refusals.get(key, [])
    if refusals:
        return "refused" if not pods and all(OURS in said for said in refusals) else f"something else: {refusals[0]}"
    if any(map(_waits, pods)) or (former and not pods):
        return "hangs"
    strays = [pod["metadata"]["name"] for pod in pods if pod["spec"]["nodeName"] not in accepted]
    if strays:
        return f"outside: {strays}"
    return "moves" if any(node not in accepted for node in map(_node, former) if node) else "runs"


def again(obj: Json) -> Json:
    """Return a pod or a Job as its owner would create it again: without what the API server and the scheduler added."""
    metadata, spec = obj["metadata"], {**obj["spec"]}
    fields = ("name", "namespace", "ownerReferences")
    kept: dict[str, Any] = {field: metadata[field] for field in fields if field in metadata}
    labels = {key: value for key, value in metadata.get("labels", {}).items() if key not in OF_JOBS}
    if obj["kind"] == "Pod":
        spec.pop("nodeName", None)
    else:
        spec.pop("selector")
        template = spec["template"]
        inner = {key: value for key, value in template["metadata"].get("labels", {}).items() if key not in OF_JOBS}
        spec["template"] = template | {"metadata": template["metadata"] | {"labels": inner}}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": kept | {"labels": labels}, "spec": spec}


OF_JOBS: Final = {"controller-uid", "job-name"} | {
    f"batch.kubernetes.io/{name}" for name in ("controller-uid", "job-name")
}
"""The labels that the API server writes into Jobs."""


def uids(scenes: Iterable[Scene]) -> set[str]:
    """Return the uids of all pods."""
    return {pod["metadata"]["uid"] for scene in scenes for pods in scene.pods.values() for pod in pods}


def _key_of(obj: Json, owners: Mapping[str, Json]) -> Key:
    references = obj["metadata"].get("ownerReferences", ())
    for reference in references:
        if reference["uid"] in owners:
            return _key_of(owners[reference["uid"]], owners)
        return obj["metadata"]["namespace"], f"{reference['kind']}/{reference['name']}"
    return obj["metadata"]["namespace"], f"{obj['kind']}/{obj['metadata']['name']}"


def _wanted(workload: Json) -> int:
    """Return how many pods a workload is to have; -1 if its controller has not said so yet."""
    spec, status = workload["spec"], workload.get("status", {})
    match workload["kind"]:
        case "DaemonSet":
            seen = status.get("observedGeneration") == workload["metadata"]["generation"]
            return int(status["desiredNumberScheduled"]) if seen else -1
        case "Job":
            most = int(spec["parallelism"])
            return 0 if spec.get("suspend") else min(most, int(spec.get("completions", most)))
        case _:
            return int(spec["replicas"])


def _is_held_up(workload: Json, pods: list[Json]) -> bool:
    """Whether a StatefulSet waits for one pod before it creates the next."""
    ordered = workload["kind"] == "StatefulSet" and workload["spec"].get("podManagementPolicy") == "OrderedReady"
    return ordered and any(map(_waits, pods))


def _lives(pod: Json) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and pod["status"]["phase"] not in ENDED


def _node(pod: Json) -> str:
    node: str = pod["spec"].get("nodeName", "")
    return node


def _waits(pod: Json) -> bool:
    return not _node(pod)


def _is_looked_at(pod: Json) -> bool:
    """Whether a pod has a node, or its scheduler has said why not. Other schedulers do not exist, and say nothing."""
    if _node(pod) or pod["spec"]["schedulerName"] != "default-scheduler":
        return True
    conditions = pod["status"].get("conditions", ())
    return any(entry["type"] == "PodScheduled" and entry.get("reason") in LOOKED_AT for entry in conditions)
