"""How the agent reacts to pods, sandboxes, transit configs and failures, in any order."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from sovereign_operator.agent import name_servers, netns, report, settings
from sovereign_operator.agent.__main__ import Agent
from sovereign_operator.agent.sandboxes import Sandbox
from sovereign_operator.core import names
from sovereign_operator.core.encryption.traffic_rules import Datagrams
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.dataplane import frames
from sovereign_operator.dataplane.redirect import rules_of
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import UnavailableError
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
        self.changed: Callable[[Sandbox], None] = lambda _: None

    def find(self, sandbox: str) -> Sandbox | None:
        return self.known.get(sandbox)

    def of_pod(self, uid: str) -> Iterable[Sandbox]:
        return [found for found in self.known.values() if found.pod_uid == uid]

    async def run(self, changed: Callable[[Sandbox], None]) -> None:
        self.changed = changed
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

    async def loaded(self) -> str:
        """Wait until rules are loaded somewhere."""
        return await asyncio.wait_for(self.loads.get(), 10)


@pytest.fixture
def play(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[Callable[[Node], Coroutine[Any, Any, None]]], None]:
    """Run a scenario on a node with a running agent."""

    def run(scenario: Callable[[Node], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            node = Node()
            opened: dict[int, str] = {}

            @contextmanager
            def fake_open(sandbox: Sandbox, _folder: Path) -> Any:
                if node.failures:
                    raise node.failures.pop(0)
                opened[len(opened)] = sandbox.id
                yield len(opened) - 1

            async def fake_load(number: int, rules: str) -> None:
                node.rules = rules
                node.loads.put_nowait(opened[number])

            async def fake_apply(_: int, rules: str) -> None:
                node.fences.put_nowait(rules)
                if not node.fences_hold:
                    raise netns.RulesError("Operation not supported")

            monkeypatch.setattr(netns, "opened", fake_open)
            monkeypatch.setattr(netns, "load", fake_load)
            monkeypatch.setattr(netns, "interfaces", lambda _: node.interfaces)
            monkeypatch.setattr(netns, "apply", fake_apply)
            api: Any = node.api
            resolv_conf = tmp_path / "resolv.conf"
            resolv_conf.write_text("search svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n")
            parsed = settings.parse(["--node=node-1", "--namespace=sovereign-system", f"--resolv-conf={resolv_conf}"])
            agent = Agent(parsed, node.sandboxes, _as_api(api))
            running = asyncio.create_task(agent.run())
            await asyncio.sleep(0)
            try:
                await scenario(node)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

        asyncio.run(main())

    return run


def _as_api(fake: Any) -> Api:
    api: Api = fake
    return api


async def until(holds: Callable[[], object]) -> None:
    """Let other tasks run until a condition holds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(0)


Play = Callable[[Callable[[Node], Coroutine[Any, Any, None]]], None]


def test_rules_are_loaded_whichever_comes_first(play: Play) -> None:
    async def scenario(node: Node) -> None:
        node.api.send("ADDED", pod())
        await asyncio.sleep(0.05)
        node.sandboxes.make(SANDBOX)
        assert await node.loaded() == "sandbox-1"
        other = replace(SANDBOX, id="sandbox-2", pod_uid="uid-2", name="web-1")
        node.sandboxes.make(other)
        await asyncio.sleep(0.05)
        assert node.loads.empty()
        later = pod("uid-2")
        later["metadata"]["name"] = "web-1"
        node.api.send("ADDED", later)
        assert await node.loaded() == "sandbox-2"

    play(scenario)


def test_it_asks_for_the_pods_of_its_node_only(play: Play) -> None:
    async def scenario(node: Node) -> None:
        await until(lambda: len(node.api.listed) > 2)
        assert sorted(node.api.listed) == [
            ("configmaps", "sovereign-system", "", REPORT),
            ("configmaps", "sovereign-system", names.TRANSIT_LABEL, ""),
            ("pods", None, "", "spec.nodeName=node-1"),
        ]

    play(scenario)


def test_nothing_is_loaded_before_it_is_known_which_datagrams_may_pass(play: Play) -> None:
    async def scenario(node: Node) -> None:
        node.api.answers.clear()
        node.api.send("ADDED", pod())
        node.sandboxes.make(SANDBOX)
        await asyncio.sleep(0.05)
        assert node.loads.empty()
        node.api.answers.set()
        assert await node.loaded() == "sandbox-1"
        assert node.rules == rules_of([], (), (NAME_SERVER,))

    play(scenario)


