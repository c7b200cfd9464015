"""What was read about services, datacentres, policies and nodes, and what the core says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property

from sovereign_operator.core import names
from sovereign_operator.core.kubernetes.node_fit import NodeTraits
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.verdict import NodeVerdict
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.conditions import examples

NO_FACTS = Facts({}, {}, {}, {}, datetime.min.replace(tzinfo=UTC))


class Kept(StrEnum):
    """A collection of objects that verdicts rest on."""

    SERVICES = "cloudservices"
    DATACENTRES = "datacentres"
    POLICIES = "sovereigntypolicies"
    DEROGATIONS = "derogations"
    NODES = "nodes"


@dataclass(frozen=True)
class NodeSeen:
    """What an explanation needs of a node, besides what verdicts rest on."""

    traits: NodeTraits
    recorded: Mapping[str, str] = field(default_factory=dict)
    """By policy, the verdict that the operator wrote on the node."""


@dataclass(frozen=True)
class Estate:
    """What the caller may read of it."""

    facts: Facts = NO_FACTS
    nodes: Mapping[str, NodeSeen] = field(default_factory=dict)
    known: frozenset[Kept] = frozenset()
    """The collections that could be read. What is not in ``facts`` of the others may exist all the same."""

    @property
    def judged(self) -> bool:
        """Whether all was read that verdicts rest on."""
        return self.known >= {*Kept}

    @property
    def placed(self) -> bool:
        """Whether all was read that says where nodes stand."""
        return self.known >= {Kept.NODES, Kept.DATACENTRES, Kept.SERVICES}

    @cached_property
    def verdicts(self) -> Verdicts:
        """What the core decides. It counts only if the estate is ``judged``."""
        return Verdicts(self.facts)

    @property
    def policies(self) -> frozenset[str] | None:
        """The names of all policies, of those that cannot be read as well; None if the caller may not list them."""
        if Kept.POLICIES not in self.known:
            return None
        return frozenset(self.facts.policies) | self.facts.unread.policies

    def verdict(self, node: str, policy: str) -> NodeVerdict | None:
        """Return the verdict of a policy on a node; None if it cannot be given."""
        if not self.judged or policy not in self.facts.policies or node not in self.facts.nodes:
            return None
        return self.verdicts.nodes[node, policy]

    @property
    def not_carried_out(self) -> tuple[str, ...]:
        """A sentence for each policy whose pods may still start on nodes that it refuses.

        The controller writes a refusal within seconds, so this lasts where none runs.
        """
        if not self.judged:
            return ()
        return tuple(
            f"policy {policy} refuses {examples(nodes)}, and its pods may start there until the controller has carried "
            "that out: if this lasts for a minute, kubectl sovereign check says why"
            for policy in sorted(self.facts.policies)
            if (nodes := self._hosts_refused_by(policy))
        )

    def _hosts_refused_by(self, policy: str) -> list[str]:
        label = names.node_host_label(policy)
        hosts = (name for name, seen in self.nodes.items() if seen.traits.labels.get(label) == names.ACCEPTED)
        return sorted(name for name in hosts if not self.verdicts.accepts(policy, name))
