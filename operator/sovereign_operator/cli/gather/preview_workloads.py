"""Reads workloads and pods as a preview needs them: what they demand, take and run on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.cli.answers.placing import own_rules
from sovereign_operator.cli.gather.overlay import is_new
from sovereign_operator.cli.gather.preview_volumes import PodClaim, Volumes, claims_of
from sovereign_operator.cli.gather.workloads import REPLICA_SETS, unbound_spec
from sovereign_operator.core import names
from sovereign_operator.core.kubernetes.node_fit import DAEMON_TOLERATIONS, PodDemands
from sovereign_operator.core.kubernetes.node_room import claims_on_node
from sovereign_operator.core.kubernetes.unjudged import unjudged_rule
from sovereign_operator.core.report.conditions import MAX_MESSAGE, condition_of
from sovereign_operator.core.report.reasons import line
from sovereign_operator.core.workload.adoption import MOST_PODS, stops_first
from sovereign_operator.core.workload.previewed import Previewed, Replica
from sovereign_operator.core.workload.refusal import Hold, admit
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.resource import WORKLOADS, Resource
from sovereign_operator.kube.objects.pod import ObservedPod
from sovereign_operator.kube.objects.workload import pod_template

REPLICATION_CONTROLLERS: Final = Resource("v1", "replicationcontrollers", "ReplicationController", namespaced=True)
TEMPLATED: Final = (*WORKLOADS.values(), REPLICA_SETS, REPLICATION_CONTROLLERS)
"""What has a pod template."""
TRUSTING: Final = frozenset({EncryptionMode.PREFERRED, EncryptionMode.STRICT})
"""The modes in which no pod connects to one whose certificate is not trusted."""
NEVER_FEWER: Final = "25%"
"""What maxUnavailable of a Deployment is by default."""


@dataclass(frozen=True)
class LivePod:
    """A pod that has not ended."""

    seen: ObservedPod
    obj: Json

    @property
    def held(self) -> dict[str, Decimal]:
        """What it takes of its node."""
        return claims_on_node(self.obj["spec"])


@dataclass(frozen=True)
class Subject:
    """A workload with its pods, and the policies that would hold and that hold its new pods."""

    namespace: str
    kind: str
    name: str
    obj: Json | None
    """The workload; None: only its pods are known."""
    pods: Sequence[LivePod]
    labels: Mapping[str, str] = field(default_factory=dict)
    """Those of new pods that are written in its template, or of its first pod."""
    added: Mapping[str, str] = field(default_factory=dict)
    """Those that a SovereignWorkload in a file would add."""

    @property
    def new_labels(self) -> dict[str, str]:
        """Those of new pods."""
        return {**self.labels, **self.added}


def template_of(kind: str, obj: Json) -> Json:
    """Return the pod template of a workload of any kind that has one."""
    known = kind in {*WorkloadKind}
    return pod_template(WorkloadKind(kind), obj) if known else (obj["spec"].get("template") or {})


def labels_of(kind: str, obj: Json) -> Mapping[str, str]:
    """Return the labels in the pod template of a workload; none if they cannot be read."""
    try:
        labels = (template_of(kind, obj).get("metadata") or {}).get("labels")
    except (AttributeError, TypeError, LookupError):
        return {}
    return labels if isinstance(labels, Mapping) else {}


def as_previewed(
    subject: Subject,
    hold: Hold | None,
    before: str | None,
    volumes: Volumes,
    *,
    mode: EncryptionMode | None,
) -> Previewed:
    """Return a workload as a preview judges it. ``mode``: that of the policy's encryption now. May raise anything."""
    policy = hold.policy if hold else None
    spec, refused = _new_spec(subject, hold)
    shared: dict[str, Any] = {
        "policy": policy,
        "before": before,
        "refused": refused,
        "exists": bool(subject.pods) or (subject.obj is not None and not is_new(subject.obj)),
        "needs_certificate": mode in TRUSTING and any(pod.seen.transit == policy for pod in subject.pods),
        "unjudged": unjudged_rule(spec) or _failing(subject) or _endless(subject),
        "starts_first": policy != before and _starts_first(subject),
        "bare": subject.kind == "Pod",
        "static": any(pod.seen.static for pod in subject.pods),
    }
    if subject.kind == WorkloadKind.DAEMON_SET:
        reach = volumes.reach(claims_of(spec))
        rules = own_rules(spec, volumes=reach.demands, tolerations=DAEMON_TOLERATIONS)
        shared["unjudged"] = shared["unjudged"] or reach.unread
        shared |= {"template": rules, "template_requests": claims_on_node(spec), "template_stuck": reach.stuck}
    replicas = _replicas(subject, spec, hold, volumes)
    return Previewed(subject.namespace, subject.kind, subject.name, tuple(replicas), **shared)


def _new_spec(subject: Subject, hold: Hold | None) -> tuple[Json, str]:
    """Return the spec of a new pod, with its sidecar if it gets one, and why it would be refused."""
    if subject.obj is not None and subject.kind != "Pod":
        spec = template_of(subject.kind, subject.obj).get("spec") or {}
    else:
        spec = unbound_spec(subject.pods[0].obj) if subject.pods else (subject.obj or {})["spec"]
    if hold is None or any(pod.seen.static for pod in subject.pods):
        return spec, ""
    metadata = {"labels": subject.new_labels, "annotations": _annotations(subject)}
    admitted = admit({"metadata": metadata, "spec": spec}, hold)
    return admitted.spec, admitted.refused


