"""The nodes that a Datacentre claims and that do not stand there, and what to do about them.

They are gone, registered again, or claimed by other Datacentres, too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.core.placement.facts import Node
from sovereign_operator.core.placement.membership import Unfound, unfound
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.conditions import MAX_EXAMPLES, Notice, examples
from sovereign_operator.core.report.reasons import sentences
from sovereign_operator.core.report.report import Report


@dataclass(frozen=True)
class Missing:
    """The nodes that a Datacentre claims and that do not stand there."""

    unfound: Unfound
    nodes: Mapping[str, Node]
    """All nodes of the cluster, by name."""
    claimed_twice: Mapping[str, str]
    """By node that others claim, too: a sentence that names them."""


def missing_nodes(datacentre: str, verdicts: Verdicts) -> Missing:
    """Find out which of the nodes that a Datacentre claims do not stand there."""
    nodes = verdicts.facts.nodes
    twice = {node: sentences(verdicts.members[node].findings) for node in verdicts.claimed_twice_in(datacentre)}
    return Missing(unfound(verdicts.facts.datacentres[datacentre], nodes), nodes, twice)


def report_missing(found: Missing) -> Report:
    """Report how many they are, and examples."""
    lost, replaced, twice = found.unfound.lost, found.unfound.replaced, [*found.claimed_twice.items()]
    status = {
        "nodesLost": len(lost),
        "lost": list(lost[:MAX_EXAMPLES]),
        "nodesReplaced": len(replaced),
        "replaced": [{"node": entry.name, "uid": found.nodes[entry.name].uid} for entry in replaced[:MAX_EXAMPLES]],
        "nodesClaimedTwice": len(twice),
        "claimedTwice": [{"node": node, "message": why} for node, why in twice[:MAX_EXAMPLES]],
    }
    return Report(status, ())


def say_missing(found: Missing) -> str:
    """Return what the message of a Datacentre adds about them, and why; empty if there are none."""
    wrong = [f"no node is called {name}" for name in found.unfound.lost] + [
        f"{entry.name} has the uid {found.nodes[entry.name].uid}, not {entry.uid}" for entry in found.unfound.replaced
    ]
    twice = found.claimed_twice
    return (f"; {len(wrong)} of spec.nodes not found: {examples(wrong)}" if wrong else "") + (
        f"; {len(twice)} node(s) claimed by others, too: {examples(twice.values())}" if twice else ""
    )


def changed_nodes(
    name: str, verdicts: Verdicts, before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[Notice, ...]:
    """Return an Event for each node that is gone, registered again or contested, but was not by the former status.

    Beyond the nodes that a status names, one Event stands for all: a pool that is upgraded replaces thousands.
    """
    notices = []
    if lost := _news("lost", "nodesLost", before, after):
        message = (
            f"{after['nodesLost']} node(s) that spec.nodes declares are gone: {examples(lost)}; take them out "
            "of spec.nodes if they do not come back"
        )
        notices.append(Notice("Warning", "NodeLost", message))
    if replaced := _news("replaced", "nodesReplaced", before, after):
        first = verdicts.facts.nodes[replaced[0]["node"]]
        message = (
            f"{after['nodesReplaced']} node(s) that spec.nodes declares registered again, so they are in no "
            f"datacentre: {examples(entry['node'] for entry in replaced)}; "
            f"{correct_uid(name, verdicts.facts.datacentres[name], first)}"
        )
        notices.append(Notice("Warning", "NodeReplaced", message))
    if twice := _news("claimedTwice", "nodesClaimedTwice", before, after):
        message = (
            f"{after['nodesClaimedTwice']} node(s) are claimed by other datacentres, too: "
            f"{examples(entry['message'] for entry in twice)}"
        )
        notices.append(Notice("Warning", "NodeClaimedTwice", message))
    return tuple(notices)


def _news(field: str, number: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Any]:
    """Return the entries that the former status lacks; none if it did not name all: others would look new."""
    if (before.get(number) or 0) > MAX_EXAMPLES:
        return []
    return [entry for entry in after.get(field) or () if entry not in (before.get(field) or ())]


def correct_uid(datacentre: str, spec: DatacentreSpec, node: Node) -> str:
    """Return when and how to correct the uid of a node in the Datacentre that names it. It ends with the command."""
    place = next(index for index, entry in enumerate(spec.nodes) if entry.name == node.name)
    path = f"/spec/nodes/{place}"
    patch = [
        {"op": "test", "path": f"{path}/name", "value": node.name},
        {"op": "replace", "path": f"{path}/uid", "value": node.uid},
    ]
    command = f"kubectl patch datacentre {datacentre} --type=json -p '{json.dumps(patch, separators=(',', ':'))}'"
    return f"once you have checked that {node.name} is the same machine: {command}"
