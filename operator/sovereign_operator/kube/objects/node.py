"""What the operator's processes keep of a Node: the fields on which decisions depend."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Node
from sovereign_operator.core.report.reasons import MAX_LINE
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.objects.fields import text, with_prefix

VERDICT_PREFIX = names.verdict_annotation("")


@dataclass(frozen=True)
class ObservedNode:
    """A Node: the facts, and the metadata and taint that the controller wrote on it."""

    node: Node
    annotations: Mapping[str, str]
    """The verdict annotations only."""
    taints: tuple[Mapping[str, Any], ...]
    version: str = field(compare=False)
    """The resourceVersion. Two values that differ only here are equal, as each heartbeat changes it."""
    avoided: bool = False
    """Whether the node has our taint."""
    kubelet: str = ""
    """The version of its kubelet: ``v1.36.3``."""


def see_node(obj: Json) -> ObservedNode:
    """Read a Node. Raises TypeError if its providerID is not text."""
    metadata, spec = obj["metadata"], obj.get("spec", {})
    return ObservedNode(
        Node(
            metadata["name"],
            metadata["uid"],
            metadata.get("labels", {}),
            # A kubelet writes it, and may write any length. Only the beginning can contradict a claim.
            text(spec, "providerID")[:MAX_LINE],
            _applied_labels(metadata),
        ),
        with_prefix(metadata.get("annotations", {}), VERDICT_PREFIX),
        tuple(spec.get("taints", ())),
        metadata["resourceVersion"],
        any(taint["key"] == names.NOT_ACCEPTED_TAINT for taint in spec.get("taints", ())),
        # Its kubelet writes this, too.
        str(obj.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", ""))[:MAX_LINE],
    )


def _applied_labels(metadata: Json) -> frozenset[str]:
    """Return the keys of the labels that the operator applied and that no other client has written since."""
    return frozenset(
        field.removeprefix("f:")
        for entry in metadata.get("managedFields", ())
        if entry.get("manager") == names.FIELD_MANAGER and entry.get("operation") == "Apply"
        for field in entry.get("fieldsV1", {}).get("f:metadata", {}).get("f:labels", {})
    )