def _annotations(subject: Subject) -> Mapping[str, str]:
    """Return those of new pods, as far as they are known."""
    if subject.obj is None:
        return (subject.pods[0].obj["metadata"].get("annotations") or {}) if subject.pods else {}
    metadata = (subject.obj if subject.kind == "Pod" else template_of(subject.kind, subject.obj)).get("metadata") or {}
    return metadata.get("annotations") or {}


def _replicas(subject: Subject, spec: Json, hold: Hold | None, volumes: Volumes) -> list[Replica]:
    pods = sorted(subject.pods, key=lambda pod: pod.seen.pod.name)
    if subject.obj is None or subject.kind == "Pod":
        if not pods:
            return [_replica(spec, claims_of(spec), volumes, None)]
        return [_own_replica(pod, hold, volumes) for pod in pods]
    if subject.kind == WorkloadKind.DAEMON_SET:
        return [Replica(PodDemands("", ()), {}, pod.seen.pod.node, pod.held) for pod in pods if pod.seen.pod.node]
    if subject.kind == WorkloadKind.STATEFUL_SET:
        return _ordinal_replicas(subject, spec, volumes, pods)
    claims, wanted = claims_of(spec), min(_wanted(subject.kind, subject.obj), MOST_PODS)
    if subject.kind == WorkloadKind.CRON_JOB:
        # Several of its Jobs may run at once, and none of them takes the place of another one.
        wanted = max(wanted, len(pods))
    # Those that run where they may are kept as long as there are enough.
    kept = sorted(pods, key=lambda pod: pod.seen.pod.node is None)[:wanted]
    waiting = [_replica(spec, claims, volumes, None)] * (wanted - len(kept))
    return [*(_replica(spec, claims, volumes, pod) for pod in kept), *waiting]


def _own_replica(pod: LivePod, hold: Hold | None, volumes: Volumes) -> Replica:
    """Return a pod whose owner is not known: the next one is like it."""
    spec = unbound_spec(pod.obj)
    made = admit({"metadata": pod.obj["metadata"], "spec": spec}, hold).spec if hold and not pod.seen.static else spec
    return _replica(made, claims_of(spec), volumes, pod)


def _ordinal_replicas(subject: Subject, spec: Json, volumes: Volumes, pods: Sequence[LivePod]) -> list[Replica]:
    obj = subject.obj or {}
    own = obj["spec"].get("volumeClaimTemplates") or ()
    first, by_name = (obj["spec"].get("ordinals") or {}).get("start", 0), {pod.seen.pod.name: pod for pod in pods}
    made = []
    for ordinal in range(first, first + min(_wanted(subject.kind, obj), MOST_PODS)):
        name = f"{subject.name}-{ordinal}"
        claims = [PodClaim(f"{claim['metadata']['name']}-{name}", claim) for claim in own]
        made.append(_replica(spec, [*claims_of(spec), *claims], volumes, by_name.get(name)))
    return made


def _replica(spec: Json, claims: Iterable[PodClaim], volumes: Volumes, pod: LivePod | None) -> Replica:
    reach = volumes.reach(claims)
    return Replica(
        own_rules(spec, volumes=reach.demands),
        claims_on_node(spec),
        pod.seen.pod.node if pod else None,
        pod.held if pod and pod.seen.pod.node else {},
        reach.unread,
        reach.stuck,
    )


def _wanted(kind: str, obj: Json) -> int:
    """Return how many pods a workload asks for at once."""
    spec = obj["spec"]
    if kind in {WorkloadKind.JOB, WorkloadKind.CRON_JOB}:
        job = spec["jobTemplate"].get("spec") or {} if kind == WorkloadKind.CRON_JOB else spec
        if kind == WorkloadKind.JOB and job.get("suspend"):
            return 0
        most = int(job.get("parallelism", 1))
        done = (obj.get("status") or {}).get("succeeded", 0) if kind == WorkloadKind.JOB else 0
        return max(0, min(most, int(job.get("completions", most)) - done))
    replicas = spec.get("replicas")
    return 1 if replicas is None else int(replicas)


def _endless(subject: Subject) -> str:
    """Say that a workload asks for more pods than a preview looks at, if it does."""
    if subject.obj is None or subject.kind in {"Pod", WorkloadKind.DAEMON_SET}:
        return ""
    wanted = _wanted(subject.kind, subject.obj)
    return f"it asks for {wanted} pods, and a preview looks at {MOST_PODS} at most" if wanted > MOST_PODS else ""


def _failing(subject: Subject) -> str:
    """Say that the API server refuses pods of a workload already, if its status says so and no guard of ours does."""
    condition = condition_of((subject.obj or {}).get("status") or {}, "ReplicaFailure")
    said = line(str(condition.get("message", "")), MAX_MESSAGE)
    if condition.get("status") != "True" or names.GUARD_PREFIX in said:
        return ""
    return f"the API server refuses some of its pods already: {said}"


def _starts_first(subject: Subject) -> bool:
    """Whether a roll-out starts a pod before it takes one away."""
    if subject.kind != WorkloadKind.DEPLOYMENT or subject.obj is None:
        return False
    spec = subject.obj["spec"]
    if stops_first(WorkloadKind.DEPLOYMENT, spec) or spec.get("paused"):
        return False
    wanted = _wanted(subject.kind, subject.obj)
    fewer = str(((spec.get("strategy") or {}).get("rollingUpdate") or {}).get("maxUnavailable", NEVER_FEWER))
    allowed = wanted * int(fewer.rstrip("%")) // 100 if fewer.endswith("%") else int(fewer)
    return wanted > 0 and allowed == 0
