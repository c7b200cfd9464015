"""What the last look at the cluster has come to, by which everything goes until the next one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.node_metadata import NodeMetadata, Placement
from sovereign_operator.core.placement.verdict import Verdicts


@dataclass(frozen=True)
class ClusterAssessment:
    """One look at the cluster, and what follows from it."""

    facts: Facts
    verdicts: Verdicts
    placement: Placement
    granted: Mapping[str, tuple[str, ...]]
    """The namespaces that there are to which each policy gives certificates, by policy."""

    @cached_property
    def marks(self) -> Mapping[str, NodeMetadata]:
        """What each node is to say, by its name."""
        return {marks.name: marks for marks in self.placement.nodes}


class Published:
    """The last look, as far as others go by it."""

    def __init__(self) -> None:
        self.verdicts: Verdicts | None = None
        self.judged: ClusterAssessment | None = None
        """What nodes and statuses are to say: it follows the roles. None while nothing may be changed."""
        self.retained: frozenset[tuple[str, str]] = frozenset()
        """(node, policy) whose label stays only for pods that still run there."""
        self.not_trusted: Mapping[str, tuple[str, ...]] = {}
        """The pods that mount a policy's certificates where it gives none, by policy, as its condition has them."""
