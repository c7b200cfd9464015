"""Waiting requests: their number has a bound, whatever the API server stores, and each pod gets its turn."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from sovereign_operator.core import names
from sovereign_operator.signer.metrics import NODES_CROWDED
from sovereign_operator.signer.state import SignerState
from sovereign_operator.signer.waiting import PLACES, PLACES_OF_NODE, see_request
from tests.unit.signer.stored_requests import FLOOD, Json, Server, Stored, pods_of, request, until, watching, world_of

MIB = 1 << 20


@pytest.mark.parametrize("nodes", [1, 50])
def test_what_requests_cost_has_a_bound(nodes: int) -> None:
    """A kubelet creates any number of requests, as large as the API server allows, at any time."""

    async def run() -> tuple[int, int]:
        flooding = [f"node-{number}" for number in range(nodes)]
        server = Server(Stored(*flooding, bulk=2000))
        state = world_of(server)
        task = asyncio.create_task(state.requests.run())
        await state.requests.synced.wait()
        for obj in Stored(*flooding, number=FLOOD // 10):
            obj["metadata"]["name"] += "-later"
            server.changes.put_nowait(("ADDED", obj))
            await until(server.changes.empty)
        kept = len(state.requests)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return kept, tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        kept, used = asyncio.run(run())
    finally:
        tracemalloc.stop()
    assert kept <= PLACES
    assert used < 64 * MIB


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_a_pod_has_its_place_whatever_else_its_node_asks_for(*, first: bool) -> None:
    flood, honest = [*Stored("node", number=2000, pods=3, bulk=1)], request("node", "honest", 0)

    async def look(state: SignerState) -> None:
        assert pods_of(state, "node").total() == PLACES_OF_NODE
        assert pods_of(state, "node")["honest"] == 1
        # A request that is created later has one, too.
        server.changes.put_nowait(("ADDED", request("node", "late", 0)))
        await until(lambda: pods_of(state, "node")["late"])
        assert pods_of(state, "node").total() == PLACES_OF_NODE

    server = Server([honest, *flood] if first else [*flood, honest])
    watching(server, look)


def test_a_node_has_its_places_whatever_others_ask_for() -> None:
    nodes = [f"node-{number}" for number in range(PLACES // PLACES_OF_NODE + 5)]

    async def look(state: SignerState) -> None:
        assert len(state.requests) == PLACES
        server.changes.put_nowait(("ADDED", request("quiet", "honest", 0)))
        await until(lambda: pods_of(state, "quiet"))
        assert len(state.requests) == PLACES

    server = Server(Stored(*nodes, number=PLACES_OF_NODE * len(nodes), bulk=1))
    watching(server, look)


def test_all_have_their_turn_as_others_are_answered() -> None:
    number = 2 * PLACES_OF_NODE + 7
    stored = [*Stored("node", number=number, pods=2, bulk=1)]
    seen: set[str] = set()

    async def look(state: SignerState) -> None:
        while len(seen) < number:
            await until(lambda: state.requests)
            for (_, name), waiting in [*state.requests.items()]:
                seen.add(name)
                place = next(at for at, obj in enumerate(stored) if obj["metadata"]["name"] == name)
                stored[place] = request("node", waiting.request.pod, int(name[-6:]), answered=True)
                server.changes.put_nowait(("MODIFIED", stored[place]))
            await until(server.changes.empty)
        await until(lambda: not state.requests)
        await until(lambda: not NODES_CROWDED._value.get())  # noqa: SLF001 - the library's own way

    server = Server(stored)
    watching(server, look)
    assert NODES_CROWDED._value.get() == 0  # noqa: SLF001
    # Only the requests of that node are read again, and only once many places are free.
    own = f"spec.signerName={names.SIGNER}"
    assert server.selectors[:2] == [own, own]
    assert set(server.selectors[2:]) == {f"{own},spec.nodeName=node"}
    assert len(server.selectors) < 12


def test_who_gets_a_place_while_all_are_listed_again_keeps_it() -> None:
    number = PLACES_OF_NODE + 50
    # Requests of another node fill the last page.
    stored = [*Stored("node", number=number, pods=2, bulk=1), *Stored("other", number=99, bulk=1)]
    server = Server(stored)

    async def look(state: SignerState) -> None:
        server.last_page.clear()
        before = len(server.selectors)
        server.changes.put_nowait(("GONE", {}))
        await until(lambda: len(server.selectors) > before)
        await asyncio.sleep(0.1)
        # Another replica has answered these.
        answered = [item for item in state.requests.items() if item[1].request.node == "node"][: PLACES_OF_NODE // 2]
        for key, waiting in answered:
            place = next(at for at, obj in enumerate(stored) if obj["metadata"]["name"] == key[1])
            stored[place] = request("node", waiting.request.pod, int(key[1][-6:]), answered=True)
            state.requests.drop(key, waiting)
        waiting_still = number - PLACES_OF_NODE // 2
        await until(lambda: pods_of(state, "node").total() == waiting_still)
        server.last_page.set()
        server.changes.put_nowait(("ADDED", request("after", "pod", 0)))
        await until(lambda: pods_of(state, "after"))
        assert pods_of(state, "node").total() == waiting_still

    watching(server, look)


def test_what_changes_while_a_node_is_read_again_is_not_as_it_was_read() -> None:
    number = PLACES_OF_NODE + 150
    stored = [*Stored("node", number=number, pods=1, bulk=1)]

    class Answering(Server):
        """A server whose requests are answered between the pages of a node's list."""

        async def pages(
            self, resource: object, namespace: object = None, labels: str = "", field_selector: str = ""
        ) -> AsyncIterator[tuple[list[Json], str]]:
            """List page by page what matches."""
            first = True
            async for objects, version in super().pages(resource, namespace, labels, field_selector):
                if "nodeName" in field_selector and not first:
                    for obj in objects:
                        self.changes.put_nowait(("MODIFIED", obj | {"status": {"conditions": [{"type": "Issued"}]}}))
                    await until(self.changes.empty)
                first = False
                yield objects, version

    async def look(state: SignerState) -> None:
        for key, waiting in [*state.requests.items()]:
            state.requests.drop(key, waiting)
        await until(lambda: state.requests)
        await until(lambda: not NODES_CROWDED._value.get())  # noqa: SLF001
        assert len(state.requests) == 100

    watching(Answering(stored), look)


def test_what_is_answered_or_gone_takes_no_place() -> None:
    async def look(state: SignerState) -> None:
        assert {key[1][-6:] for key in state.requests} == {"000000"}
        kept = request("node", "pod", 0)
        for kind, obj in (("MODIFIED", kept), ("DELETED", kept), ("ADDED", kept)):
            server.changes.put_nowait((kind, obj))
            await until(server.changes.empty)
        ((key, waiting),) = state.requests.items()
        state.requests.drop(key, waiting)
        assert not state.requests
        for number in range(PLACES_OF_NODE):
            server.changes.put_nowait(("ADDED", request("node", "pod", number)))
        await until(lambda: len(state.requests) == PLACES_OF_NODE)
        assert not NODES_CROWDED._value.get()  # noqa: SLF001

    server = Server([request("node", "pod", 0), request("node", "pod", 1, answered=True)])
    watching(server, look)


def test_no_more_is_kept_of_one_than_an_answer_needs() -> None:
    waiting = see_request(request("node", "pod", 0, bulk=100_000))
    assert waiting is not None
    assert waiting.stub == ""
    assert len(waiting.request.user_annotations) < 5
