"""The agent's check of its node, on this machine's kernel."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hack.dataplane.pods import Road
from sovereign_operator.agent import netns, node_check, settings
from sovereign_operator.core.encryption.node_lacks import Lack, NodeLack
from sovereign_operator.dataplane import needs
from tests.dataplane.links import Link
from tests.dataplane.roads import PREFERRED, start
from tests.dataplane.sandboxes import FOLDER, sandbox_of
from tests.needs import AS_ROOT, need
from tests.unit.agent.nodes import FakeSandboxes

MISSING = "table inet probe { chain probe { type filter hook input priority filter; jump none_such; }; }\n"
"""The kernel refuses this as it does what a missing module would have: "No such file or directory"."""

FROM_WITHIN = """\
import sys
from dataclasses import replace
from sovereign_operator.agent import node_check, settings
from tests.unit.agent.nodes import SANDBOX, FakeSandboxes

netns, *options = sys.argv[1:]
sandboxes = FakeSandboxes()
sandboxes.make(replace(SANDBOX, namespace="sovereign-system", name="sovereign-agent-x", netns=netns))
print(node_check.check_folders(settings.parse(options), sandboxes))
"""


@pytest.fixture(autouse=True)
def _can() -> None:
    need(AS_ROOT, "nft")


def check() -> list[NodeLack]:
    async def gather() -> list[NodeLack]:
        return [lack async for lack in node_check.check_kernel()]

    return asyncio.run(gather())


def test_this_kernel_lacks_nothing() -> None:
    before = sorted(path.name for path in FOLDER.iterdir())
    assert check() == []
    assert sorted(path.name for path in FOLDER.iterdir()) == before


def test_the_inotify_instances_of_a_sidecar_are_known(pods: Road) -> None:
    """All sidecars of a node share the limit of their user."""
    start(pods, PREFERRED)
    assert pods.server.envoy
    opened = [str(path.readlink()) for path in Path(f"/proc/{pods.server.envoy.pid}/fd").iterdir()]
    assert opened.count("anon_inode:inotify") == needs.INOTIFY_INSTANCES


@pytest.mark.parametrize("part", [*needs.PARTS, *needs.SOCKET_PARTS, *needs.FRAME_PARTS])
def test_the_rules_that_need_a_part_are_right(part: str) -> None:
    """Otherwise a part would be named that is there."""
    rules = {**needs.PARTS, **needs.SOCKET_PARTS, **needs.FRAME_PARTS}[part]
    with netns.scratch() as opened:
        asyncio.run(netns.apply(opened, rules))


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"REDIRECT": MISSING, "STRICT": MISSING}, NodeLack(Lack.RULES, ("none_such",))),
        ({"STRICT": MISSING}, NodeLack(Lack.STRICT, ("none_such",))),
        ({"SOCKETS": MISSING}, NodeLack(Lack.SOCKETS)),
        ({"FRAMES": MISSING}, NodeLack(Lack.FRAMES)),
    ],
)
def test_what_the_kernel_refuses_is_named(
    monkeypatch: pytest.MonkeyPatch, changed: Mapping[str, str], found: NodeLack
) -> None:
    for name, rules in {**changed, "PARTS": {**needs.PARTS, "none_such": MISSING}}.items():
        monkeypatch.setattr(needs, name, rules)
    assert check() == [found]


@pytest.mark.parametrize("dropped", ["-sys_admin", "-net_admin", "-all"])
def test_without_its_capabilities_it_may_not_enter(dropped: str) -> None:
    line = ["setpriv", "--bounding-set", dropped, "--inh-caps", dropped, sys.executable, "-m", "tests.machines.look"]
    done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["lacks"] == {"entry": []}


def test_the_agent_finds_its_own_pod_in_the_folders(bare_link: Link) -> None:
    """Within its network namespace, as in its pod."""
    own = replace(sandbox_of(bare_link), namespace="sovereign-system", name="sovereign-agent-x")
    sandboxes = FakeSandboxes()
    sandboxes.make(own)
    options = ["--node=n", "--namespace=sovereign-system", "--identity=sovereign-agent-x", f"--netns={FOLDER}"]
    parsed = settings.parse(options)
    # This process is not in that network namespace, so it is another pod's.
    assert node_check.check_folders(parsed, sandboxes) == (NodeLack(Lack.NAMESPACES),)
    inside = ["nsenter", f"--net={own.netns}", sys.executable, "-c", FROM_WITHIN, own.netns, *options]
    done = subprocess.run(inside, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout == "()\n"


def test_a_scratch_namespace_is_empty_and_goes() -> None:
    with netns.scratch() as opened:
        assert netns.interfaces(opened) == frozenset()
        assert os.fstat(opened).st_ino != Path("/proc/self/ns/net").stat().st_ino
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened)
