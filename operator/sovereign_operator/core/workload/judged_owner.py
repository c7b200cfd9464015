"""What people are told of the pods of one owner, as one policy judges them: the result, why, and what to do.

Statuses of policies and reports of namespaces say the same of the same pods.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core import names
from sovereign_operator.core.placement.verdict import NodeVerdict, Place
from sovereign_operator.core.report.reasons import line
from sovereign_operator.core.workload.judgement import PLACES, Count, Judgement
from sovereign_operator.core.workload.owner import Owner
from sovereign_operator.core.workload.scope import TRIED, Judge, Mode
from sovereign_operator.core.workload.sentences import nowhere_to_run, runs_outside, unreadable_pod, waits
from sovereign_operator.core.workload.status import how_to_move

LABELS: Final = {Mode.ENFORCE: names.ENFORCE_LABEL} | {mode: label for label, mode in TRIED.items()}
"""By mode, the label of a namespace that names a policy."""


class Result(StrEnum):
    """The result, the worst first. The words are those of OpenReports (docs/api-docs.md of openreports/reports-api)."""

    FAIL = "fail"
    """Pods that are held to the policy run outside, or without the sidecar that it demands."""
    ERROR = "error"
    """There is no such policy."""
    WARN = "warn"
    """Pods on which the policy is only tried run outside."""
    SKIP = "skip"
    """Pods wait for a node, and nothing worse is known."""
    PASS = "pass"  # noqa: S105 - a result, no password


@dataclass(frozen=True)
class PolicyAnswers:
    """What a policy says, as far as these sentences need it."""

    verdicts: Mapping[str, NodeVerdict]
    """By node."""
    accepted_nodes: int
    readable: bool
    """Whether the policy can be read; without that it accepts no node."""


@dataclass(frozen=True)
class JudgedOwner:
    """The pods of one owner, as one policy judges them."""

    namespace: str
    judge: Judge
    owner: Owner
    pods: Mapping[str, Judgement]
    """By name of the pod."""
    numbers: Mapping[Judgement, int]
    """How many of them have each judgement."""
    by_pod_label: bool = False
    """Whether the pods' own label holds them to the policy, as their namespace enforces none."""

    @property
    def held(self) -> bool:
        """Whether the pods are held to the policy."""
        return self.judge.mode is Mode.ENFORCE

    @property
    def source(self) -> str:
        """Which label has the policy judge the pods."""
        if self.held and self.by_pod_label:
            return f"the label {names.POLICY_LABEL} of the pods"
        return f"the label {LABELS[self.judge.mode]} of namespace {self.namespace}"

    @cached_property
    def counts(self) -> Mapping[Count, int]:
        """How many pods count as what."""
        found = dict.fromkeys(Count, 0)
        for judgement, number in self.numbers.items():
            for count in judgement.counts():
                found[count] += number
        return found

    def first(self, wanted: Callable[[Judgement], bool]) -> str:
        """Return the pod with such a judgement whose name comes first."""
        return min(name for name, judgement in self.pods.items() if wanted(judgement))


def result_of(owned: JudgedOwner) -> Result:
    """Return the result: the worst that is true of any of the pods."""
    counts = owned.counts
    if counts[Count.UNKNOWN]:
        return Result.ERROR
    if counts[Count.OUTSIDE] or counts[Count.BARE]:
        return Result.FAIL if owned.held else Result.WARN
    return Result.SKIP if counts[Count.PENDING] else Result.PASS


def needs_action(owned: JudgedOwner) -> bool:
    """Whether there is something to do about pods of which not all is well."""
    return owned.held or result_of(owned) is not Result.SKIP


def rank(owned: JudgedOwner) -> tuple[object, ...]:
    """Return a key that sorts by how bad it is, the worst first, and then by name."""
    counts = owned.counts
    return (
        [*Result].index(result_of(owned)),
        -counts[Count.OUTSIDE],
        *(-counts[count] for count in (Count.BARE, Count.PENDING, Count.OLDER)),
        owned.namespace,
        owned.judge,
        owned.owner,
    )


