"""The status of a SovereignWorkload, for a developer who may not list nodes.

Its conditions: Accepted, Placed, Enforced and Identity are judged here, Ready in `ready_condition`, and Encrypted in
`encryption_status`.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

from sovereign_operator.api.v1alpha1 import SOVEREIGN_WORKLOAD
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core import names
from sovereign_operator.core.encryption.status import ROLL_OUT
from sovereign_operator.core.placement.status import report_unreadable
from sovereign_operator.core.placement.verdict import Place, place_of
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.conditions import MAX_EXAMPLES, Observation, examples, timestamp
from sovereign_operator.core.report.guard_reasons import GuardReason
from sovereign_operator.core.report.reasons import line
from sovereign_operator.core.report.report import Report
from sovereign_operator.core.workload import job_run
from sovereign_operator.core.workload.encryption_status import observe_workload
from sovereign_operator.core.workload.facts import (
    NOTHING_DONE,
    Action,
    AdoptWorkload,
    JobRun,
    LastWrite,
    ObserveWorkload,
    Outcome,
    OwnWorkload,
    RefuseWorkload,
    WorkloadFacts,
    WorkloadPod,
    selector_of_pods,
    workload_of,
)
from sovereign_operator.core.workload.ready_condition import judge_ready
from sovereign_operator.core.workload.rewrites import say_contested
from sovereign_operator.core.workload.sentences import nowhere_to_run, runs_outside, unreadable_pod, waits

REMEMBERED: Final = frozenset({"run", "lastWrite"})
"""What a SovereignWorkload's status remembers of what was done. That stays so, whatever else becomes of it."""


@dataclass(frozen=True)
class _Places:
    """The pods, by where they are."""

    inside: tuple[WorkloadPod, ...]
    outside: tuple[WorkloadPod, ...]
    pending: tuple[WorkloadPod, ...]


def report_workload(facts: WorkloadFacts, action: Action, outcome: Outcome = NOTHING_DONE) -> Report:
    """Say where the pods are, what is wrong, and what was done."""
    places = _sort_pods(facts)
    accepted = _accepted(facts, action, outcome.refused)
    in_scope = accepted.status == "True"
    placed = _placed(facts, places, in_scope=in_scope)
    enforced = _enforced(facts, in_scope=in_scope)
    ready = judge_ready(facts, accepted, placed)
    asking = [pod for pod in facts.pods if pod.certificate_volumes]
    holding = _holding(facts)
    counts = Counter(_datacentre(facts, pod.node) for pod in (*places.inside, *places.outside))
    status: dict[str, Any] = {
        "policy": facts.policy or "none",
        "workload": _reference(facts),
        "pods": len(facts.pods),
        "inside": len(places.inside),
        "outside": len(places.outside),
        "pending": len(places.pending),
        "certificates": len(holding),
        "certificatesPending": len(asking) - len(holding),
        "places": [
            {"datacentre": name, "pods": count}
            for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_EXAMPLES]
        ],
        "outsideExamples": [_outside_example(facts, pod) for pod in places.outside[:MAX_EXAMPLES]],
        "pendingExamples": [
            {"pod": pod.name, "message": _why_pending(facts, pod)} for pod in places.pending[:MAX_EXAMPLES]
        ],
    }
    # A Job that was refused did not begin to run.
    run = facts.run if outcome.refused else job_run.record(facts, action)
    status |= records_of(run, outcome.last_write or facts.last_write)
    summary = ready.message if enforced.status != "False" else f"{ready.message}; {enforced.message}"
    final = Observation("Ready", ready.status, ready.reason, summary)
    encrypted = observe_workload(facts)
    return Report(status, (accepted, placed, enforced, _identity(facts), *((encrypted,) if encrypted else ()), final))


def _reference(facts: WorkloadFacts) -> str:
    """Return kind and name of the workload, or the selector of the pods."""
    workload = workload_of(facts.name, facts.spec)
    return f"{workload[0].value}/{workload[1]}" if workload else line(f"Pods/{selector_of_pods(facts.spec)}")


def report_unread(status: Mapping[str, Any], why: str) -> Report:
    """Say that a SovereignWorkload cannot be read, and keep what its status remembers of what was done."""
    remembered = {field: done for field, done in status.items() if field in REMEMBERED}
    return Report(remembered, ()) + report_unreadable(SOVEREIGN_WORKLOAD, why)


