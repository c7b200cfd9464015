"""Writes the labels, annotations and taint of nodes.

Each node is written by itself, since a kubelet may fill its own node's object until writes to it are slow or refused.
"""

from collections.abc import Iterable
from typing import Any, Final

from sovereign_operator.controller.keys import NodeKey
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core import names
from sovereign_operator.core.placement.node_metadata import NodeMetadata, node_metadata, retained_on
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import MERGE, Api
from sovereign_operator.kube.client.errors import RefusedError
from sovereign_operator.kube.client.owned_metadata import apply_owned_metadata, timely
from sovereign_operator.kube.objects.node import ObservedNode
from sovereign_operator.kube.refused_writes import AGAIN_SECONDS
from sovereign_operator.runtime.queue import WorkQueue

AT_ONCE: Final = 8
"""How many nodes are written at the same time."""


class NodeWriter:
    """Writes the nodes that differ from the verdicts, none of which delays another."""

    def __init__(self, state: ControllerState) -> None:
        self._state = state
        self._queue: WorkQueue[NodeKey] = WorkQueue(self._write)
        self._refused: dict[NodeKey, tuple[NodeMetadata, str]] = {}
        """By node that refused a write: what was to be written, and the node's resourceVersion."""

    async def run(self) -> None:
        """Write until cancelled."""
        await self._queue.run(AT_ONCE)

    def enqueue_outdated(self, names: Iterable[str]) -> None:
        """Queue those of these nodes that differ. One that refused the same write waits until it has changed."""
        self._state.refusals.keep(resource.NODES, self._state.mirrors.nodes)
        self._refused = {
            key: tried for key, tried in self._refused.items() if ("", key.name) in self._state.mirrors.nodes
        }
        for name in names:
            key, found = NodeKey(name), self._compare(name)
            if found and not _is_current(*found) and self._refused.get(key) != (found[0], found[1].version):
                self._queue.add(key)

    def note_retained(self, names: Iterable[str]) -> frozenset[str]:
        """Note which of these nodes keep labels for running pods.

        Return the policies for which there is such a node now and was none before, or the other way round.
        """
        before, published = self._state.published.retaining(), self._state.published
        for name in names:
            verdicts, observed = published.verdicts, self._state.mirrors.nodes.get(("", name))
            node = verdicts.facts.nodes.get(name) if verdicts else None
            if verdicts and node and observed and observed.node.uid == node.uid:
                retained = retained_on(name, verdicts, self._state.view.occupied(name))
            else:
                retained = frozenset()
            if retained:
                published.retained[name] = retained
            else:
                published.retained.pop(name, None)
        return before ^ published.retaining()

    def _compare(self, name: str) -> tuple[NodeMetadata, ObservedNode] | None:
        """Return what a node should have, and what it has; None if it changed since the cluster was reconciled."""
        verdicts, observed = self._state.published.verdicts, self._state.mirrors.nodes.get(("", name))
        node = verdicts.facts.nodes.get(name) if verdicts else None
        if verdicts is None or node is None or observed is None or observed.node.uid != node.uid:
            return None
        return node_metadata(name, verdicts, self._state.view.occupied(name)), observed

    async def _write(self, key: NodeKey) -> float | None:
        """Write one node. Return in how many seconds to try again if it is refused."""
        found = None if self._state.published.frozen else self._compare(key.name)
        if found is None:
            # If the node has changed, the next reconciliation of the cluster queues it again.
            return None
        wanted, observed = found
        about = resource.NODES.header | {"metadata": {"name": wanted.name, "uid": wanted.uid}}
        write = _write_node(self._state.api, wanted, observed)
        if await self._state.refusals.attempt(resource.NODES, about, write):
            self._refused.pop(key, None)
            return None
        self._refused[key] = wanted, observed.version
        return AGAIN_SECONDS


def _own_labels(observed: ObservedNode) -> dict[str, str]:
    return {key: value for key, value in observed.node.labels.items() if names.is_own_node_label(key)}


def _is_current(wanted: NodeMetadata, observed: ObservedNode) -> bool:
    current = _own_labels(observed), observed.annotations, observed.avoided
    return current == (wanted.labels, wanted.annotations, wanted.avoid)


async def _write_node(api: Api, wanted: NodeMetadata, observed: ObservedNode) -> None:
    version = observed.version
    late = False
    if wanted.avoid and not observed.avoided:
        try:
            version = await _write_taint(api, observed, version, avoid=True)
        except RefusedError:
            # Removing a label matters more, and makes the object smaller: then the taint may fit.
            late = True
    version = await _write_metadata(api, wanted, observed) or version
    if late:
        version = await _write_taint(api, observed, version, avoid=True)
    if observed.avoided and not wanted.avoid:
        await _write_taint(api, observed, version, avoid=False)


async def _write_metadata(api: Api, wanted: NodeMetadata, observed: ObservedNode) -> str | None:
    """Write labels and annotations if they differ. Return the node's new resourceVersion; None if nothing differed."""
    labels = _own_labels(observed)
    if labels == wanted.labels and observed.annotations == wanted.annotations:
        return None
    metadata: dict[str, Any] = {
        "name": wanted.name,
        "uid": wanted.uid,
        "labels": dict(wanted.labels),
        "annotations": dict(wanted.annotations),
    }
    written = await apply_owned_metadata(
        api,
        resource.NODES,
        resource.NODES.header | {"metadata": metadata},
        {"labels": labels, "annotations": observed.annotations},
        lambda key: names.is_own_node_label(key) or key.startswith(names.verdict_annotation("")),
    )
    return str(written["metadata"]["resourceVersion"])


async def _write_taint(api: Api, observed: ObservedNode, version: str, *, avoid: bool) -> str:
    """Set or remove the operator's taint. Return the node's new resourceVersion.

    A patch replaces the whole list of taints, so it carries the resourceVersion of the list that it was made from.
    """
    others = [taint for taint in observed.taints if taint["key"] != names.NOT_ACCEPTED_TAINT]
    ours = [{"key": names.NOT_ACCEPTED_TAINT, "effect": "PreferNoSchedule"}] if avoid else []
    body = {"metadata": {"resourceVersion": version}, "spec": {"taints": [*others, *ours]}}
    written = await timely(api.patch(resource.NODES, observed.node.name, body, content_type=MERGE))
    return str(written["metadata"]["resourceVersion"])
