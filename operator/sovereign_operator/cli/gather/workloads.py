"""Reads pods and workloads, who owns them, what their volumes demand, and which SovereignWorkload refers to them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sovereign_operator.api.v1alpha1.sovereign_workload import SOVEREIGN_WORKLOAD, WorkloadKind
from sovereign_operator.cli.answers.claim import Claim, Condition, NoTarget
from sovereign_operator.cli.answers.placing import own_rules
from sovereign_operator.cli.answers.pod_seen import Owner, PodSeen
from sovereign_operator.cli.answers.workload import WorkloadSeen
from sovereign_operator.cli.errors import CliError, may_not_read
from sovereign_operator.cli.gather.reader import Reader, seen_or_worst, whole
from sovereign_operator.core.kubernetes.node_fit import DAEMON_TOLERATIONS, Demand, volume_demands
from sovereign_operator.core.report.conditions import MAX_MESSAGE, condition_of
from sovereign_operator.core.report.reasons import line
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.workload.facts import selector_of_pods, workload_of
from sovereign_operator.kube.adoption.roll_out import claims_of
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.errors import NotFoundError
from sovereign_operator.kube.client.resource import (
    EVENTS,
    OURS,
    PODS,
    VOLUME_CLAIMS,
    VOLUMES,
    WORKLOADS,
    Resource,
)
from sovereign_operator.kube.objects.pod import AUDIT_PREFIX, placed_for, see_pod
from sovereign_operator.kube.objects.workload import pod_template, see_claim, see_sovereign_workload, selector_of
from sovereign_operator.kube.objects.worst import worst_pod
from sovereign_operator.kube.unreadable import Unreadable

REPLICA_SETS: Final = Resource("apps/v1", "replicasets", "ReplicaSet", namespaced=True)
BETWEEN: Final = {"ReplicaSet": REPLICA_SETS, "Job": WORKLOADS[WorkloadKind.JOB]}
"""Owners of pods that others may own: Deployments and CronJobs."""
FAILED_CREATE: Final = "FailedCreate"
"""The reason of Events of controllers whose pods the API server refuses."""
DENIED: Final = " denied request: "
"""What the API server writes between the name of an admission policy and its message."""
COMBINED: Final = "(combined from similar events): "
"""What clients put before the message of an Event that stands for several."""


async def get_existing(reader: Reader, resource: Resource, name: str, namespace: str = "") -> Json | None:
    """Return an object; None if the caller may not read it. Raises CliError if it does not exist."""
    try:
        return await reader.get(resource, name, namespace)
    except NotFoundError as error:
        where = f" in namespace {namespace}" if namespace else ""
        other = "name another with -n" if namespace else f"kubectl get {resource.plural} lists them"
        raise CliError(f"there is no {resource.kind} {name}{where}: correct the name, or {other}") from error


async def must_get(reader: Reader, resource: Resource, name: str, namespace: str = "") -> Json:
    """Return an object that the question is about. Raises CliError if it does not exist or may not be read."""
    found = await get_existing(reader, resource, name, namespace)
    if found is None:
        raise may_not_read(resource.plural, namespace)
    return found


async def read_pod(reader: Reader, obj: Json) -> PodSeen:
    """Return what an explanation needs of a pod."""
    volumes = await _volumes(reader, obj["metadata"]["namespace"], obj["spec"])
    return _see_pod(obj, volumes, await _owner(reader, obj))


def unbound_spec(pod: Json) -> Json:
    """Return the spec of a pod without its node.

    Who created a pod that is bound chose the node, or the scheduler did: that is no demand for another one.
    """
    return {field: value for field, value in pod["spec"].items() if field != "nodeName"}


def _see_pod(obj: Json, volumes: Iterable[Demand], owner: Owner | None) -> PodSeen:
    namespace = obj["metadata"]["namespace"]
    spec = unbound_spec(obj)
    rules = own_rules(spec, volumes=volumes)
    observed = seen_or_worst(see_pod, worst_pod)(obj)
    return PodSeen(
        namespace,
        observed.pod,
        observed.labels,
        rules,
        {key.removeprefix(AUDIT_PREFIX): value for key, value in observed.annotations.items()},
        owner=owner,
        static=observed.static,
        ended=observed.ended,
        gates=tuple(str(gate.get("name")) for gate in spec.get("schedulingGates") or ()),
        sidecar_awaited=_sidecar_awaited(obj),
    )


def _sidecar_awaited(pod: Json) -> datetime | None:
    """Return since when the containers of a pod have waited for its sidecar: since its kubelet knows it."""
    if sidecar.container_of(pod) is None:
        return None
    status = pod.get("status") or {}
    known = status.get("initContainerStatuses") or ()
    if any(each["name"] == sidecar.CONTAINER and each.get("started") for each in known):
        return None
    try:
        return datetime.fromisoformat(status["startTime"])
    except (KeyError, TypeError, ValueError):
        return None


async def read_workload(reader: Reader, kind: WorkloadKind, obj: Json) -> WorkloadSeen:
    """Return what an explanation needs of a workload, with its pods that have not ended."""
    metadata, template = obj["metadata"], pod_template(kind, obj)
    namespace, spec = metadata["namespace"], template.get("spec") or {}
    pods, owners = await _pods(reader, kind, obj)
    return WorkloadSeen(
        kind,
        namespace,
        metadata["name"],
        (template.get("metadata") or {}).get("labels") or {},
        own_rules(
            spec,
            volumes=await _volumes(reader, namespace, spec),
            tolerations=DAEMON_TOLERATIONS if kind is WorkloadKind.DAEMON_SET else (),
        ),
        tuple(pods),
        placed_for(spec),
        await _refusals(reader, namespace, {metadata["uid"], *owners}, obj),
    )


async def find_claim(reader: Reader, namespace: str, kind: str, name: str) -> Claim | None:
    """Return the SovereignWorkload that refers to a workload: the oldest if several do, as that one counts."""
    found = await reader.list(OURS[SOVEREIGN_WORKLOAD.plural], whole, namespace)
    claims = [(see_claim(obj), obj) for obj in found or () if _refers(obj, kind, name)]
    return claim_of(min(claims, key=lambda claim: claim[0])[1]) if claims else None


def claim_of(obj: Json) -> Claim:
    """Return a SovereignWorkload with what the operator reports of it."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return Claim(
        obj["metadata"]["name"],
        tuple(Condition(entry["type"], entry["status"], entry["reason"], entry["message"]) for entry in conditions),
    )


