"""A node whose API server, sandboxes and network namespaces do what a test says."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Protocol

from sovereign_operator.agent import report
from sovereign_operator.agent.sandboxes import Sandbox, Sandboxes
from sovereign_operator.agent.settings import Settings
from sovereign_operator.core import names
from sovereign_operator.core.encryption.node_lacks import NodeLacks
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.resource import Resource

REPORT = "metadata.name=agent.node-1"
NAME_SERVER = ip_network("10.96.0.10")
SANDBOX = Sandbox("sandbox-1", "uid-1", "app", "web-0", "/run/netns/a", "eth0", frozenset({"10.0.0.1"}))


def pod(uid: str = "uid-1", *arguments: str) -> Json:
    """Return a pod with a sidecar."""
    init = [{"name": sidecar.CONTAINER, "args": list(arguments)}]
    metadata = {"uid": uid, "namespace": "app", "name": "web-0", "resourceVersion": "1"}
    config = {"configMap": {"name": sidecar.transit_config_map("hds")}}
    volumes = [{"name": sidecar.TRANSIT_VOLUME, "projected": {"sources": [config]}}]
    return {"metadata": metadata, "spec": {"initContainers": init, "volumes": volumes}}


class FakeApi:
    """An API server that sends the events that a test queues."""

    def __init__(self) -> None:
        self.events: defaultdict[str, asyncio.Queue[tuple[str, Json] | Exception]] = defaultdict(asyncio.Queue)
        """By plural of the kind, or "report" for the agent's own ConfigMap."""
        self.listed: list[tuple[str, Any, str, str]] = []
        self.answers = asyncio.Event()
        """Requests for lists of ConfigMaps wait until this event is set."""
        self.answers.set()
        self.written: list[Json] = []
        """The reports that the agent has written."""
        self.refusals: list[Exception] = []
        """The errors for the next writes of a report."""

    async def pages(self, kind: Resource, *selection: Any) -> AsyncIterator[tuple[list[Json], str]]:
        self.listed.append((kind.plural, *selection))
        if kind is resource.CONFIG_MAPS:
            await self.answers.wait()
        yield [], "1"

    async def reached(self, _kind: Resource, *_: Any) -> None:
        """Return, as no store here was restored."""

    async def watch(self, kind: Resource, *selection: Any) -> AsyncIterator[tuple[str, Json]]:
        *_, field_selector = selection
        while True:
            event = await self.events["report" if field_selector == REPORT else kind.plural].get()
            if isinstance(event, Exception):
                raise event
            yield event

    def send(self, kind: str, pod: Json) -> None:
        self.events["pods"].put_nowait((kind, pod))

    async def create(self, _kind: Resource, _body: Json) -> Json:
        return {"status": {"userInfo": {"extra": {report.NODE_UID: ["node-uid"]}}}}

    async def apply(self, _kind: Resource, body: Json) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.written.append(body)
        self.events["report"].put_nowait(("MODIFIED", body | {"metadata": body["metadata"] | {"resourceVersion": "1"}}))

    def reported(self) -> list[str]:
        """Return the lines of the agent's last report."""
        return self.written[-1]["data"]["pods"].splitlines() if self.written else []

    def configure(self, datagrams: str, rules: str = "") -> None:
        """Send a transit config for all pods' policy: the datagrams that may pass, and the number of its rules."""
        labels = {names.TRANSIT_LABEL: "hds"}
        metadata = {"name": "sovereignty-transit.hds", "namespace": "sovereign-system", "labels": labels}
        data = {"mode": "Strict", "datagrams": datagrams} | ({"rules": rules} if rules else {})
        config = {"metadata": metadata | {"resourceVersion": "1"}, "data": data}
        self.events["configmaps"].put_nowait(("MODIFIED", config))


class FakeSandboxes:
    """Sandboxes that a test creates and removes."""

    def __init__(self) -> None:
        self.known: dict[str, Sandbox] = {}
        self.refusals: list[Exception] = []
        """The errors of the next attempts to read the folder."""
        self.changed: Callable[[Sandbox], None] = lambda _: None
        self.running = False

    def find(self, sandbox: str) -> Sandbox | None:
        return self.known.get(sandbox)

    def of_pod(self, uid: str) -> Iterable[Sandbox]:
        return [found for found in self.known.values() if found.pod_uid == uid]

    def named(self, namespace: str, pod: str) -> Iterable[Sandbox]:
        return [found for found in self.known.values() if (found.namespace, found.name) == (namespace, pod)]

    async def run(self, changed: Callable[[Sandbox], None]) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.changed, self.running = changed, True
        await asyncio.Event().wait()

    def make(self, sandbox: Sandbox) -> None:
        self.known[sandbox.id] = sandbox
        self.changed(sandbox)

    def remove(self, sandbox: Sandbox) -> None:
        del self.known[sandbox.id]
        self.changed(sandbox)


@dataclass
class Node:
    """A node with an agent."""

    api: FakeApi = field(default_factory=FakeApi)
    sandboxes: FakeSandboxes = field(default_factory=FakeSandboxes)
    loads: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """Ids of sandboxes, in the order in which rules were loaded there."""
    rules: str = ""
    """The rules that were loaded last."""
    failures: list[Exception] = field(default_factory=list)
    """The errors of the next attempts to open a network namespace."""
    interfaces: frozenset[str] = frozenset({"eth0"})
    """The interfaces of every sandbox."""
    fences: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """Rules for frames, in the order in which they were loaded."""
    fences_hold: bool = True
    """Whether the kernel can load rules for frames."""

    lacks: asyncio.Queue[NodeLacks] = field(default_factory=asyncio.Queue)
    """What the next checks find; the last one counts until there is another."""
    found: NodeLacks = ()

    async def check(self, _settings: Settings, _sandboxes: Sandboxes) -> NodeLacks:
        """Return what the node lacks."""
        if not self.lacks.empty():
            self.found = self.lacks.get_nowait()
        return self.found

    async def loaded(self) -> str:
        """Wait until rules are loaded somewhere."""
        return await asyncio.wait_for(self.loads.get(), 10)


class Play(Protocol):
    """Runs a scenario on a node with a running agent. ``begin`` changes the node before the agent starts."""

    def __call__(
        self, scenario: Callable[[Node], Coroutine[Any, Any, None]], begin: Callable[[Node], None] = ...
    ) -> None: ...


async def until(holds: Callable[[], object]) -> None:
    """Let other tasks run until a condition holds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(0)
