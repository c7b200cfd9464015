"""How a pod can be had to run elsewhere, and whether it would: as advice."""

from typing import Final

from sovereign_operator.cli.answers.placing import NodeRow
from sovereign_operator.cli.answers.pod_seen import Owner, PodSeen
from sovereign_operator.core.kubernetes.node_fit import VOLUME
from sovereign_operator.core.workload.previewed import Outcome
from sovereign_operator.core.workload.status import how_to_move

WOULD_STOP: Final = {
    Outcome.HANGS: "new pods would wait",
    Outcome.REFUSED: "new pods would be refused",
    Outcome.CUT_OFF: "no peer would connect to new pods",
}
"""What becomes of pods that had better not be created again."""


def move(seen: PodSeen) -> str:
    """Say how to have a pod run elsewhere, or why that would stop it."""
    if seen.static:
        return "take its file off the node: it is a static pod, which only its node can move"
    way = _way(seen)
    if seen.again is None or seen.again.outcome in {Outcome.RUNS, Outcome.MOVES}:
        return way
    if stop := WOULD_STOP.get(seen.again.outcome):
        return f"mend this first, as {stop}: {seen.again.reason}; then {way}"
    return f"find out first whether new pods would start, which cannot be told: {seen.again.reason}; then {way}"


def _way(seen: PodSeen) -> str:
    if seen.owner is None:
        return f"create it again: kubectl -n {seen.namespace} delete pod {seen.pod.name}, and nobody else creates it"
    advice = how_to_move(seen.namespace, seen.pod.name, seen.owner.workload, seen.owner.name, looked=True)
    return advice[0].lower() + advice[1:]


def own_rule_advice(possible: list[NodeRow], owner: Owner | None) -> str:
    """Say what to change, where the nodes that a policy accepts do not meet a pod's own rules."""
    first = min(possible, key=lambda row: (row.fixed, len(row.lacks), row.node))
    where, lacks = f"the pod template of {owner.kind} {owner.name}" if owner else "the pod", " and ".join(first.lacks)
    if not first.fixed:
        return f"change {where}, or {first.node}, which {lacks}"
    if any(VOLUME in lack for lack in first.lacks):
        return f"move its data to a volume that an accepted node reaches: {first.node} {lacks}"
    return f"change {where}, which asks for other nodes than the policy: {first.node} {lacks}"