def test_rules_follow_the_policy(play: Play) -> None:
    async def scenario(node: Node) -> None:
        node.api.send("ADDED", pod())
        node.sandboxes.make(SANDBOX)
        for datagrams, passing in (
            ("any", None),
            ("", ()),
            ("10.0.0.0/8 5004-5005", (Datagrams(ip_network("10.0.0.0/8"), range(5004, 5006)),)),
            ("nonsense", ()),
        ):
            node.api.configure(datagrams)
            while node.rules != rules_of([], passing, (NAME_SERVER,)):
                await node.loaded()

    play(scenario)


@pytest.mark.parametrize("fences_hold", [True, False])
def test_frames_are_filtered_in_strict_on_each_interface(
    play: Play, caplog: pytest.LogCaptureFixture, *, fences_hold: bool
) -> None:
    async def scenario(node: Node) -> None:
        node.fences_hold = fences_hold
        node.api.send("ADDED", pod())
        node.api.configure("any", "1")
        node.sandboxes.make(SANDBOX)
        assert await asyncio.wait_for(node.fences.get(), 10) == frames.rules_of(())
        node.api.configure("", "2")
        assert await asyncio.wait_for(node.fences.get(), 10) == frames.rules_of({"eth0"})
        # As after an event of its file, or at a resynchronisation.
        node.sandboxes.changed(SANDBOX)
        node.interfaces |= {"net1"}
        node.sandboxes.changed(SANDBOX)
        assert await asyncio.wait_for(node.fences.get(), 10) == frames.rules_of({"eth0", "net1"})
        node.api.configure("any", "3")
        assert await asyncio.wait_for(node.fences.get(), 10) == frames.rules_of(())
        assert node.fences.empty()

    play(scenario)
    warned = [record for record in caplog.records if "frames that carry no IP may leave" in record.getMessage()]
    assert len(warned) == (not fences_hold)


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 10.96.0.10\nnameserver fd00::a # second\n", ["10.96.0.10", "fd00::a"]),
        ("nameserver\t169.254.20.10", ["169.254.20.10"]),
        ("nameserver fe80::1%eth0", ["fe80::1"]),
        ("nameserver 10.0.0.2#53\nnameserver dns.example\n\nnameserver 10.0.0.3", ["10.0.0.3"]),
        ("#nameserver 10.0.0.1\nsearch nameserver 10.0.0.1\nnameserver\n", []),
        ("", []),
    ],
)
def test_name_servers_are_those_of_the_pod(text: str, servers: list[str]) -> None:
    assert name_servers.parse(text) == tuple(map(ip_network, servers))


def test_a_new_sandbox_of_the_same_pod_gets_rules_and_an_old_one_gets_none_again(play: Play) -> None:
    async def scenario(node: Node) -> None:
        node.api.send("ADDED", pod())
        node.sandboxes.make(SANDBOX)
        assert await node.loaded() == "sandbox-1"
        node.sandboxes.changed(SANDBOX)
        node.sandboxes.make(replace(SANDBOX, id="sandbox-2", netns="/run/netns/b"))
        assert await node.loaded() == "sandbox-2"
        node.sandboxes.remove(SANDBOX)
        node.sandboxes.make(replace(SANDBOX, id="sandbox-3"))
        assert await node.loaded() == "sandbox-3"

    play(scenario)


def test_a_pod_that_is_gone_is_forgotten_and_one_by_its_name_is_another(play: Play) -> None:
    async def scenario(node: Node) -> None:
        node.api.send("ADDED", pod())
        node.sandboxes.make(SANDBOX)
        assert await node.loaded() == "sandbox-1"
        node.api.send("DELETED", pod())
        node.api.send("ADDED", pod("uid-2"))
        node.sandboxes.make(replace(SANDBOX, id="sandbox-2"))
        node.sandboxes.make(replace(SANDBOX, id="sandbox-3", pod_uid="uid-2"))
        assert await node.loaded() == "sandbox-3"

    play(scenario)


def test_without_the_api_server_known_pods_still_get_rules(play: Play) -> None:
    async def scenario(node: Node) -> None:
        node.api.send("ADDED", pod())
        node.sandboxes.make(SANDBOX)
        assert await node.loaded() == "sandbox-1"
        node.api.events["pods"].put_nowait(UnavailableError(0, "away"))
        await until(node.api.events["pods"].empty)
        node.sandboxes.make(replace(SANDBOX, id="sandbox-2"))
        assert await node.loaded() == "sandbox-2"

    play(scenario)


