"""Writes that are slow or fail do not delay others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Container, Iterable
from types import SimpleNamespace
from typing import Any, cast

from sovereign_operator.controller.observed.published import ClusterAssessment
from sovereign_operator.controller.reconcile.nodes import NodeWriter
from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.node_metadata import NodeMetadata, Placement
from sovereign_operator.core.placement.verdict import Verdicts
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.errors import RefusedError, UnavailableError
from sovereign_operator.kube.client.owned_metadata import MARK_SECONDS, apply_owned_metadata
from sovereign_operator.kube.client.resource import Resource
from sovereign_operator.kube.refused_writes import AGAIN_SECONDS
from sovereign_operator.runtime.writes import write_all
from tests.builders import NOW
from tests.unit import virtual_time
from tests.unit.states import Json, controller


def test_each_waits_for_the_one_before_and_one_that_fails_ends_none() -> None:
    begun: list[int] = []

    async def write(number: int) -> None:
        assert len(begun) == number
        await asyncio.sleep(3 - number)
        begun.append(number)
        if number == 1:
            raise UnavailableError(503, "refused")

    async def run() -> None:
        failures = await write_all(write(number) for number in range(3))
        assert [error.message for error in failures] == ["refused"]

    virtual_time.run(run())
    assert len(begun) == 3


class CrowdedServer:
    """An API server that is slow to change annotations of one object, and then refuses it."""

    clock = SimpleNamespace(now=lambda: NOW)

    def __init__(self, slow: str) -> None:
        self.slow = slow
        self.begun: list[str] = []
        self.marked: list[tuple[float, str]] = []
        self.patches: list[Json] = []
        self.events: list[Json] = []

    async def apply(self, _kind: Resource, body: Json, **_how: str) -> Json:
        name = body["metadata"]["name"]
        self.begun.append(name)
        await self._take(name)
        self.marked.append((asyncio.get_running_loop().time(), name))
        return {"metadata": body["metadata"] | {"resourceVersion": "2"}}

    async def patch(self, _kind: Resource, name: str, body: Json, **_how: Any) -> Json:
        if "annotations" in body["metadata"]:
            await self._take(name)
        self.patches.append(body)
        return {"metadata": {"resourceVersion": "3"}}

    async def create(self, _kind: Resource, body: Json, _namespace: str) -> None:
        self.events.append(body)

    async def _take(self, name: str) -> None:
        if name == self.slow:
            await asyncio.sleep(34)
            raise RefusedError(403, "actual cost limit exceeded")


def node(name: str) -> Json:
    labels = {names.node_policy_label("hds"): "accepted"}
    annotations = {names.verdict_annotation("hds"): "accepted"}
    return {
        "metadata": {"name": name, "uid": name, "resourceVersion": "1", "labels": labels, "annotations": annotations},
        "spec": {},
    }


def test_a_label_goes_where_annotations_cannot_be_written_in_time() -> None:
    server = CrowdedServer("lyon-1")
    found = node("lyon-1")["metadata"]
    body = {"kind": "Node", "metadata": {"name": "lyon-1", "uid": "lyon-1", "labels": {}, "annotations": {}}}
    ended = []

    async def run() -> None:
        try:
            await apply_owned_metadata(cast("Any", server), resource.NODES, body, found, lambda _: True)
        except RefusedError as error:
            ended.append((str(error), asyncio.get_running_loop().time()))

    virtual_time.run(run())
    assert server.patches == [{"metadata": {"labels": {names.node_policy_label("hds"): None}, "uid": "lyon-1"}}]
    (said, at), *_ = ended
    assert "longer than 10 s" in said
    assert at <= 3 * MARK_SECONDS + 1


def marked(nodes: Iterable[Json], accepted: Container[str] = ()) -> ClusterAssessment:
    """Return an assessment that accepts these nodes and refuses the others."""
    metadata = []
    for name in (one["metadata"]["name"] for one in nodes):
        verdict, labels = "refused", {}
        if name in accepted:
            verdict, labels = "accepted", {names.node_policy_label("hds"): "accepted"}
        metadata.append(NodeMetadata(name, name, labels, {names.verdict_annotation("hds"): verdict}, avoid=False))
    return ClusterAssessment(
        cast("Facts", None), cast("Verdicts", None), Placement(tuple(metadata), {}, frozenset()), {}
    )


@contextlib.asynccontextmanager
async def writing(nodes: list[Json], server: CrowdedServer) -> AsyncIterator[Callable[[ClusterAssessment], None]]:
    """Run a NodeWriter, and yield a function that gives it an assessment."""
    state = controller({"nodes": nodes})
    state.api = cast("Any", server)
    state.refusals._api = cast("Any", server)  # noqa: SLF001 - the state was built without a server
    writer = NodeWriter(state)

    def look(assessment: ClusterAssessment) -> None:
        state.published.assessment = assessment
        writer.enqueue_outdated(assessment)

    task = asyncio.create_task(writer.run())
    yield look
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def test_nodes_are_marked_while_one_of_them_is_slow_and_people_are_told() -> None:
    nodes = [node(f"node-{number}") for number in range(30)]
    server = CrowdedServer("node-0")

    async def run() -> None:
        async with writing(nodes, server) as look:
            look(marked(nodes))
            await asyncio.sleep(5)
            assert len(server.marked) == 29
            await asyncio.sleep(45)
            assert len(server.events) == 1
            # Nothing has changed since then: another assessment does not retry the slow node, but the passing of time
            # does.
            server.begun.clear()
            look(marked(nodes))
            await asyncio.sleep(1)
            assert "node-0" not in server.begun
            await asyncio.sleep(AGAIN_SECONDS)
            assert "node-0" in server.begun

    virtual_time.run(run())
    (event,) = server.events
    assert (event["reason"], event["involvedObject"]["name"]) == ("NotWritten", "node-0")


def test_what_is_withdrawn_while_another_node_is_slow_does_not_wait_for_it() -> None:
    nodes = [node(f"node-{number}") for number in range(4)]
    everybody = {one["metadata"]["name"] for one in nodes}
    server = CrowdedServer("node-0")

    async def run() -> None:
        async with writing(nodes, server) as look:
            look(marked(nodes, everybody - {"node-0"}))
            await asyncio.sleep(1)
            look(marked(nodes, everybody - {"node-0", "node-1"}))
            await asyncio.sleep(1)
            assert [name for _, name in server.marked] == ["node-1"]

    virtual_time.run(run())