def message_of(owned: JudgedOwner, answers: PolicyAnswers) -> str:
    """Return what is the case and what to do about it, on one line."""
    counts = owned.counts
    if counts[Count.UNKNOWN]:
        return line(_unknown(owned))
    number = sum(counts[place] for place in PLACES)
    found = [*_findings(owned, counts, number, answers)]
    if not found:
        return f"all {number} pod(s) run on nodes that policy {owned.judge.policy} accepts"
    step = _next_step(owned, counts, answers)
    return line("; ".join(found) + (f". {step}" if step else ""))


def _unknown(owned: JudgedOwner) -> str:
    policy = owned.judge.policy
    effect = "no new pod starts here, and nobody vouches for where these run" if owned.held else "nothing is tried"
    return (
        f"there is no SovereigntyPolicy {policy}: {effect}; correct {owned.source}, or have a cluster admin create the "
        "policy; kubectl get sovereigntypolicies lists those that there are"
    )


def _findings(owned: JudgedOwner, counts: Mapping[Count, int], number: int, answers: PolicyAnswers) -> Iterator[str]:
    """Yield what is wrong with some of the pods, the worst first."""
    policy = owned.judge.policy
    if counts[Count.OUTSIDE]:
        pod = owned.first(lambda judgement: judgement.place is Place.OUTSIDE)
        are = "are" if owned.held else "would be"
        yield f"{counts[Count.OUTSIDE]} of {number} pod(s) {are} outside: {_why_outside(owned, pod, answers)}"
    if counts[Count.BARE]:
        pod = owned.first(lambda judgement: judgement.bare)
        yield f"{counts[Count.BARE]} of {number} pod(s) have no sidecar of policy {policy}: {pod} is one"
    if counts[Count.PENDING]:
        pod = owned.first(lambda judgement: judgement.place is Place.PENDING)
        yield f"{counts[Count.PENDING]} of {number} pod(s) wait for a node: {_why_pending(owned, pod, answers)}"
    if counts[Count.OLDER]:
        pod = owned.first(lambda judgement: judgement.older)
        yield f"{counts[Count.OLDER]} of {number} pod(s) are older than the label, which places new ones: {pod} is one"


def _why_outside(owned: JudgedOwner, pod: str, answers: PolicyAnswers) -> str:
    node = owned.pods[pod].why
    if not node:
        return unreadable_pod(owned.namespace, pod)
    if not answers.readable:
        return f"{pod} runs on {node}, and policy {owned.judge.policy}, which cannot be read, accepts no node"
    return runs_outside(pod, node, answers.verdicts.get(node))


def _why_pending(owned: JudgedOwner, pod: str, answers: PolicyAnswers) -> str:
    policy = owned.judge.policy
    if not owned.held:
        return f"{pod} is one, and nobody knows yet where it will run"
    if not answers.accepted_nodes:
        return f"{pod}: {nowhere_to_run(policy)}"
    return waits(pod, policy, answers.accepted_nodes, owned.pods[pod].why)


def _next_step(owned: JudgedOwner, counts: Mapping[Count, int], answers: PolicyAnswers) -> str:
    """Say what a developer does next; empty if that is said already, or nothing can be done."""
    policy = owned.judge.policy
    if not owned.held:
        if not counts[Count.OUTSIDE]:
            return ""
        return (
            f"Nothing moves them now: with {names.ENFORCE_LABEL}={policy}, new pods would start on the "
            f"{answers.accepted_nodes} node(s) alone that it accepts"
        )
    amiss = [count for count in (Count.OUTSIDE, Count.BARE, Count.OLDER) if counts[count]]
    if not amiss:
        return ""
    if not answers.accepted_nodes:
        return f"Nothing can move them now: {nowhere_to_run(policy)}"
    return _replace(owned, owned.first(lambda judgement: {*amiss} & {*judgement.counts()} != set()))


def _replace(owned: JudgedOwner, pod: str) -> str:
    """Say how to have the pods replaced."""
    namespace, kind = owned.namespace, owned.owner.kind
    if kind == "Node":
        return (
            "Their node runs them from its own files (static pods), which nothing in the cluster can stop: remove "
            "these files, and have a DaemonSet run them"
        )
    if kind == "Pod":
        return f"Nothing creates it again: kubectl -n {namespace} delete pod {pod}, then create it as before"
    known = WorkloadKind(kind) if kind in {*WorkloadKind} else None
    return how_to_move(namespace, pod, known, owned.owner.name)
