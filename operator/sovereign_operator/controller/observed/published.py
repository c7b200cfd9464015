"""The results of the last reconciliation of the cluster, which the other reconcilers use until the next one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.node_metadata import NodeMetadata, Placement
from sovereign_operator.core.placement.verdict import Verdicts


@dataclass(frozen=True)
class ClusterAssessment:
    """The facts of one reconciliation of the cluster, and what follows from them."""

    facts: Facts
    verdicts: Verdicts
    placement: Placement
    granted: Mapping[str, tuple[str, ...]]
    """The existing namespaces to which each policy gives certificates, by policy."""

    @cached_property
    def node_metadata(self) -> Mapping[str, NodeMetadata]:
        """The labels, annotations and taint that each node should have, by its name."""
        return {metadata.name: metadata for metadata in self.placement.nodes}


class Published:
    """What the last reconciliation of the cluster publishes."""

    def __init__(self) -> None:
        self.verdicts: Verdicts | None = None
        self.assessment: ClusterAssessment | None = None
        """What nodes and statuses should show, published after the roles are written. None: write nothing now."""
        self.retained: frozenset[tuple[str, str]] = frozenset()
        """(node, policy) where the node keeps the policy's label only for pods that still run there."""
        self.not_trusted: Mapping[str, tuple[str, ...]] = {}
        """By policy, the pods that mount its certificates in a namespace to which it grants none, as its status has."""
