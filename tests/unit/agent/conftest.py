"""An agent that runs on a node."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sovereign_operator.agent import __main__ as agent_main
from sovereign_operator.agent import netns, settings
from sovereign_operator.agent.__main__ import Agent
from sovereign_operator.agent.sandboxes import Sandbox
from tests.unit.agent.nodes import Node, Play


def _as_it_is(_: Node) -> None:
    """Change nothing before the agent starts."""


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Play:
    """Run a scenario on a node with a running agent."""

    def run(scenario: Callable[[Node], Coroutine[Any, Any, None]], begin: Callable[[Node], None] = _as_it_is) -> None:
        async def main() -> None:
            node = Node()
            begin(node)
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

            monkeypatch.setattr(agent_main, "AGAIN_SECONDS", 0.0)
            monkeypatch.setattr(agent_main, "RESYNC_SECONDS", 0.0)
            monkeypatch.setattr(netns, "opened", fake_open)
            monkeypatch.setattr(netns, "load", fake_load)
            monkeypatch.setattr(netns, "interfaces", lambda _: node.interfaces)
            monkeypatch.setattr(netns, "apply", fake_apply)
            api: Any = node.api
            resolv_conf = tmp_path / "resolv.conf"
            resolv_conf.write_text("search svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n")
            parsed = settings.parse(["--node=node-1", "--namespace=sovereign-system", f"--resolv-conf={resolv_conf}"])
            agent = Agent(parsed, node.sandboxes, api, node.check)
            running = asyncio.create_task(agent.run())
            await asyncio.sleep(0)
            try:
                await scenario(node)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

        asyncio.run(main())

    return run
