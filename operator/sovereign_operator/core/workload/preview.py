"""What would become of workloads: each runs, moves, hangs, is refused or cut off, or it cannot be told.

A definite row is a promise, so whatever is not certain is CANNOT_TELL, with the reason. Placement, verdicts and trust
are decided where the operator decides them; here they are only asked twice, before and after the change.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sovereign_operator.core.kubernetes.node_fit import NodeTraits, PodDemands, fitting, obstacle
from sovereign_operator.core.kubernetes.requests import Amounts
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.core.report.conditions import examples
from sovereign_operator.core.report.reasons import sentences
from sovereign_operator.core.workload.packing import ENOUGH, Found, Need, Room, find_room
from sovereign_operator.core.workload.previewed import Outcome, Previewed, PreviewRow, Replica, Stage, Trigger


def preview(workloads: Iterable[Previewed], stage: Stage) -> tuple[PreviewRow, ...]:
    """Return a row for each workload, sorted by namespace and name. Room is judged for all of them together."""
    cases = [_case(workload, stage) for workload in sorted(workloads, key=lambda one: one.key)]
    # Pods of which it cannot be told where they go may take room from others all the same.
    wanted = {case.workload.key: case.needs for case in cases if case.needs and not case.workload.refused}
    rooms = {} if stage.free is None else find_room(wanted, stage.free, _at_most(cases, stage.free))
    return tuple(_row(case, rooms.get(case.workload.key, ENOUGH), stage) for case in cases)


@dataclass(frozen=True)
class _Case:
    """A workload on the nodes that there would be."""

    workload: Previewed
    outside: tuple[Replica, ...]
    """Its pods that look for a node: those without one, and those that could not start again where they run."""
    needs: tuple[Need, ...]
    """Those of them that some node would suit."""
    settled: tuple[Outcome, str] | None
    """What becomes of it whatever room there is; None: room decides."""
    places: int = 0
    """Of a DaemonSet, how many nodes suit it."""


def _case(workload: Previewed, stage: Stage) -> _Case:
    policy = workload.policy
    if policy is None:
        return _Case(workload, (), (), (Outcome.RUNS, "no policy is in effect: its pods may run on any node"))
    if policy in stage.facts.unread.policies:
        why = f"policy {policy} cannot be read: kubectl describe sovereigntypolicy {policy} says why"
        return _Case(workload, (), (), (Outcome.CANNOT_TELL, why))
    accepted = [stage.traits[name] for name in stage.after.accepted_nodes(policy) if name in stage.traits]
    settled = _settled_before_placing(workload, policy, stage)
    if workload.template is not None:
        return _case_of_daemon(workload, workload.template, accepted, stage, settled)
    replicas = sorted(workload.replicas, key=lambda one: (one.node or "", one.unread, str(one.rules)))
    outside = tuple(one for one in replicas if not _stays_there(one, policy, stage))
    suiting = [(one, frozenset(node.name for node in fitting(one.rules, accepted))) for one in outside]
    homeless = next((one for one, nodes in suiting if not nodes), None)
    if settled is None and homeless is not None:
        settled = Outcome.HANGS, _nowhere(policy, homeless.rules, accepted, stage)
    settled = settled or _stuck(one.stuck for one in outside)
    needs = [Need(nodes, one.requests) for one, nodes in suiting if nodes and not one.stuck]
    settled = settled or _unjudged(workload, outside, stage, looking=bool(outside))
    settled = settled or _crowded(workload, needs, accepted, stage)
    return _Case(workload, outside, tuple(needs), settled)


def _case_of_daemon(
    workload: Previewed,
    template: PodDemands,
    accepted: Sequence[NodeTraits],
    stage: Stage,
    settled: tuple[Outcome, str] | None,
) -> _Case:
    suited = fitting(template, accepted)
    # Where one of its pods runs, the next one takes its place.
    holding = {one.node: one.held for one in workload.replicas}
    wants = {node.name: _growth(workload.template_requests, holding.get(node.name, {})) for node in suited}
    needs = [Need(frozenset({node}), growth) for node, growth in wants.items() if growth]
    if settled is None and not suited:
        settled = _settle_daemon(workload, template, accepted, stage)
    settled = settled or _stuck([workload.template_stuck])
    if settled is None and needs:
        settled = _unjudged(workload, (), stage, looking=True)
    names = {node.name for node in suited}
    outside = tuple(one for one in workload.replicas if one.node not in names)
    return _Case(workload, outside, tuple(needs), settled, len(suited))


def _stuck(whys: Iterable[str]) -> tuple[Outcome, str] | None:
    """Say why pods get no node wherever there is room, if that is so of any."""
    why = next(filter(None, whys), "")
    return (Outcome.HANGS, why) if why else None


def _growth(requests: Amounts, held: Amounts) -> dict[str, Decimal]:
    """Return what a pod requests beyond what its predecessor holds."""
    return {name: more for name, amount in requests.items() if (more := amount - held.get(name, Decimal(0))) > 0}


def _stays_there(one: Replica, policy: str, stage: Stage) -> bool:
    """Whether a pod could start again where it runs, in the room that it has there."""
    if one.node is None or not stage.after.accepts(policy, one.node) or one.node not in stage.traits:
        return False
    grows = any(amount > one.held.get(name, 0) for name, amount in one.requests.items())
    return not grows and bool(fitting(one.rules, [stage.traits[one.node]]))


def _nowhere(policy: str, rules: PodDemands, accepted: Sequence[NodeTraits], stage: Stage) -> str:
    if not accepted:
        first = min(stage.traits, default="")
        why = f": {_why_refused(policy, [first], stage)}" if first and policy in stage.facts.policies else ""
        return f"policy {policy} accepts no node{why}"
    nodes = "the node" if len(accepted) == 1 else f"the {len(accepted)} nodes"
    return f"its own rules keep new pods off {nodes} that policy {policy} accepts: {obstacle(rules, accepted)}"


def _settled_before_placing(workload: Previewed, policy: str, stage: Stage) -> tuple[Outcome, str] | None:
    """Decide what no placing changes."""
    if workload.refused:
        return Outcome.REFUSED, workload.refused
    if not workload.replicas and workload.template is None:
        return Outcome.RUNS, "it asks for no pods now"
    if workload.static:
        return _settle_static(workload, policy, stage)
    if workload.needs_certificate and (lost := sorted(_untrusted(workload, policy, stage))):
        why = (
            f"policy {policy} withdraws its trust from {examples(lost)}: pods there keep running, and no peer connects"
        )
        return Outcome.CUT_OFF, why
    return None


def _settle_static(workload: Previewed, policy: str, stage: Stage) -> tuple[Outcome, str]:
    outside = [one.node for one in workload.replicas if one.node and not stage.after.accepts(policy, one.node)]
    if not outside:
        return Outcome.RUNS, "its node runs it from a file, and the policy accepts that node"
    return Outcome.CANNOT_TELL, f"{outside[0]} runs it from a file: no policy stops it, and only its node can move it"


def _untrusted(workload: Previewed, policy: str, stage: Stage) -> Iterator[str]:
    """Yield the datacentres in which its pods run with certificates that would no longer be trusted."""
    if workload.before != policy or policy not in stage.before.policies:
        return
    for node in sorted({one.node for one in workload.replicas if one.node}):
        if stage.before.accepts(policy, node):
            datacentre = stage.before.nodes[node, policy].datacentre
            if datacentre is not None and Pair(policy, datacentre) not in stage.trusted:
                yield datacentre


def _settle_daemon(
    workload: Previewed, template: PodDemands, accepted: Sequence[NodeTraits], stage: Stage
) -> tuple[Outcome, str]:
    """Decide about a DaemonSet that no accepted node suits."""
    if not workload.replicas and not fitting(template, stage.traits.values()):
        return Outcome.RUNS, "no node is one of those that it asks for, so that it has no pods"
    return Outcome.HANGS, _nowhere(workload.policy or "", template, accepted, stage)


def _unjudged(
    workload: Previewed, outside: Sequence[Replica], stage: Stage, *, looking: bool
) -> tuple[Outcome, str] | None:
    """Say why it cannot be told whether pods that look for a node find one, if that is so."""
    unread = next((one.unread for one in outside if one.unread), "")
    if unread:
        return Outcome.CANNOT_TELL, unread
    if workload.unjudged and (looking or workload.starts_first):
        return Outcome.CANNOT_TELL, workload.unjudged
    if looking and stage.free is None:
        return Outcome.CANNOT_TELL, stage.room_unknown
    return None


def _crowded(
    workload: Previewed, needs: Sequence[Need], accepted: Sequence[NodeTraits], stage: Stage
) -> tuple[Outcome, str] | None:
    """Say so if a roll-out would start one more pod first, for which there may be no room beside those that stay."""
    if not workload.starts_first or stage.free is None or len(needs) == len(workload.replicas):
        return None
    one = workload.replicas[0]
    further = Need(frozenset(node.name for node in fitting(one.rules, accepted)), one.requests)
    if find_room({"": [*needs, further]}, stage.free)[""].room is Room.ENOUGH:
        return None
    why = "pods of it run on accepted nodes, but its roll-out starts another one first, for which there may be no room"
    return Outcome.CANNOT_TELL, why


def _at_most(cases: Iterable[_Case], free: Mapping[str, Amounts]) -> dict[str, dict[str, Decimal]]:
    """Return what nodes have left once all pods have left them that would be outside there."""
    found = {node: dict(amounts) for node, amounts in free.items()}
    for one in (one for case in cases for one in case.outside):
        if one.node in found:
            for name, amount in one.held.items():
                found[one.node][name] = found[one.node].get(name, Decimal(0)) + amount
    return found


def _row(case: _Case, room: Found, stage: Stage) -> PreviewRow:
    workload = case.workload
    outcome, reason = case.settled or _by_room(case, room, stage)
    return PreviewRow(
        workload.namespace,
        f"{workload.kind}/{workload.name}",
        workload.policy or "",
        _trigger(workload, stage),
        outcome,
        case.places if workload.template is not None else len(workload.replicas),
        reason,
    )


def _trigger(workload: Previewed, stage: Stage) -> Trigger:
    if not workload.exists:
        return Trigger.CREATION
    if workload.policy != workload.before:
        return Trigger.LABEL
    nodes = {one.node for one in workload.replicas if one.node}
    policy = workload.policy or ""
    if any(stage.before.accepts(policy, node) and not stage.after.accepts(policy, node) for node in nodes):
        return Trigger.WITHDRAWAL
    return Trigger.ROLL_OUT


def _by_room(case: _Case, room: Found, stage: Stage) -> tuple[Outcome, str]:
    workload, policy = case.workload, case.workload.policy or ""
    if room.room is Room.NONE:
        return Outcome.HANGS, f"nodes that policy {policy} accepts have no room: {room.why}"
    if room.room is Room.UNSURE:
        return Outcome.CANNOT_TELL, room.why
    leaving = [one for one in case.outside if one.node and not stage.after.accepts(policy, one.node)]
    if not leaving:
        return Outcome.RUNS, _stays(case)
    refused = _why_refused(policy, sorted({one.node for one in leaving if one.node}), stage)
    if workload.template is not None:
        return Outcome.MOVES, f"{len(leaving)} of its pods end, and it runs on {case.places} accepted nodes: {refused}"
    again = "; nobody creates it again: do so yourself" if workload.bare else ""
    count = f"{len(leaving)} of {len(workload.replicas)} pods"
    return Outcome.MOVES, f"accepted nodes have room for {count}, which run outside: {refused}{again}"


def _stays(case: _Case) -> str:
    if case.workload.template is not None:
        return f"accepted nodes suit it, {case.places} in number" if case.places > 1 else "an accepted node suits it"
    if not case.outside:
        return "its pods run on accepted nodes"
    if len(case.outside) == len(case.workload.replicas):
        return "accepted nodes have room for its pods"
    return "its pods run on accepted nodes, or have room there"


def _why_refused(policy: str, nodes: Sequence[str], stage: Stage) -> str:
    """Say why the first of these nodes is refused."""
    first = nodes[0]
    gone = first not in stage.facts.nodes
    return f"{first} {'is gone' if gone else f'is refused: {sentences(stage.after.nodes[first, policy].findings)}'}"
