"""Where the pods of a workload are, where new ones could run, and the one thing to do about it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.cli.answers.answer import Answer, plural
from sovereign_operator.cli.answers.claim import NOTHING_TO_DO, Claim
from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.cli.answers.moving import own_rule_advice
from sovereign_operator.cli.answers.placing import Judged, NodeRow, NodeRows, remedy
from sovereign_operator.cli.answers.pod import judge_pod, rows_of
from sovereign_operator.cli.answers.pod_seen import Owner, PodSeen, State
from sovereign_operator.cli.answers.scope import Scope
from sovereign_operator.core.kubernetes.node_fit import PodDemands
from sovereign_operator.core.workload.status import how_to_move


@dataclass(frozen=True)
class WorkloadSeen:
    """What an explanation needs of a workload."""

    kind: WorkloadKind
    namespace: str
    name: str
    template_labels: Mapping[str, str]
    rules: PodDemands
    """Those of its pod template."""
    pods: tuple[PodSeen, ...]
    """Those that have not ended."""
    placed_for: frozenset[str] = frozenset()
    """The policies whose label its pod template selects: admission wrote that into it."""
    refused: tuple[str, ...] = ()
    """What the API server answered when its controller last tried to create pods, if it refused them."""


@dataclass(frozen=True)
class PodRow:
    """One pod of a workload."""

    pod: str
    state: State
    node: str | None
    why: str
    next: str


@dataclass(frozen=True, kw_only=True)
class WorkloadExplanation(Answer):
    """The answer to ``explain deployment`` and the other kinds."""

    namespace: str
    workload: str
    policy: str | None
    policy_source: str
    why: str
    next: str
    pods: tuple[PodRow, ...]
    nodes: tuple[NodeRow, ...]
    """All nodes, for a pod that its template would create; empty if the caller may not list them."""
    refused: tuple[str, ...]
    claim: Claim | None
    healthy: bool
    """Whether nothing is to be done."""

    @property
    def findings(self) -> tuple[str, ...]:
        """The reason, if something is to be done."""
        return () if self.healthy else (self.why,)


def explain_workload(seen: WorkloadSeen, scope: Scope, estate: Estate, claim: Claim | None) -> WorkloadExplanation:
    """Explain where the pods of a workload are, and what to do."""
    rows = NodeRows(estate, scope.policy, seen.rules, placed_for=seen.placed_for).all
    pods = tuple(_pod_row(pod, scope, estate) for pod in seen.pods)
    why, advice = _judge(seen, scope, rows, pods)
    if advice == NOTHING_TO_DO and claim and (unready := claim.unready):
        why = f"{why}; but SovereignWorkload {claim.name} is not ready: {unready.message}"
        advice = unready.remedy or f"do what the message of SovereignWorkload {claim.name} says"
    return WorkloadExplanation(
        namespace=seen.namespace,
        workload=f"{seen.kind}/{seen.name}",
        policy=scope.policy,
        policy_source=scope.source.replace("the pod has", "the pod template has").replace(
            "a label of the pod", "a label of the pod template"
        ),
        why=why,
        next=advice,
        pods=pods,
        nodes=rows,
        refused=seen.refused,
        claim=claim,
        healthy=advice == NOTHING_TO_DO,
    )


def _pod_row(pod: PodSeen, scope: Scope, estate: Estate) -> PodRow:
    state, why, advice = judge_pod(pod, scope, estate, rows_of(pod, scope, estate))
    return PodRow(pod.pod.name, state, pod.pod.node, why, advice)


def _judge(seen: WorkloadSeen, scope: Scope, rows: tuple[NodeRow, ...], pods: tuple[PodRow, ...]) -> tuple[str, str]:
    """Return why the workload is as it is, and what to do."""
    if scope.fault:
        return f"no node can be judged: {scope.fault.partition(':')[0]}", scope.fault
    counts = Counter(pod.state for pod in pods)
    summary = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "it has no pods"
    summary = f"of {plural(len(pods), 'pod')}: {summary}" if pods else summary
    if scope.policy is None:
        return _judge_free(seen, pods, summary)
    if seen.refused:
        return f"{summary}; the API server refuses new pods", f"do what its answer says: {seen.refused[0]}"
    # A pod that waits may be the first one of a roll-out: none of the others is replaced before it runs.
    for state in (State.PENDING, State.OUTSIDE, State.UNKNOWN):
        first = next((pod for pod in pods if pod.state is state and pod.next != NOTHING_TO_DO), None)
        if first:
            return f"{summary}; {first.pod}: {first.why}", first.next
    older = next((pod for pod in pods if pod.next != NOTHING_TO_DO), None)
    if older:
        return f"{summary}; {older.pod}: {older.why}", older.next
    return _judge_template(seen, scope.policy, rows, summary)


def _judge_free(seen: WorkloadSeen, pods: tuple[PodRow, ...], summary: str) -> tuple[str, str]:
    """Say whether anything is left of a policy that held the workload."""
    if seen.placed_for:
        former = min(seen.placed_for)
        why = f"no policy is in effect any more, but its pod template still selects the nodes of policy {former}"
        return f"{why}; {summary}", how_to_move(seen.namespace, "", seen.kind, seen.name, looked=True)
    left = next((pod for pod in pods if pod.next != NOTHING_TO_DO), None)
    if left:
        return f"{summary}; {left.pod}: {left.why}", left.next
    return f"no policy is in effect: its pods may run on any node; {summary}", NOTHING_TO_DO


def _judge_template(seen: WorkloadSeen, policy: str, rows: tuple[NodeRow, ...], summary: str) -> tuple[str, str]:
    """Say whether new pods would find a node: all that there are do not tell."""
    possible = [row for row in rows if row.verdict is not Judged.REFUSED]
    if rows and not possible:
        why = f"{summary}; a new pod would find no node: policy {policy} accepts none"
        return why, remedy(rows) or "read `kubectl sovereign nodes`"
    if rows and not any(row.fits for row in possible):
        first = possible[0]
        why = f"{summary}; a new pod would find no node: {first.node} {'; '.join(first.lacks)}"
        return why, own_rule_advice(possible, Owner(seen.kind, seen.name))
    return summary, NOTHING_TO_DO
