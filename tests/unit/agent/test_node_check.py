"""The agent says what its node lacks: when it starts, and when that changes."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from sovereign_operator.agent import metrics, settings
from sovereign_operator.agent.node_check import INSTANCES, check_folders, check_limits
from sovereign_operator.core.encryption.node_lacks import Lack, NodeLack, NodeLacks
from tests.unit.agent.nodes import SANDBOX, FakeSandboxes, Node, Play, pod, until

RULES: NodeLacks = (NodeLack(Lack.RULES, ("nft_redir",)),)
FRAMES: NodeLacks = (NodeLack(Lack.FRAMES, ("NETFILTER_EGRESS",)),)


def shown(kind: Lack) -> float:
    (metric,) = metrics.LACKS.collect()
    return next(sample.value for sample in metric.samples if sample.labels["what"] == kind)


def test_what_it_lacks_is_logged_measured_and_reported(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def scenario(node: Node) -> None:
        await until(lambda: node.api.written)
        assert node.api.written[-1]["data"] == {"pods": "", "lacks": "rules nft_redir\nframes NETFILTER_EGRESS"}
        assert (shown(Lack.RULES), shown(Lack.ENTRY)) == (1, 0)
        # An admin has loaded the module.
        node.lacks.put_nowait(())
        await until(lambda: node.api.written[-1]["data"] == {"pods": ""})
        assert shown(Lack.RULES) == 0

    def begin(node: Node) -> None:
        node.lacks.put_nowait((*RULES, *FRAMES))

    play(scenario, begin)
    logged = [(record.levelno, record.getMessage()) for record in caplog.records if "this node" in record.getMessage()]
    assert [level for level, _ in logged] == [logging.ERROR, logging.WARNING, logging.INFO]
    assert str(RULES[0]) in logged[0][1]
    assert logged[2][1].endswith("has all that the redirect needs")


def test_a_node_that_lacks_nothing_has_no_report_of_it(play: Play) -> None:
    async def scenario(node: Node) -> None:
        node.api.configure("any", rules="7")
        node.api.send("ADDED", pod())
        node.sandboxes.make(SANDBOX)
        await until(node.api.reported)
        assert [set(body["data"]) for body in node.api.written] == [{"pods"}]

    play(scenario)


def test_without_the_api_server_it_still_says_so_in_its_log(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(node: Node) -> None:
        await until(lambda: any("nft_redir" in record.getMessage() for record in caplog.records))
        assert not node.api.written

    def begin(node: Node) -> None:
        node.api.answers.clear()
        node.lacks.put_nowait(RULES)

    play(scenario, begin)


def test_a_folder_that_may_not_be_read_does_not_end_it(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    """As with SELinux: if the agent ended, nobody would be told."""

    async def scenario(node: Node) -> None:
        node.api.send("ADDED", pod())
        await until(lambda: node.sandboxes.running)
        node.sandboxes.make(SANDBOX)
        assert await node.loaded() == "sandbox-1"

    def begin(node: Node) -> None:
        node.sandboxes.refusals.append(PermissionError(13, "Permission denied", "/var/lib/cni/results"))

    play(scenario, begin)
    assert [record.getMessage() for record in caplog.records if "it will be tried again" in record.getMessage()] == [
        "[Errno 13] Permission denied: '/var/lib/cni/results'; it will be tried again"
    ]


def test_the_agent_looks_for_its_own_pod_in_the_folders_of_the_node(tmp_path: Path) -> None:
    parsed = settings.parse(
        ["--node=node-1", "--namespace=sovereign-system", "--identity=sovereign-agent-x", f"--netns={tmp_path}"]
    )
    sandboxes = FakeSandboxes()
    assert check_folders(parsed, sandboxes) == (NodeLack(Lack.RESULTS),)
    sandboxes.make(SANDBOX)
    assert check_folders(parsed, sandboxes) == (NodeLack(Lack.RESULTS),)
    own = replace(SANDBOX, id="own", namespace="sovereign-system", name="sovereign-agent-x", netns="/run/netns/own")
    sandboxes.make(own)
    assert check_folders(parsed, sandboxes) == (NodeLack(Lack.NAMESPACES),)
    # As without the propagation of mounts: a file, and no network namespace.
    (tmp_path / "own").touch()
    assert check_folders(parsed, sandboxes) == (NodeLack(Lack.NAMESPACES),)


@pytest.mark.parametrize(
    ("text", "lacks"),
    [("128\n", True), ("549\n", True), ("550\n", False), ("8192\n", False), ("", False), (None, False)],
)
def test_a_node_that_is_full_needs_many_inotify_instances(tmp_path: Path, text: str | None, *, lacks: bool) -> None:
    file = tmp_path / "max_user_instances"
    if text is not None:
        file.write_text(text)
    assert check_limits(file) == ((NodeLack(Lack.WATCHERS),) if lacks else ())
    assert INSTANCES.read_text().strip().isdecimal()
