"""What the agent reports to the controller, and how often it writes."""

import asyncio
from dataclasses import replace

from sovereign_operator.agent import netns
from sovereign_operator.kube.client.errors import UnavailableError
from tests.unit.agent.nodes import SANDBOX, Node, Play, pod, until


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
