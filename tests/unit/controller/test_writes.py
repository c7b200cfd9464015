"""Writes that are slow or fail do not delay others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from types import SimpleNamespace
from typing import Any, cast

from sovereign_operator.controller.reconcile.nodes import NodeWriter
from sovereign_operator.core import names
from sovereign_operator.core.placement.node_metadata import node_metadata
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.errors import RefusedError, UnavailableError
from sovereign_operator.kube.client.owned_metadata import MARK_SECONDS, apply_owned_metadata
from sovereign_operator.kube.client.resource import Resource
from sovereign_operator.kube.refused_writes import AGAIN_SECONDS
from sovereign_operator.runtime.writes import write_all
from tests import builders
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


NODES = {name: builders.node(name, name) for name in map("node-{}".format, range(30))}


def verdicts(names: Collection[str], accepted: Iterable[str]) -> Verdicts:
    """Return the verdicts of a policy that accepts some of these nodes."""
    site = builders.datacentre(*(NODES[name] for name in sorted(accepted)))
    estate = builders.facts(
        *(NODES[name] for name in names), datacentres={"gra-1": site}, policies={"hds": builders.policy()}
    )
    return Verdicts(estate)


def node(name: str, verdicts: Verdicts) -> Json:
    """Return a node that is marked by these verdicts."""
    marks = node_metadata(name, verdicts, ())
    labels, annotations = dict(marks.labels), dict(marks.annotations)
    return {
        "metadata": {"name": name, "uid": name, "resourceVersion": "1", "labels": labels, "annotations": annotations},
        "spec": {},
    }


def test_a_label_goes_where_annotations_cannot_be_written_in_time() -> None:
    server = CrowdedServer("lyon-1")
    labels = {names.node_policy_label("hds"): "accepted"}
    found = {"labels": labels, "annotations": {"a": "b"}}
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


@contextlib.asynccontextmanager
async def writing(nodes: list[Json], server: CrowdedServer) -> AsyncIterator[Callable[[Verdicts], None]]:
    """Run a NodeWriter, and yield a function that gives it verdicts."""
    state = controller({"nodes": nodes})
    state.api = cast("Any", server)
    state.refusals._api = cast("Any", server)  # noqa: SLF001 - the state was built without a server
    writer = NodeWriter(state)
    state.published.frozen = False

    def look(verdicts: Verdicts) -> None:
        state.published.verdicts = verdicts
        writer.enqueue_outdated(verdicts.members)

    task = asyncio.create_task(writer.run())
    yield look
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def test_nodes_are_marked_while_one_of_them_is_slow_and_people_are_told() -> None:
    nodes = [node(name, verdicts(NODES, NODES)) for name in NODES]
    none = verdicts(NODES, ())
    server = CrowdedServer("node-0")

    async def run() -> None:
        async with writing(nodes, server) as look:
            look(none)
            await asyncio.sleep(5)
            assert len(server.marked) == 29
            await asyncio.sleep(45)
            assert len(server.events) == 1
            # Nothing has changed since then: another look does not retry the slow node, but the passing of time
            # does.
            server.begun.clear()
            look(none)
            await asyncio.sleep(1)
            assert "node-0" not in server.begun
            await asyncio.sleep(AGAIN_SECONDS)
            assert "node-0" in server.begun

    virtual_time.run(run())
    (event,) = server.events
    assert (event["reason"], event["involvedObject"]["name"]) == ("NotWritten", "node-0")


def test_what_is_withdrawn_while_another_node_is_slow_does_not_wait_for_it() -> None:
    everybody = {f"node-{number}" for number in range(4)}
    nodes = [node(name, verdicts(everybody, everybody)) for name in sorted(everybody)]
    server = CrowdedServer("node-0")

    async def run() -> None:
        async with writing(nodes, server) as look:
            look(verdicts(everybody, everybody - {"node-0"}))
            await asyncio.sleep(1)
            look(verdicts(everybody, everybody - {"node-0", "node-1"}))
            await asyncio.sleep(1)
            assert [name for _, name in server.marked] == ["node-1"]

    virtual_time.run(run())
