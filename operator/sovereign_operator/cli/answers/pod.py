"""Why a pod runs where it runs, or runs nowhere, and the one thing to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.cli.answers.answer import Answer, plural
from sovereign_operator.cli.answers.claim import NOTHING_TO_DO, Claim
from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.cli.answers.moving import move, own_rule_advice
from sovereign_operator.cli.answers.placing import Judged, NodeRow, NodeRows, remedy
from sovereign_operator.cli.answers.pod_seen import PodSeen, State
from sovereign_operator.cli.answers.scope import Scope
from sovereign_operator.core.encryption.api_server import REMEDY
from sovereign_operator.core.encryption.refusals import CARRIES_ALL
from sovereign_operator.core.encryption.refusals import REMEDY as REFUSALS_REMEDY
from sovereign_operator.core.encryption.rollout import ADMIT, CLOSED, CUT_OFF
from sovereign_operator.core.placement.verdict import Place, place_of
from sovereign_operator.core.sidecar.contract import CONTAINER
from sovereign_operator.core.workload.waiting import CREATE_AGAIN, chose_refused

INSUFFICIENT: Final = "Insufficient "
"""What the scheduler says if nodes lack room, as in ``Insufficient cpu``."""
PATIENCE: Final = timedelta(minutes=1)
"""How long a sidecar may take to start before somebody is told: usually it takes seconds."""
CREATE_WITHOUT: Final = "have it created again, without that selector"
ASK_ANOTHER: Final = "ask somebody who may list nodes and Datacentres to run the same command, which then says more"


@dataclass(frozen=True, kw_only=True)
class PodExplanation(Answer):
    """The answer to ``explain pod``."""

    namespace: str
    pod: str
    state: State
    policy: str | None
    policy_source: str
    why: str
    next: str
    """The one thing to do."""
    node: str | None
    nodes: tuple[NodeRow, ...]
    """All nodes; empty if the caller may not list them."""
    scheduler: str
    """What the scheduler says, if the pod waits for a node."""
    claim: Claim | None
    """The SovereignWorkload that refers to its workload."""
    encryption: tuple[str, ...] = ()
    """What stands in the way of its policy's encryption, as sentences."""

    @property
    def findings(self) -> tuple[str, ...]:
        """The reason, unless there is nothing to do, and what stands in the way of encryption."""
        return (*(() if self.next == NOTHING_TO_DO else (self.why,)), *self.encryption)


def obstacles(
    closed_by: Sequence[str], called: str, *, cut_off_by: Sequence[str] = (), refused: str = ""
) -> tuple[str, ...]:
    """Say what stands in the way of encryption: NetworkPolicies, and calls of the API server that Strict refuses.

    ``closed_by``: those that keep the controller from the sidecar. ``cut_off_by``: those that keep the sidecar from the
    signers. ``refused``: when its sidecar was reported to refuse connections, which stands in the way of the
    application.
    """
    said = []
    if cut_off_by:
        said.append(f"it waits for its certificate, because {CUT_OFF}: {', '.join(cut_off_by)}: {ADMIT}")
    if closed_by:
        said.append(f"{CLOSED}: {', '.join(closed_by)}: {ADMIT}")
    if called:
        said.append(f"Strict refuses the API server, which calls it ({called}): {REMEDY}")
    if refused:
        said.append(f"its sidecar refused connections ({refused}), because it {CARRIES_ALL}: {REFUSALS_REMEDY}")
    return tuple(said)


def explain_pod(
    seen: PodSeen, scope: Scope, estate: Estate, claim: Claim | None, encryption: tuple[str, ...] = ()
) -> PodExplanation:
    """Explain where a pod is, and what to do. ``encryption``: what stands in its way."""
    rows = rows_of(seen, scope, estate)
    state, why, advice = judge_pod(seen, scope, estate, rows)
    return PodExplanation(
        namespace=seen.namespace,
        pod=seen.pod.name,
        state=state,
        policy=scope.policy,
        policy_source=scope.source,
        why=why,
        next=advice,
        node=seen.pod.node,
        nodes=rows.all,
        scheduler=seen.pod.waiting,
        claim=claim,
        encryption=encryption,
    )