def target_of(obj: Json) -> tuple[WorkloadKind, str] | NoTarget:
    """Return kind and name of the workload that a SovereignWorkload refers to, or why there is none."""
    seen = see_sovereign_workload(obj)
    if seen is None:
        return NoTarget("it is being deleted: nothing follows from it any more")
    if isinstance(seen, Unreadable):
        return NoTarget(f"it cannot be read: {seen.error}", "correct it", wrong=True)
    if workload := workload_of(obj["metadata"]["name"], seen[0]):
        return workload
    selector = selector_of_pods(seen[0])
    listed = f"kubectl -n {obj['metadata']['namespace']} get pods -l '{selector}'"
    return NoTarget(f"it is about all pods with {selector}", f"explain one of those that {listed} lists")


def _refers(obj: Json, kind: str, name: str) -> bool:
    seen = see_sovereign_workload(obj)
    return isinstance(seen, tuple) and workload_of(obj["metadata"]["name"], seen[0]) == (kind, name)


async def _pods(reader: Reader, kind: WorkloadKind, obj: Json) -> tuple[list[PodSeen], set[str]]:
    """Return the pods of a workload, and the uids of the objects between it and its pods."""
    namespace, uid = obj["metadata"]["namespace"], obj["metadata"]["uid"]
    owners = {uid}
    between = {WorkloadKind.DEPLOYMENT: REPLICA_SETS, WorkloadKind.CRON_JOB: WORKLOADS[WorkloadKind.JOB]}.get(kind)
    selectors = [selector_of(obj)] if kind is not WorkloadKind.CRON_JOB else []
    if between:
        owned = await reader.list(between, whole, namespace) or []
        mine = [found for found in owned if controller_of(found).get("uid") == uid]
        owners |= {found["metadata"]["uid"] for found in mine}
        if kind is WorkloadKind.CRON_JOB:
            selectors = [selector_of(found) for found in mine]
    found = await reader.list(PODS, whole, namespace) or []
    selected = [pod for pod in found if any(one.selects(pod["metadata"].get("labels") or {}) for one in selectors)]
    living = [pod for pod in selected if "deletionTimestamp" not in pod["metadata"]]
    owner = Owner(kind, obj["metadata"]["name"])
    seen = [_see_pod(pod, await _volumes_if_pending(reader, pod), owner) for pod in living]
    return [pod for pod in seen if not pod.ended], owners - {uid}