def records_of(run: JobRun | None, write: LastWrite | None) -> dict[str, Any]:
    """Return what the operator has to remember of what it did."""
    records: dict[str, Any] = {}
    if run:
        seen = {key: value for key, value in (("uid", run.uid), ("outcome", run.outcome)) if value}
        records["run"] = {"template": run.template, "asked": timestamp(run.asked)} | seen
    if write:
        records["lastWrite"] = {
            "uid": write.uid,
            "content": write.content,
            "generation": write.generation,
            "times": write.times,
            "at": timestamp(write.at),
        }
    return records


def _sort_pods(facts: WorkloadFacts) -> _Places:
    found: dict[Place, list[WorkloadPod]] = {place: [] for place in Place}
    # Without a policy there is nothing to judge by where they run.
    for pod in sorted(facts.pods, key=lambda pod: pod.name) if facts.policy in facts.policies else ():
        found[place_of(pod.node, facts.verdicts.get(pod.node or ""), unreadable=pod.unreadable)].append(pod)
    return _Places(*(tuple(found[place]) for place in (Place.INSIDE, Place.OUTSIDE, Place.PENDING)))


def _accepted(facts: WorkloadFacts, action: Action, refused: str | None) -> Observation:
    if refused:
        message = f"the API server refused {facts.called}: {refused}"
        return Observation("Accepted", "False", ConditionReason.REFUSED_BY_SERVER, message)
    # What was just written once more is taken back in a moment, if it was before.
    refusal = action if isinstance(action, RefuseWorkload) else say_contested(facts)
    match refusal or action:
        case RefuseWorkload(reason, message):
            return Observation("Accepted", "False", reason, message)
        case AdoptWorkload() | OwnWorkload() | ObserveWorkload():
            message = f"{facts.called} is in scope of policy {facts.policy}"
            if facts.spec.pod_selector:
                message = f"policy {facts.policy} judges {facts.called}; this object puts none of them in scope"
            if facts.spec.template and facts.target and facts.target.scaled_by:
                message += f"; its replica count is left to {facts.target.scaled_by}, which scales it"
            return Observation("Accepted", "True", ConditionReason.ACCEPTED, message)
        case _:
            assert_never(refusal or action)


def _placed(facts: WorkloadFacts, places: _Places, *, in_scope: bool) -> Observation:
    if not in_scope:
        message = "not in scope yet: see condition Accepted"
        return Observation("Placed", "Unknown", ConditionReason.NOT_IN_SCOPE, message)
    if places.outside:
        message = f"{len(places.outside)} of {len(facts.pods)} pod(s) outside: {_why_outside(facts, places.outside[0])}"
        return Observation("Placed", "False", ConditionReason.PODS_OUTSIDE, message)
    if places.pending:
        why = _why_pending(facts, places.pending[0])
        message = f"{len(places.pending)} of {len(facts.pods)} pod(s) wait for a node: {why}"
        return Observation("Placed", "False", ConditionReason.PODS_PENDING, message)
    if not facts.pods:
        refused = f": kubectl -n {facts.namespace} get events tells if they are refused, and why"
        message = "no pods yet" + (refused if facts.accepted_nodes else f", and {_nowhere_to_run(facts)}")
        return Observation("Placed", "Unknown", ConditionReason.NO_PODS, message)
    where = examples(sorted({_datacentre(facts, pod.node) for pod in places.inside}))
    return Observation("Placed", "True", ConditionReason.ALL_INSIDE, f"all {len(places.inside)} pod(s) run in {where}")


def _enforced(facts: WorkloadFacts, *, in_scope: bool) -> Observation:
    if facts.guards_broken:
        message = (
            f"{examples(facts.guards_broken)}: ask a cluster admin to repair this: Events about the Deployment "
            "sovereign-controller give the command"
        )
        return Observation("Enforced", "False", GuardReason.GUARDS_BROKEN, message)
    if not in_scope:
        message = "not in scope yet: see condition Accepted"
        return Observation("Enforced", "Unknown", ConditionReason.NOT_IN_SCOPE, message)
    if facts.enforced is None:
        message = (
            "the API server does not check Bindings in this namespace; to have it check them: "
            f"kubectl label namespace {facts.namespace} {names.ENFORCE_LABEL}={facts.policy}"
        )
        return Observation("Enforced", "False", ConditionReason.NAMESPACE_NOT_LABELLED, message)
    message = f"namespace {facts.namespace} enforces policy {facts.policy}"
    return Observation("Enforced", "True", ConditionReason.NAMESPACE_ENFORCES, message)