def rows_of(seen: PodSeen, scope: Scope, estate: Estate) -> NodeRows:
    """Return all nodes for a pod."""
    return NodeRows(estate, scope.policy, seen.rules, placed_for=seen.pod.placed_for)


def judge_pod(seen: PodSeen, scope: Scope, estate: Estate, rows: NodeRows) -> tuple[State, str, str]:
    """Return where a pod is, why, and what to do."""
    if scope.fault:
        return State.UNKNOWN, f"no node can be judged: {scope.fault.partition(':')[0]}", scope.fault
    if seen.ended:
        return State.ENDED, "it has ended, and is judged no longer", NOTHING_TO_DO
    if scope.policy is None:
        return State.FREE, *_judge_free(seen)
    if seen.pod.node:
        return _judge_bound(seen, scope.policy, estate, rows)
    why, advice = _why_on_retained(seen, scope.policy, rows) or _why_pending(seen, scope.policy, rows.all)
    return State.PENDING, why, advice


def _judge_free(seen: PodSeen) -> tuple[str, str]:
    """Return what to say of a pod that no policy holds, and what to do: it may be older than that."""
    if seen.pod.node or not seen.pod.placed_for:
        return "no policy is in effect: it may run on any node", NOTHING_TO_DO
    former = min(seen.pod.placed_for)
    why = f"no policy is in effect any more, but it was created under policy {former} and still selects its nodes"
    if seen.owner and seen.owner.workload is WorkloadKind.DAEMON_SET:
        return why, move(seen)
    return why, f"{CREATE_WITHOUT}: kubectl -n {seen.namespace} delete pod {seen.pod.name}"


def _judge_bound(seen: PodSeen, policy: str, estate: Estate, rows: NodeRows) -> tuple[State, str, str]:
    node = seen.pod.node or ""
    here = rows.of(node)
    if not estate.judged:
        return _as_recorded(seen, policy, here)
    if seen.pod.unreadable:
        return State.OUTSIDE, "it cannot be read, and counts as outside", move(seen)
    place = place_of(node, estate.verdict(node, policy))
    if here is None:
        return State.OUTSIDE, f"it runs on {node}, a node that is gone", move(seen)
    if place is Place.OUTSIDE:
        why = f"it runs on {node}, which policy {policy} does not accept: {here.why}"
        nowhere = not estate.verdicts.accepted_nodes(policy)
        return State.OUTSIDE, why, f"make a node acceptable first: {remedy(rows.all)}" if nowhere else move(seen)
    why = f"it runs on {node} in {here.datacentre}, which policy {policy} accepts: {here.why}"
    return State.INSIDE, *_judge_inside(seen, policy, estate, why)