@pytest.mark.parametrize(
    "error", [netns.NotThePodsError("not what it seems"), netns.RulesError("nft is out of memory")]
)
def test_a_failure_is_logged_with_the_name_of_the_pod_and_tried_again(
    play: Play, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(node: Node) -> None:
        node.failures += [error, error]
        node.api.send("ADDED", pod())
        node.sandboxes.make(SANDBOX)
        assert await node.loaded() == "sandbox-1"

    play(scenario)
    logged = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert logged == [f"the traffic of pod app/web-0 is not redirected: {error}; it will be tried again"] * 2


def test_a_sandbox_that_is_gone_is_no_failure(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(node: Node) -> None:
        node.failures.append(netns.SandboxGoneError("gone"))
        node.api.send("ADDED", pod())
        node.sandboxes.make(SANDBOX)
        await until(lambda: not node.failures)
        # A later event finds the sandbox.
        node.sandboxes.changed(SANDBOX)
        assert await node.loaded() == "sandbox-1"

    play(scenario)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_pod_without_possible_rules_is_logged_once(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(node: Node) -> None:
        node.api.send("ADDED", pod("uid-1", "--probe=tcp://:0"))
        node.sandboxes.make(SANDBOX)
        await until(lambda: caplog.records)
        node.sandboxes.changed(SANDBOX)
        node.api.send("MODIFIED", pod("uid-1", "--probe=tcp://:5432"))
        assert await node.loaded() == "sandbox-1"

    play(scenario)
    (logged,) = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert logged.startswith("pod app/web-0 never starts")


def test_it_reports_what_is_loaded_once_it_is(play: Play) -> None:
    async def scenario(node: Node) -> None:
        node.api.configure("any", rules="7")
        node.api.send("ADDED", pod())
        node.sandboxes.make(SANDBOX)
        await until(node.api.reported)
        assert node.api.reported() == ["uid-1 hds 7 10.0.0.1"]
        (metadata,) = (body["metadata"] for body in node.api.written)
        assert metadata["name"] == "agent.node-1"
        assert metadata["ownerReferences"] == [
            {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "node-uid"}
        ]
        node.api.configure("", rules="8")
        await until(lambda: node.api.reported() == ["uid-1 hds 8 10.0.0.1"])
        # The same rules under another number are loaded already.
        node.api.configure("", rules="9")
        await until(lambda: node.api.reported() == ["uid-1 hds 9 10.0.0.1"])

    play(scenario)


def test_what_fails_to_load_is_not_reported(play: Play) -> None:
    async def scenario(node: Node) -> None:
        node.api.configure("any", rules="7")
        node.api.send("ADDED", pod())
        node.sandboxes.make(SANDBOX)
        await until(node.api.reported)
        for error in (netns.RulesError("no"), netns.SandboxGoneError("gone")):
            node.failures += [error, netns.RulesError("no")]
            node.api.configure("" if isinstance(error, netns.RulesError) else "10.0.0.0/8 1-2", rules="8")
            await until(lambda: len(node.failures) < 2)
            await asyncio.sleep(0)
            assert node.api.reported() == ["uid-1 hds 7 10.0.0.1"]

    play(scenario)


def test_pods_that_start_together_cost_one_write_and_those_that_go_none(play: Play) -> None:
    async def scenario(node: Node) -> None:
        node.api.configure("", rules="7")
        for number in range(1, 6):
            later = pod(f"uid-{number}")
            later["metadata"]["name"] = f"web-{number}"
            node.api.send("ADDED", later)
            made = replace(SANDBOX, id=f"sandbox-{number}", pod_uid=f"uid-{number}", name=f"web-{number}")
            node.sandboxes.make(made)
            await asyncio.sleep(0.1)
        await until(node.api.reported)
        assert [line.split()[0] for line in node.api.reported()] == [f"uid-{number}" for number in range(1, 6)]
        node.sandboxes.remove(made)
        node.api.send("DELETED", later)
        await asyncio.sleep(1)
        assert len(node.api.written) == 1

    play(scenario)


def test_a_report_that_is_refused_or_removed_is_written_again(play: Play) -> None:
    async def scenario(node: Node) -> None:
        node.api.refusals.append(UnavailableError(0, "away"))
        node.api.configure("", rules="7")
        node.api.send("ADDED", pod())
        node.sandboxes.make(SANDBOX)
        await until(node.api.reported)
        (first,) = node.api.written
        gone = first | {"metadata": first["metadata"] | {"resourceVersion": "2"}}
        await asyncio.sleep(0.5)
        node.api.events["report"].put_nowait(("DELETED", gone))
        await until(lambda: len(node.api.written) > 1)
        assert node.api.written[-1] == first

    play(scenario)


def test_a_controller_of_an_earlier_version_gets_no_report(play: Play) -> None:
    async def scenario(node: Node) -> None:
        node.api.configure("")
        node.api.send("ADDED", pod())
        node.sandboxes.make(SANDBOX)
        await node.loaded()
        await asyncio.sleep(1)
        assert not node.api.written

    play(scenario)