def _holding(facts: WorkloadFacts) -> list[WorkloadPod]:
    """Return the pods whose certificate is in force, by an authority that is trusted now."""
    trusted = facts.authorities or frozenset()
    return [
        pod
        for pod in facts.pods
        if pod.certificate_volumes and pod.certificate and pod.certificate.counts(facts.now, trusted)
    ]


def _identity(facts: WorkloadFacts) -> Observation:
    asking = sorted((pod for pod in facts.pods if pod.certificate_volumes), key=lambda pod: pod.name)
    holding = _holding(facts)
    if not asking:
        message = f"no pod mounts a certificate of {names.SIGNER}"
        return Observation("Identity", "Unknown", ConditionReason.NO_CERTIFICATES, message)
    if facts.authorities is None:
        message = (
            "the signer is not installed: a cluster admin sets identity.enabled=true and a trust domain in the chart"
        )
        return Observation("Identity", "False", ConditionReason.SIGNER_NOT_INSTALLED, message)
    waiting = [pod for pod in asking if pod not in holding]
    if waiting:
        # Until such a pod renews, which takes hours, nothing is wrong that Events would speak of.
        trusted = facts.authorities
        lost = [pod for pod in waiting if pod.certificate and pod.certificate.is_distrusted(facts.now, trusted)]
        without = [pod for pod in waiting if pod not in lost]
        message = f"{len(waiting)} of {len(asking)} pod(s) have no certificate that counts"
        if without:
            message += f"; kubectl -n {facts.namespace} describe pod {without[0].name} says why"
        if lost:
            message += (
                f"; {len(lost)} have one of an authority that is not trusted, {lost[0].name} among them: {ROLL_OUT}"
            )
        return Observation("Identity", "False", ConditionReason.CERTIFICATES_PENDING, message)
    first = min(pod.certificate.until for pod in holding if pod.certificate)
    message = (
        f"{len(holding)} certificate(s) in force; renewed by themselves, the first would end at {timestamp(first)}"
    )
    return Observation("Identity", "True", ConditionReason.CERTIFICATES_IN_FORCE, message)


def _datacentre(facts: WorkloadFacts, node: str | None) -> str:
    verdict = facts.verdicts.get(node or "")
    return (verdict.datacentre if verdict else None) or "unknown"


def _outside_example(facts: WorkloadFacts, pod: WorkloadPod) -> dict[str, Any]:
    place = {"pod": pod.name, "message": _why_outside(facts, pod)} | ({"node": pod.node} if pod.node else {})
    datacentre = _datacentre(facts, pod.node)
    return place if datacentre == "unknown" else place | {"datacentre": datacentre}


def _why_outside(facts: WorkloadFacts, pod: WorkloadPod) -> str:
    if pod.unreadable:
        return unreadable_pod(facts.namespace, pod.name)
    verdict = facts.verdicts.get(pod.node or "")
    return f"{runs_outside(pod.name, pod.node or '', verdict)}. {_restart_advice(facts, pod)}"


def _restart_advice(facts: WorkloadFacts, pod: WorkloadPod) -> str:
    """Say how a developer moves the pods: new ones start only where the policy accepts."""
    if not facts.accepted_nodes:
        return f"Nothing can move it now: {_nowhere_to_run(facts)}"
    return how_to_move(facts.namespace, pod.name, *(workload_of(facts.name, facts.spec) or (None, "")))


def how_to_move(namespace: str, pod: str, kind: WorkloadKind | None, workload: str, *, looked: bool = False) -> str:
    """Say how to have a pod run elsewhere. ``kind`` and ``workload`` are its owner's; None: of another kind.

    ``looked``: whether it is known already what would become of a new pod, which waits if no accepted node suits it.
    """
    first = "" if looked else f", once `kubectl sovereign preview -n {namespace}` says that new ones would start"
    if kind is None or kind in (WorkloadKind.JOB, WorkloadKind.CRON_JOB):
        return f"Delete the pod to have it run elsewhere{first}: kubectl -n {namespace} delete pod {pod}"
    return f"To move its pods{first}: kubectl -n {namespace} rollout restart {kind.value.lower()}/{workload}"


def _why_pending(facts: WorkloadFacts, pod: WorkloadPod) -> str:
    if not facts.accepted_nodes:
        return f"{pod.name}: {_nowhere_to_run(facts)}"
    return waits(pod.name, facts.policy or "", facts.accepted_nodes, pod.waiting)


def _nowhere_to_run(facts: WorkloadFacts) -> str:
    return nowhere_to_run(facts.policy or "")