def _judge_inside(seen: PodSeen, policy: str, estate: Estate, why: str) -> tuple[str, str]:
    """Return what to say of a pod that runs where its policy accepts it for this reason, and what to do."""
    waited = estate.facts.now - seen.sidecar_awaited if seen.sidecar_awaited else timedelta()
    if waited > PATIENCE:
        minutes = plural(waited // timedelta(minutes=1), "minute")
        return f"{why}; but its containers have waited {minutes} for its sidecar", _start_sidecar(seen)
    if policy in seen.pod.placed_for or seen.static:
        return why, NOTHING_TO_DO
    return f"{why}; but it is older than the policy's hold on it, and does not select its nodes", move(seen)


def _as_recorded(seen: PodSeen, policy: str, here: NodeRow | None) -> tuple[State, str, str]:
    """Judge by what the operator wrote on the pod or its node, as the node cannot be judged."""
    node, source = seen.pod.node, "the pod"
    word, _, rest = seen.recorded.get("verdict", "").partition(": ")
    if seen.recorded.get("policy") != policy:
        word, rest, source = (here.verdict, here.why, "the node") if here else ("", "", "")
    recorded = f"{rest} (as the operator recorded it on {source})"
    if word == Judged.ACCEPTED:
        return State.INSIDE, f"it runs on {node}, which policy {policy} accepts: {recorded}", NOTHING_TO_DO
    if word == Judged.REFUSED:
        return State.OUTSIDE, f"it runs on {node}, which policy {policy} does not accept: {recorded}", move(seen)
    why = f"it runs on {node}; you may not read what its verdict rests on, and the operator has recorded none"
    return State.UNKNOWN, why, ASK_ANOTHER


def _why_on_retained(seen: PodSeen, policy: str, rows: NodeRows) -> tuple[str, str] | None:
    """Return what to say of a pod of a DaemonSet for a refused node that keeps the policy's label; None of others.

    Its controller chooses nodes by the label, and names the node in the affinity of the pod. As long as the pod waits,
    a roll-out counts it among those that are unavailable.
    """
    daemon_set = seen.owner.name if seen.owner and seen.owner.workload is WorkloadKind.DAEMON_SET else ""
    if not daemon_set or not rows.retained or any(row.fits for row in rows.all):
        return None
    node = rows.retained[0]
    why = (
        f"its DaemonSet wants it on {node}, which policy {policy} refuses, and which keeps the policy's label for the "
        "pods that run there: it cannot start, and goes once they have left"
    )
    raised = f"updateStrategy.rollingUpdate.maxUnavailable of DaemonSet {daemon_set} by the number of such nodes"
    return why, f"move the policy's pods off {node}; if a roll-out waits meanwhile, raise {raised}"


def _why_pending(seen: PodSeen, policy: str, rows: tuple[NodeRow, ...]) -> tuple[str, str]:
    """Return why a pod has no node, and what to do."""
    said = seen.pod.waiting or "the scheduler has not looked at it yet"
    if seen.gates:
        gates = ", ".join(seen.gates)
        return f"it waits for its scheduling gates: {gates}", f"find out who removes the gates: {gates}"
    if policy not in seen.pod.placed_for:
        why = "it is older than the policy's hold on it, and does not select its nodes, so that guards refuse its nodes"
        return why, move(seen)
    if not rows:
        why = f"it waits for a node that policy {policy} accepts; the scheduler says: {said}"
        return why, ASK_ANOTHER
    possible = [row for row in rows if row.verdict is not Judged.REFUSED]
    if not possible:
        return f"policy {policy} accepts no node", remedy(rows) or "read `kubectl sovereign nodes`"
    called = f"{plural(len(possible), 'node')} that policy {policy} accepts"
    fitting = [row for row in possible if row.fits]
    if fitting:
        return _why_room(fitting, said)
    first = possible[0]
    why = f"its own rules keep it off the {called}: {first.node} {'; '.join(first.lacks)}"
    return why, own_rule_advice(possible, seen.owner)


def _why_room(fitting: list[NodeRow], said: str) -> tuple[str, str]:
    """Return why a pod has no node although some would suit it, and what to do. ``said``: by the scheduler."""
    if not any(row.labelled for row in fitting):
        why = f"the operator has not labelled {fitting[0].node} yet, which would suit it"
        return why, "wait a moment; then kubectl sovereign check says what is wrong with the operator"
    why = f"{plural(len(fitting), 'accepted node')} would suit it; the scheduler says: {said}"
    if chose_refused(said):
        chosen = "it is older than the refusal of a node that keeps the policy's label for the pods that run there"
        return f"{chosen}: the scheduler chose that node, and may go on choosing it; it says: {said}", CREATE_AGAIN
    if INSUFFICIENT in said:
        return why, f"make room on {fitting[0].node} or another accepted node, or have the pod ask for less"
    return (
        why,
        f"see what the scheduler misses: neither the policy nor the pod's own rules keep it off {fitting[0].node}",
    )


def _start_sidecar(seen: PodSeen) -> str:
    """Say what to look at where a sidecar does not start."""
    log = f"kubectl -n {seen.namespace} logs {seen.pod.name} -c {CONTAINER}"
    elsewhere = f"kubectl sovereign check says what node {seen.pod.node} lacks; a pod in a sandbox can have no sidecar"
    return f"read {log}, which says whether it has a certificate; if it has, {elsewhere}"
