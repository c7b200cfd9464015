"""What an update of the verdicts changed."""

from dataclasses import dataclass

from sovereign_operator.core.placement.facts import Pair


@dataclass(frozen=True)
class Changes:
    """What an update of the verdicts changed."""

    verdicts: tuple[tuple[str, str], ...]
    """Node and policy of the verdicts that are new or differ from before. The verdicts themselves may be 100,000."""
    judging: frozenset[str]
    """The policies of which a node's verdict is new, differs or is gone: their statuses name nodes."""
    nodes: frozenset[str]
    """The nodes that are new, gone or elsewhere, or on which a verdict is new, differs or is gone."""
    accepted: frozenset[str]
    """The policies that accept other nodes than before, and those that are new or gone."""
    policies: frozenset[str]
    """The policies that are new or gone."""
    sites: frozenset[Pair]
    """The pairs with a site verdict that is new, differs or is gone."""
    derogations: frozenset[str]
    """The derogations that are new, gone or changed, that came into force or ended, and those on which other
    datacentres rest than before."""
    datacentres: frozenset[str]
    """The datacentres that are new, gone or changed, and those whose nodes are others, or contradict them otherwise."""
