"""What the agent does when something fails: the API server, a sandbox, or a pod's rules."""

import logging
from dataclasses import replace

import pytest

from sovereign_operator.agent import netns
from sovereign_operator.kube.client.errors import UnavailableError
from tests.unit.agent.nodes import SANDBOX, Node, Play, pod, until


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
