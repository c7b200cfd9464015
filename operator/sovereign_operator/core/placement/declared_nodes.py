"""The nodes that a Datacentre declares and that are gone or registered again, and what to do about them."""

import json
from collections.abc import Mapping
from typing import Any

from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.core.placement.facts import Facts, Node
from sovereign_operator.core.placement.membership import Unfound
from sovereign_operator.core.report.conditions import MAX_EXAMPLES, Notice, examples
from sovereign_operator.core.report.report import Report


def report_unfound(found: Unfound, nodes: Mapping[str, Node]) -> Report:
    """Report the nodes that a Datacentre declares and that are gone, or registered again."""
    status = {
        "nodesLost": len(found.lost),
        "lost": list(found.lost[:MAX_EXAMPLES]),
        "nodesReplaced": len(found.replaced),
        "replaced": [{"node": entry.name, "uid": nodes[entry.name].uid} for entry in found.replaced[:MAX_EXAMPLES]],
    }
    return Report(status, ())


def say_unfound(found: Unfound, nodes: Mapping[str, Node]) -> str:
    """Return a sentence about the entries of spec.nodes that match no node of this cluster, and why; empty if none."""
    wrong = [f"no node is called {name}" for name in found.lost] + [
        f"{entry.name} has the uid {nodes[entry.name].uid}, not {entry.uid}" for entry in found.replaced
    ]
    return f"; {len(wrong)} of spec.nodes not found: {examples(wrong)}" if wrong else ""


def changed_nodes(name: str, facts: Facts, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Notice, ...]:
    """Return an Event for each declared node that is gone or registered again, but was not by the former status.

    Beyond the nodes that a status names, one Event stands for all: a pool that is upgraded replaces thousands.
    """
    notices = []
    lost = {*(after.get("lost") or ())} - {*(before.get("lost") or ())}
    if lost and _are_few("nodesLost", before):
        message = (
            f"{after['nodesLost']} node(s) that spec.nodes declares are gone: {examples(sorted(lost))}; take them out "
            "of spec.nodes if they do not come back"
        )
        notices.append(Notice("Warning", "NodeLost", message))
    former = {(entry["node"], entry["uid"]) for entry in before.get("replaced") or ()}
    replaced = [entry for entry in after.get("replaced") or () if (entry["node"], entry["uid"]) not in former]
    if replaced and _are_few("nodesReplaced", before):
        first = facts.nodes[replaced[0]["node"]]
        message = (
            f"{after['nodesReplaced']} node(s) that spec.nodes declares registered again, so they are in no "
            f"datacentre: {examples(entry['node'] for entry in replaced)}; check each machine, then correct its uid: "
            f"{correct_uid(name, facts.datacentres[name], first)}"
        )
        notices.append(Notice("Warning", "NodeReplaced", message))
    return tuple(notices)


def _are_few(number: str, before: Mapping[str, Any]) -> bool:
    """Whether the former status names all of these nodes. Otherwise some that it did not name would look new."""
    return (before.get(number) or 0) <= MAX_EXAMPLES


def correct_uid(datacentre: str, spec: DatacentreSpec, node: Node) -> str:
    """Return the command that corrects the uid of a node in the Datacentre that names it."""
    place = next(index for index, entry in enumerate(spec.nodes) if entry.name == node.name)
    path = f"/spec/nodes/{place}"
    patch = [
        {"op": "test", "path": f"{path}/name", "value": node.name},
        {"op": "replace", "path": f"{path}/uid", "value": node.uid},
    ]
    return f"kubectl patch datacentre {datacentre} --type=json -p '{json.dumps(patch, separators=(',', ':'))}'"
