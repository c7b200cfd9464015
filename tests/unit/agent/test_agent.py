"""When the agent loads rules, and which: for pods, sandboxes and transit configs, in any order."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest

from sovereign_operator.core import names
from sovereign_operator.core.encryption.traffic_rules import Datagrams
from sovereign_operator.dataplane import frames
from sovereign_operator.dataplane.redirect import rules_of
from tests.unit.agent.nodes import NAME_SERVER, REPORT, SANDBOX, Node, Play, pod, until


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
