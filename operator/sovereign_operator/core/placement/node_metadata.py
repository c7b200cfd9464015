"""What follows from verdicts for nodes and for RBAC.

The label decides where pods may keep running, the role where they may start. Removing a policy's label
from a node kills pods: the DaemonSet controller deletes its pods there at once, and a restarted kubelet
fails every pod that no longer matches. So a refused node loses the role at once, keeps the label while
pods in scope run there, and gets a taint that makes the scheduler prefer other nodes.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Facts, Node
from sovereign_operator.core.placement.verdict import Verdicts

POLICY_LABEL_PREFIX: Final = names.node_policy_label("")


@dataclass(frozen=True)
class NodeMetadata:
    """Everything that the operator writes to one node. ``avoid``: whether it has the taint."""

    name: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    avoid: bool


@dataclass(frozen=True)
class Placement:
    """What nodes and roles should be."""

    nodes: tuple[NodeMetadata, ...]
    roles: Mapping[str, tuple[str, ...]]
    """Keyed by policy: the names of the nodes on which its pods may start."""
    retained: frozenset[tuple[str, str]]
    """(node, policy) whose label stays only for the pods that still run there."""


def plan_placement(facts: Facts, verdicts: Verdicts, occupied: frozenset[tuple[str, str]]) -> Placement:
    """Turn verdicts into the metadata of nodes and the nodes of host roles.

    ``occupied`` holds (node, policy) for every node on which a pod that admission placed for that policy has not ended.
    """
    roles = {policy: verdicts.accepted_nodes(policy) for policy in sorted(facts.policies)}
    accepted = {(node, policy) for policy, nodes in roles.items() for node in nodes}
    labelled = {(name, policy) for name, node in facts.nodes.items() for policy in _labelled(node)}
    retained = (labelled & occupied) - accepted
    kept: dict[str, set[str]] = defaultdict(set)
    for node, policy in retained:
        kept[node].add(policy)
    nodes = tuple(_metadata(facts.nodes[name], facts, verdicts, kept[name]) for name in sorted(facts.nodes))
    return Placement(nodes, roles, frozenset(retained))


def _metadata(node: Node, facts: Facts, verdicts: Verdicts, kept: set[str]) -> NodeMetadata:
    of_node = {policy: verdicts.nodes[node.name, policy] for policy in sorted(facts.policies)}
    accepting = {policy for policy, verdict in of_node.items() if verdict.accepted}
    member = verdicts.members[node.name]
    labels = {names.node_policy_label(policy): names.ACCEPTED for policy in sorted(accepting | kept)}
    if member.datacentre and not member.findings:
        labels[names.NODE_DATACENTRE_LABEL] = member.datacentre
    if labels:
        labels[names.NODE_UID_LABEL] = node.uid
    annotations = {names.verdict_annotation(policy): verdict.sentence for policy, verdict in of_node.items()}
    return NodeMetadata(node.name, node.uid, labels, annotations, avoid=bool(kept))


def _labelled(node: Node) -> set[str]:
    """Return the policies whose label the operator applied to this registration of the node."""
    if node.labels.get(names.NODE_UID_LABEL) != node.uid:
        return set()
    return {
        key.removeprefix(POLICY_LABEL_PREFIX)
        for key, value in node.labels.items()
        if key.startswith(POLICY_LABEL_PREFIX) and value == names.ACCEPTED and key in node.applied
    }
