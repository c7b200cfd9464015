"""What follows from verdicts for nodes.

The label decides where pods may keep running, the role where they may start. Removing a policy's label
from a node kills pods: the DaemonSet controller deletes its pods there at once, and a restarted kubelet
fails every pod that no longer matches. So a refused node loses the role at once, keeps the label while
pods in scope run there, and gets a taint that makes the scheduler prefer other nodes.

A preference can lose. So a node also has a second label only while it may start pods, and as long as a refused node
keeps the first one, each new pod is spread over nodes with the second one. Only schedulers look at how pods are spread:
neither a kubelet nor the DaemonSet controller does.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Node
from sovereign_operator.core.placement.verdicts import Verdicts

POLICY_LABEL_PREFIX: Final = names.node_policy_label("")


@dataclass(frozen=True)
class NodeMetadata:
    """Everything that the operator writes to one node."""

    name: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    retained: frozenset[str]
    """The policies whose label stays only for the pods that still run there."""

    @property
    def avoid(self) -> bool:
        """Whether the node has the taint."""
        return bool(self.retained)


def node_metadata(name: str, verdicts: Verdicts, occupied: Collection[str]) -> NodeMetadata:
    """Turn the verdicts on a node into its metadata.

    ``occupied`` holds the policies for which admission placed a pod on the node that has not ended.
    """
    node, member = verdicts.facts.nodes[name], verdicts.members[name]
    on_node = {policy: verdicts.nodes[name, policy] for policy in sorted(verdicts.policies)}
    accepting = {policy for policy, verdict in on_node.items() if verdict.accepted}
    retained = frozenset(_labelled(node) & {*occupied} - accepting)
    labels = {names.node_policy_label(policy): names.ACCEPTED for policy in sorted(accepting | retained)}
    labels |= {names.node_host_label(policy): names.ACCEPTED for policy in sorted(accepting)}
    if member.datacentre and not member.findings:
        labels[names.NODE_DATACENTRE_LABEL] = member.datacentre
    if labels:
        labels[names.NODE_UID_LABEL] = node.uid
    annotations = {names.verdict_annotation(policy): verdict.sentence for policy, verdict in on_node.items()}
    return NodeMetadata(node.name, node.uid, labels, annotations, retained)


def retained_on(name: str, verdicts: Verdicts, occupied: Collection[str]) -> frozenset[str]:
    """Return the policies whose label a refused node keeps, as ``node_metadata`` does, without all that follows."""
    kept = _labelled(verdicts.facts.nodes[name]) & {*occupied}
    return frozenset(
        policy for policy in kept if policy not in verdicts.policies or not verdicts.nodes[name, policy].accepted
    )


def _labelled(node: Node) -> set[str]:
    """Return the policies whose label the operator applied to this registration of the node."""
    if node.labels.get(names.NODE_UID_LABEL) != node.uid:
        return set()
    return {
        key.removeprefix(POLICY_LABEL_PREFIX)
        for key, value in node.labels.items()
        if key.startswith(POLICY_LABEL_PREFIX) and value == names.ACCEPTED and key in node.applied
    }
