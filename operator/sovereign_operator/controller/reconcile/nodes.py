"""What is said on nodes: labels, annotations and the taint. Each by itself, as its kubelet can make a node slow."""

from collections.abc import Iterator
from typing import Any, Final

from sovereign_operator.controller.keys import NodeKey
from sovereign_operator.controller.observed.published import ClusterAssessment
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core import names
from sovereign_operator.core.placement.node_metadata import NodeMetadata
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import MERGE, Api
from sovereign_operator.kube.client.errors import RefusedError
from sovereign_operator.kube.client.owned_metadata import apply_owned_metadata, timely
from sovereign_operator.kube.objects.node import ObservedNode
from sovereign_operator.kube.refused_writes import AGAIN_SECONDS
from sovereign_operator.runtime.queue import WorkQueue

AT_ONCE: Final = 8


class NodeWriter:
    """Writes the nodes that do not say what the last look has found, and waits for none of them."""

    def __init__(self, state: ControllerState) -> None:
        self._state = state
        self._queue: WorkQueue[NodeKey] = WorkQueue(self._write)
        self._refused: dict[NodeKey, tuple[NodeMetadata, str]] = {}
        """What nodes were to say that did not take it, and which version they had."""

    async def run(self) -> None:
        """Write until told to stop."""
        await self._queue.run(AT_ONCE)

    def look(self, judged: ClusterAssessment) -> None:
        """Have those written that have to be. One that was refused has changed since, or is to say something else."""
        self._state.refusals.keep(resource.NODES, self._state.mirrors.nodes)
        self._refused = {
            node: tried for node, tried in self._refused.items() if ("", node.name) in self._state.mirrors.nodes
        }
        for node, marks, seen in self._unmarked(judged):
            if self._refused.get(node) != (marks, seen.version):
                self._queue.add(node)

    def _unmarked(self, judged: ClusterAssessment) -> Iterator[tuple[NodeKey, NodeMetadata, ObservedNode]]:
        """Yield the nodes that do not say what they should."""
        for marks in judged.marks.values():
            seen = self._state.mirrors.nodes.get(("", marks.name))
            if seen is not None and seen.node.uid == marks.uid and not _is_marked(marks, seen):
                yield NodeKey(marks.name), marks, seen

    async def _write(self, node: NodeKey) -> float | None:
        """Write one node as the last look has it. Return in how many seconds to try again, if it is refused."""
        judged = self._state.published.judged
        marks = judged.marks.get(node.name) if judged else None
        seen = self._state.mirrors.nodes.get(("", node.name))
        if marks is None or seen is None or seen.node.uid != marks.uid:
            # Another look is to come, which knows more.
            return None
        about = resource.NODES.header | {"metadata": {"name": marks.name, "uid": marks.uid}}
        if await self._state.refusals.attempt(resource.NODES, about, _write_node(self._state.api, marks, seen)):
            self._refused.pop(node, None)
            return None
        self._refused[node] = marks, seen.version
        return AGAIN_SECONDS


def _own_labels(seen: ObservedNode) -> dict[str, str]:
    return {key: value for key, value in seen.node.labels.items() if names.is_ours(key)}


def _is_marked(marks: NodeMetadata, seen: ObservedNode) -> bool:
    said = _own_labels(seen), seen.annotations, seen.avoided
    return said == (marks.labels, marks.annotations, marks.avoid)


async def _write_node(api: Api, marks: NodeMetadata, seen: ObservedNode) -> None:
    version = seen.version
    late = False
    if marks.avoid and not seen.avoided:
        try:
            version = await _write_taint(api, seen, version, avoid=True)
        except RefusedError:
            # A label that goes is worth more, and makes room.
            late = True
    version = await _write_marks(api, marks, seen) or version
    if late:
        version = await _write_taint(api, seen, version, avoid=True)
    if seen.avoided and not marks.avoid:
        await _write_taint(api, seen, version, avoid=False)


async def _write_marks(api: Api, marks: NodeMetadata, seen: ObservedNode) -> str | None:
    """Write labels and annotations where they differ. Return the node's version if anything was written."""
    labels = _own_labels(seen)
    if labels == marks.labels and seen.annotations == marks.annotations:
        return None
    metadata: dict[str, Any] = {
        "name": marks.name,
        "uid": marks.uid,
        "labels": dict(marks.labels),
        "annotations": dict(marks.annotations),
    }
    body = resource.NODES.header | {"metadata": metadata}
    written = await apply_owned_metadata(
        api,
        resource.NODES,
        body,
        {"labels": labels, "annotations": seen.annotations},
        lambda key: names.is_ours(key) or key.startswith(names.verdict_annotation("")),
    )
    return str(written["metadata"]["resourceVersion"])


async def _write_taint(api: Api, seen: ObservedNode, version: str, *, avoid: bool) -> str:
    """Set or clear our taint, and return the node's new version.

    Taints are one list, so the version says that nobody else changed it.
    """
    others = [taint for taint in seen.taints if taint["key"] != names.NOT_ACCEPTED_TAINT]
    ours = [{"key": names.NOT_ACCEPTED_TAINT, "effect": "PreferNoSchedule"}] if avoid else []
    body = {"metadata": {"resourceVersion": version}, "spec": {"taints": [*others, *ours]}}
    written = await timely(api.patch(resource.NODES, seen.node.name, body, content_type=MERGE))
    return str(written["metadata"]["resourceVersion"])
