"""Many writes: none waits for one that is slow, but for what may be under way at once."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from sovereign_operator.controller.cluster import mark_cluster
from sovereign_operator.controller.world import Judged
from sovereign_operator.core import names
from sovereign_operator.core.facts import Facts
from sovereign_operator.core.placement import NodeMarks, Placement
from sovereign_operator.core.verdict import Verdicts
from sovereign_operator.kube import resource
from sovereign_operator.kube.errors import ApiError, RefusedError, UnavailableError
from sovereign_operator.kube.marks import MARK_SECONDS, apply_marks
from sovereign_operator.kube.resource import Resource
from sovereign_operator.runtime.writes import write_all
from tests.builders import NOW
from tests.unit import virtual_time
from tests.unit.worlds import Json, controller

SLOW = "slow"


def test_slow_writes_hold_up_no_others_beyond_as_many_as_go_on_at_once() -> None:
    ended: list[tuple[str, float]] = []

    async def write(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        ended.append((name, asyncio.get_running_loop().time()))
        if name == "refused":
            raise UnavailableError(503, name)

    async def run() -> None:
        begin = asyncio.get_running_loop().time()
        writes = [write(SLOW, 30), write("refused", 1), *(write(f"{number}", 1) for number in range(4))]
        failures: list[ApiError] = await write_all(writes, at_once=3)
        assert [error.message for error in failures] == ["refused"]
        assert all(at - begin < 4 for name, at in ended if name != SLOW)

    virtual_time.run(run())
    assert len(ended) == 6


def test_by_default_each_waits_for_the_one_before() -> None:
    begun: list[int] = []

    async def write(number: int) -> None:
        assert len(begun) == number
        await asyncio.sleep(3 - number)
        begun.append(number)

    async def run() -> None:
        assert not await write_all(write(number) for number in range(3))

    virtual_time.run(run())


class CrowdedServer:
    """An API server that takes long for what changes annotations of an object, or refuses it."""

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
            await apply_marks(cast("Any", server), resource.NODES, body, found, lambda _: True)
        except RefusedError as error:
            ended.append((str(error), asyncio.get_running_loop().time()))

    virtual_time.run(run())
    assert server.patches == [{"metadata": {"labels": {names.node_policy_label("hds"): None}, "uid": "lyon-1"}}]
    (said, at), *_ = ended
    assert "longer than 10 s" in said
    assert at <= 3 * MARK_SECONDS + 1


def test_nodes_are_marked_while_one_of_them_is_slow_and_people_are_told() -> None:
    nodes = [node(f"node-{number}") for number in range(30)]
    world = controller({"nodes": nodes})
    server = CrowdedServer("node-0")
    world.api = cast("Any", server)
    world.refusals._api = cast("Any", server)  # noqa: SLF001 - the world was made before there was a server
    refused = {names.verdict_annotation("hds"): "refused"}
    marks = tuple(NodeMarks(one["metadata"]["name"], one["metadata"]["uid"], {}, refused, avoid=False) for one in nodes)
    facts = cast("Facts", SimpleNamespace(services={}, datacentres={}, policies={}))
    world.judged = Judged(facts, cast("Verdicts", None), Placement(marks, {}, frozenset()))

    async def run() -> None:
        await mark_cluster(world)
        assert len(server.marked) == 29
        assert all(at < 1 for at, _ in server.marked)
        server.begun.clear()
        await mark_cluster(world)

    virtual_time.run(run())
    # What was slow comes last from then on: once as all is to be, and once without annotations.
    assert server.begun.index("node-0") == 29
    (event,) = server.events
    assert (event["reason"], event["involvedObject"]["name"]) == ("NotWritten", "node-0")
