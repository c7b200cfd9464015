"""What to do about where a node stands, or about one that a Datacentre claims and that is not there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sovereign_operator.cli.answers.answer import plural
from sovereign_operator.cli.answers.placing import REMEDIES
from sovereign_operator.core.placement.declared_nodes import correct_uid
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.membership import Membership, unfound
from sovereign_operator.core.report.conditions import examples
from sovereign_operator.core.report.reasons import NodeReason

TAKE_OUT: Final = "take it out of spec.nodes if it does not come back"


@dataclass(frozen=True)
class LostNode:
    """A node that a Datacentre declares and that is not in the cluster."""

    node: str
    datacentre: str
    why: str
    next: str


def advise(member: Membership, facts: Facts) -> str:
    """Say what to do about the first thing that is wrong with a node's place; empty if nothing is."""
    for finding in member.findings:
        if finding.reason is NodeReason.NOT_IN_DATACENTRE:
            return f"if you know where it stands: kubectl sovereign nodes declare {member.node}"
        if finding.reason is NodeReason.NODE_REPLACED:
            return _correct(member.node, facts)
        return REMEDIES[finding.reason]
    return ""


def _correct(name: str, facts: Facts) -> str:
    """Return the command for the first Datacentre that names the node, as one alone can have it."""
    naming = (site for site, spec in sorted(facts.datacentres.items()) if name in {entry.name for entry in spec.nodes})
    site = next(naming)
    return correct_uid(site, facts.datacentres[site], facts.nodes[name])


def lost_nodes(facts: Facts) -> Iterator[LostNode]:
    """Yield the nodes that Datacentres declare and that are not in the cluster."""
    for site, spec in sorted(facts.datacentres.items()):
        for node in unfound(spec, facts.nodes).lost:
            why = f"{node}, which datacentre {site} claims, is not in the cluster"
            yield LostNode(node, site, why, TAKE_OUT)


def missing_in(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the nodes that a Datacentre claims and that do not stand there, by its status."""
    replaced = [entry["node"] for entry in status.get("replaced") or ()]
    for names, number, one, several in (
        (status.get("lost") or (), "nodesLost", "is not in the cluster", "are not in the cluster"),
        (replaced, "nodesReplaced", "has registered again with another uid", "have registered again with other uids"),
    ):
        if names:
            yield _of_nodes(names, status[number], one, several)
    twice = status.get("claimedTwice") or ()
    yield from (entry["message"] for entry in twice)
    if (left := status.get("nodesClaimedTwice", 0) - len(twice)) > 0:
        yield f"{plural(left, 'more node')} that others claim, too: kubectl sovereign nodes"


def _of_nodes(names: Sequence[str], number: int, one: str, several: str) -> str:
    if number == 1:
        return f"node {names[0]} that it claims {one}: kubectl sovereign nodes"
    left = f" and {number - len(names)} more" if number > len(names) else ""
    return f"{number} nodes that it claims {several}: {examples(names)}{left}: kubectl sovereign nodes"