async def _volumes_if_pending(reader: Reader, pod: Json) -> list[Demand]:
    """Return what the volumes of a pod demand, if it still looks for a node."""
    return [] if pod["spec"].get("nodeName") else await _volumes(reader, pod["metadata"]["namespace"], pod["spec"])


async def _refusals(reader: Reader, namespace: str, uids: Iterable[str], obj: Json) -> tuple[str, ...]:
    """Return what the API server answered when a controller last tried to create a pod of a workload.

    Only while pods are missing: an Event stays for an hour after it has been overcome.
    """
    status, wanted = obj.get("status") or {}, set(uids)
    if condition_of(status, "ReplicaFailure").get("status") != "True" and not _lacks_pods(obj):
        return ()
    events = await reader.list(EVENTS, whole, namespace, field_selector=f"reason={FAILED_CREATE}") or []
    about = [event for event in events if (event.get("involvedObject") or {}).get("uid") in wanted]
    about.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""), reverse=True)
    # Those before it say the same of pods with other names.
    return tuple(_refusal(str(event.get("message", ""))) for event in about[:1])


def _refusal(message: str) -> str:
    """Return what a controller's Event quotes of the API server: of an admission policy, what the policy says."""
    _, _, quoted = message.rpartition(DENIED)
    return line(quoted.removeprefix(COMBINED).removeprefix("Error creating: "), MAX_MESSAGE)


def _lacks_pods(obj: Json) -> bool:
    """Whether a workload has fewer pods than it asks for. A CronJob does not say."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if "desiredNumberScheduled" in status:
        return bool(status.get("currentNumberScheduled", 0) < status["desiredNumberScheduled"])
    if "completions" in spec or "parallelism" in spec:
        started = sum(status.get(field, 0) for field in ("active", "succeeded", "failed"))
        return started == 0 and not spec.get("suspend")
    if "schedule" in spec:
        return True
    return bool(status.get("replicas", 0) < spec.get("replicas", 1))


async def _owner(reader: Reader, pod: Json) -> Owner | None:
    """Return the top owner of a pod; None if nobody creates it again."""
    namespace, owner = pod["metadata"]["namespace"], controller_of(pod)
    if owner.get("kind") == "Node" or not owner:
        return None
    while owner.get("kind") in BETWEEN:
        found = await reader.find(BETWEEN[owner["kind"]], owner["name"], namespace)
        above = controller_of(found) if found else {}
        if not above:
            break
        owner = above
    return Owner(str(owner.get("kind")), str(owner.get("name")))


def controller_of(obj: Json) -> Json:
    """Return the reference to the owner that controls an object; empty without one."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


async def _volumes(reader: Reader, namespace: str, pod_spec: Json) -> list[Demand]:
    """Return what the volumes of a pod's claims demand of its node, as far as the caller may read them."""
    demands: list[Demand] = []
    for claim in claims_of(pod_spec):
        bound = (await reader.find(VOLUME_CLAIMS, claim, namespace) or {"spec": {}})["spec"].get("volumeName")
        volume = await reader.find(VOLUMES, bound) if bound else None
        if volume:
            demands += volume_demands(claim, volume)
    return demands
