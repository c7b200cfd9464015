"""On which nodes a pod may run, by its policy and by its own rules."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Final

from sovereign_operator.cli.answers.answer import plural
from sovereign_operator.cli.answers.estate import Estate
from sovereign_operator.core import names
from sovereign_operator.core.kubernetes.node_fit import (
    Demand,
    Json,
    PodDemands,
    demands_of,
    shortcomings,
    unmet_demands,
)
from sovereign_operator.core.report.reasons import NodeReason, sentences, words

POLICY_SELECTOR: Final = names.node_policy_label("")
REMEDIES: Final[Mapping[str, str]] = {
    reason.value: row.remedy.replace("`", "") for reason in NodeReason for row in reason.rows if row.table == "nodes"
}
"""What to do about each reason, as the reference has it."""


class Judged(StrEnum):
    """What a policy says of a node."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class NodeRow:
    """One node, for one pod."""

    node: str
    verdict: Judged
    datacentre: str | None
    reasons: tuple[str, ...]
    """Why the policy refuses the node, as CamelCase words."""
    why: str
    """What the verdict rests on, as sentences."""
    lacks: tuple[str, ...]
    """Which of the pod's own rules the node does not meet. Only for nodes that are not refused."""
    fixed: bool = False
    """Whether it lacks something that no change of the node should give it, such as its name or a volume."""
    labelled: bool = True
    """Whether an accepted node carries the policy's label, which pods select on and the operator writes."""

    @property
    def fits(self) -> bool:
        """Whether the pod's own rules let it run where the policy does, room aside."""
        return self.verdict is not Judged.REFUSED and not self.lacks


def own_rules(pod_spec: Json, *, volumes: Iterable[Demand] = (), tolerations: Iterable[Json] = ()) -> PodDemands:
    """Return what a pod demands of its node by itself, without what admission wrote into it for a policy.

    ``volumes``: what its volumes demand. ``tolerations`` come in addition to those of the spec.
    """
    selector = pod_spec.get("nodeSelector") or {}
    own = {key: value for key, value in selector.items() if not key.startswith(POLICY_SELECTOR)}
    demands = demands_of({**pod_spec, "nodeSelector": own})
    return PodDemands("", (*demands, *volumes), (*(pod_spec.get("tolerations") or ()), *tolerations))


def _left_by(policies: Iterable[str]) -> tuple[Demand, ...]:
    """Return what policies demand that hold a pod no more: it keeps what admission wrote into it."""
    return tuple(
        demand
        for policy in sorted(policies)
        for demand in demands_of({"nodeSelector": {names.node_policy_label(policy): names.ACCEPTED}})
    )


class NodeRows:
    """All nodes, for one pod. Without a policy, nothing is refused.

    ``placed_for``: the policies whose label it selects. That is a rule like others once none of them holds it.
    """

    def __init__(
        self, estate: Estate, policy: str | None, rules: PodDemands, *, placed_for: Iterable[str] = ()
    ) -> None:
        self._estate, self._policy = estate, policy
        left = () if policy else _left_by(placed_for)
        self._rules = replace(rules, demands=(*rules.demands, *left))

    def of(self, node: str) -> NodeRow | None:
        """Return the row of a node; None if it does not exist, or may not be read."""
        return _row(self._estate, node, self._policy, self._rules) if node in self._estate.nodes else None

    @cached_property
    def all(self) -> tuple[NodeRow, ...]:
        """The nodes on which the pod may run, then those that fail its rules, then those that the policy refuses."""
        rows = [_row(self._estate, name, self._policy, self._rules) for name in self._estate.nodes]
        return tuple(sorted(rows, key=lambda row: (row.verdict is Judged.REFUSED, bool(row.lacks), row.node)))

    @cached_property
    def retained(self) -> tuple[str, ...]:
        """The nodes that the policy refuses, but which keep its label for pods there, and meet the pod's own rules."""
        if self._policy is None:
            return ()
        label, seen = names.node_policy_label(self._policy), self._estate.nodes
        kept = [row.node for row in self.all if row.verdict is Judged.REFUSED]
        kept = [node for node in kept if seen[node].traits.labels.get(label) == names.ACCEPTED]
        return tuple(node for node in kept if not shortcomings(self._rules, seen[node].traits))


def _row(estate: Estate, name: str, policy: str | None, rules: PodDemands) -> NodeRow:
    seen = estate.nodes[name]
    lacks = shortcomings(rules, seen.traits)
    fixed = any(demand.of_place for demand in unmet_demands(rules, seen.traits))
    if policy is None:
        return NodeRow(name, Judged.ACCEPTED, None, (), "no policy is in effect", lacks, fixed)
    verdict = estate.verdict(name, policy)
    if estate.judged and policy not in estate.facts.policies:
        return NodeRow(name, Judged.UNKNOWN, None, (), f"policy {policy} does not exist or cannot be read", lacks)
    if verdict is None:
        return replace(_recorded(name, seen.recorded.get(policy, ""), lacks), fixed=fixed)
    if not verdict.accepted:
        why, reasons = sentences(verdict.findings), words(verdict.findings)
        return NodeRow(name, Judged.REFUSED, verdict.datacentre, reasons, why, ())
    labelled = seen.traits.labels.get(names.node_policy_label(policy)) == names.ACCEPTED
    rests_on = "; ".join(basis.text for basis in verdict.basis) or "the policy demands nothing that ends"
    return NodeRow(name, Judged.ACCEPTED, verdict.datacentre, (), rests_on, lacks, fixed, labelled)


def _recorded(name: str, sentence: str, lacks: tuple[str, ...]) -> NodeRow:
    """Return a row by the verdict that the operator wrote on the node."""
    word, _, rest = sentence.partition(": ")
    if word not in {Judged.ACCEPTED, Judged.REFUSED}:
        return NodeRow(name, Judged.UNKNOWN, None, (), "you may not read what its verdict rests on", lacks)
    verdict = Judged(word)
    return NodeRow(name, verdict, None, (), rest, lacks if verdict is Judged.ACCEPTED else ())


def remedy(rows: Sequence[NodeRow]) -> str:
    """Return what to do about the reason for which most nodes are refused; empty if none is known."""
    counted = Counter(reason for row in rows if row.verdict is Judged.REFUSED for reason in row.reasons)
    if not counted:
        return ""
    reason, count = min(counted.items(), key=lambda item: (-item[1], item[0]))
    return f"{plural(count, 'node')} {'is' if count == 1 else 'are'} refused with {reason}: {REMEDIES[reason]}"
