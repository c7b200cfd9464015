"""Certificate requests that an API server stores, and a signer that watches them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

from sovereign_operator.core import names
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.errors import GoneError
from sovereign_operator.signer.state import SignerState
from tests.builders import NOW
from tests.unit import virtual_time
from tests.unit.states import NO_QUEUE, SIGNER_SETTINGS

Json = dict[str, Any]
FLOOD = 12_000


def request(node: str, pod: str, number: int, *, bulk: int = 0, answered: bool = False, signer: str = "") -> Json:
    """Return a request of a node, as its kubelet may create it: with larger fields than any pod needs."""
    metadata = {
        "namespace": "a",
        "name": f"req-{node}-{pod}-{number:06}",
        "uid": f"{node}-{pod}-{number:06}",
        "resourceVersion": "7",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {f"l{number}": "x" * bulk},
        "managedFields": [{"manager": "kubelet", "fieldsV1": {f"f:{number}": "x" * bulk}}],
    }
    spec = {
        "signerName": signer or names.SIGNER,
        "podName": pod,
        "podUID": f"uid-{pod}",
        "serviceAccountName": "default",
        "serviceAccountUID": "uid-default",
        "nodeName": node,
        "nodeUID": f"uid-{node}",
        "maxExpirationSeconds": 86400,
        "stubPKCS10Request": f"{number:08}" + "A" * bulk * 4,
        "unverifiedUserAnnotations": {f"example.org/{number}-{each}": "x" for each in range(bulk // 100)},
    }
    conditions = [{"type": "Denied", "status": "True"}]
    return {"metadata": metadata, "spec": spec, "status": {"conditions": conditions} if answered else {}}


class Server:
    """The requests that an API server stores: its lists and its watch."""

    clock = SimpleNamespace(now=lambda: NOW)

    def __init__(self, stored: Iterable[Json]) -> None:
        self.stored = stored
        self.changes: asyncio.Queue[tuple[str, Json]] = asyncio.Queue()
        self.selectors: list[str] = []
        self.last_page = asyncio.Event()
        """A list of all nodes blocks before its last page until this event is set."""
        self.last_page.set()

    async def pages(
        self, _resource: object, _namespace: object = None, _labels: str = "", field_selector: str = ""
    ) -> AsyncIterator[tuple[list[Json], str]]:
        """List page by page what matches."""
        self.selectors.append(field_selector)
        wanted = dict(part.split("=") for part in field_selector.split(",")) if field_selector else {}
        page: list[Json] = []
        for obj in self.stored:
            if all(obj["spec"][key.removeprefix("spec.")] == value for key, value in wanted.items()):
                page.append(obj)
            if len(page) == 100:
                yield page, "7"
                page = []
                await asyncio.sleep(0)
        if "spec.nodeName" not in wanted:
            await self.last_page.wait()
        yield page, "7"

    async def reached(self, *_: object) -> None:
        """Return, as no store here was restored."""

    async def watch(self, *which: Any) -> AsyncIterator[tuple[str, Json]]:
        """Yield each change that a test has queued."""
        self.selectors.append(which[-1])
        while True:
            kind, obj = await self.changes.get()
            if kind == "GONE":
                raise GoneError(410, "too old resource version")
            yield kind, obj


class Stored(Iterable[Json]):
    """Requests that are created as they are listed, so that only those that the signer keeps are in memory."""

    def __init__(self, *nodes: str, number: int = FLOOD, pods: int = 1, bulk: int = 2000) -> None:
        self._nodes, self._number, self._pods, self._bulk = nodes, number, pods, bulk

    def __iter__(self) -> Iterator[Json]:
        for number in range(self._number):
            node = self._nodes[number % len(self._nodes)]
            yield request(node, f"pod-{number % self._pods}", number, bulk=self._bulk)


async def until(holds: Callable[[], object]) -> None:
    """Let other tasks run until a condition holds."""
    for turn in range(100_000):
        if holds():
            return
        await asyncio.sleep(0.1 if turn > 1000 else 0)
    raise AssertionError("the condition never held")


def world_of(server: Server) -> SignerState:
    return SignerState(cast("Api", server), NO_QUEUE, SIGNER_SETTINGS)


def watching(server: Server, look: Callable[[SignerState], Awaitable[None]]) -> None:
    """Run a signer's watch against a server, and inspect the signer's state, on a clock that jumps."""

    async def run() -> None:
        state = world_of(server)
        task = asyncio.create_task(state.requests.run())
        await state.requests.synced.wait()
        await look(state)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    virtual_time.run(run())


def pods_of(state: SignerState, node: str) -> Counter[str]:
    return Counter(seen.request.pod for seen in state.requests.values() if seen.request.node == node)
