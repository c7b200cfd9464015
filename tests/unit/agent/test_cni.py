import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import permutations, product
from pathlib import Path
from typing import Any

import pytest
from asyncinotify import Mask

from sovereign_operator.agent import cni
from sovereign_operator.agent.cni import CniResults, parse
from sovereign_operator.agent.sandboxes import Sandbox

SANDBOX = Sandbox("sandbox-1", "uid-1", "app", "web-0", "/run/netns/a", "eth0", frozenset({"10.0.0.1", "fd00::1"}))


def result(**changed: Any) -> dict[str, Any]:
    """Return a file's content, as libcni writes it."""
    return {
        "kind": "cniCacheV1",
        "containerId": "sandbox-1",
        "config": "e30=",
        "ifName": "eth0",
        "networkName": "pods",
        "netns": "/run/netns/a",
        "cniArgs": [
            ["IgnoreUnknown", "1"],
            ["K8S_POD_NAMESPACE", "app"],
            ["K8S_POD_NAME", "web-0"],
            ["K8S_POD_INFRA_CONTAINER_ID", "sandbox-1"],
            ["K8S_POD_UID", "uid-1"],
        ],
        "result": {
            "cniVersion": "1.0.0",
            "interfaces": [{"name": "veth0"}, {"name": "eth0", "sandbox": "/run/netns/of-the-interface"}],
            "ips": [{"address": "10.0.0.1/24", "interface": 1}, {"address": "fd00::1/64", "interface": 1}],
        },
    } | changed


def test_a_file_says_which_pod_is_where() -> None:
    assert parse(json.dumps(result())) == SANDBOX


def test_an_older_library_says_it_of_the_interface_only() -> None:
    old = result()
    del old["netns"]
    found = parse(json.dumps(old))
    assert found is not None
    assert found.netns == "/run/netns/of-the-interface"


@pytest.mark.parametrize("changed", [{"ifName": "lo"}, {"cniArgs": None}, {"cniArgs": [["IgnoreUnknown", "1"]]}])
def test_what_is_of_no_pod_is_left_out(changed: dict[str, Any]) -> None:
    assert parse(json.dumps(result(**changed))) is None


MALFORMED = {
    "nothing": b"",
    "half of it": json.dumps(result()).encode()[:300],
    "no object": b"[1]",
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "a number for a path": json.dumps(result(netns=7)).encode(),
    "no id": json.dumps(result(containerId="")).encode(),
    "a word for arguments": json.dumps(result(cniArgs="K8S_POD_UID")).encode(),
    "no result": json.dumps(result(result=None)).encode(),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_malformed_is_an_error(text: bytes) -> None:
    with pytest.raises(ValueError, match="validation error"):
        parse(text)


class Changes:
    """The sandboxes that the watch has reported as changed."""

    def __init__(self) -> None:
        self._sandboxes: asyncio.Queue[Sandbox] = asyncio.Queue()

    def __call__(self, sandbox: Sandbox) -> None:
        self._sandboxes.put_nowait(sandbox)

    async def next(self) -> Sandbox:
        """Wait for the next sandbox, and return it."""
        return await asyncio.wait_for(self._sandboxes.get(), 10)


@asynccontextmanager
async def watching(folder: Path) -> AsyncIterator[tuple[CniResults, Changes]]:
    results, changes = CniResults(folder), Changes()
    running = asyncio.create_task(results.run(changes))
    yield results, changes
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_sandboxes_come_and_go_with_their_files(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "pods-sandbox-0-eth0").write_text(json.dumps(result(containerId="sandbox-0")))
        (tmp_path / "a-folder").mkdir()
        (tmp_path / "malformed").write_bytes(MALFORMED["half of it"])
        async with watching(tmp_path) as (results, changes):
            early = await changes.next()
            assert (early.id, early.since) == ("sandbox-0", None)
            path = tmp_path / "pods-sandbox-1-eth0"
            path.write_text(json.dumps(result()))
            found = await changes.next()
            assert found == SANDBOX
            assert found.since == path.stat().st_mtime
            assert results.find("sandbox-1") == found
            assert {one.id for one in results.of_pod("uid-1")} == {"sandbox-0", "sandbox-1"}
            path.unlink()
            assert await changes.next() == SANDBOX
            assert results.find("sandbox-1") is None
            assert results.find("sandbox-0") == early

    asyncio.run(scenario())


NETWORKS: dict[str, tuple[dict[str, list[str]], str]] = {
    "a second network without addresses": ({"eth0": ["10.0.0.1/24"], "net1": []}, "eth0"),
    "a second network with addresses": ({"eth0": ["10.0.0.1/24"], "net1": ["192.168.0.1/24"]}, "eth0"),
    "one whose name sorts first": ({"eth0": ["10.0.0.1/24"], "bond0": ["192.168.0.1/24"], "a": []}, "eth0"),
    "a first network without addresses": ({"eth0": [], "net2": ["10.0.0.2/24"], "net1": ["10.0.0.1/24"]}, "net1"),
    "no addresses at all": ({"net1": [], "eth0": []}, "eth0"),
}


def attach(folder: Path, sandbox: str, name: str, addresses: list[str]) -> None:
    """Write the file of one of a sandbox's networks, as the runtime does."""
    ips = [{"address": address} for address in addresses]
    written = result(containerId=sandbox, ifName=name, result={"interfaces": [{"name": name}], "ips": ips})
    (folder / f"network-{sandbox}-{name}").write_text(json.dumps(written))


@pytest.mark.parametrize(("networks", "interface"), NETWORKS.values(), ids=NETWORKS.keys())
def test_a_sandbox_is_known_by_the_interface_that_has_the_pods_address(
    tmp_path: Path, networks: dict[str, list[str]], interface: str
) -> None:
    """The order in which files are read does not matter: a folder lists its files in any order."""

    async def scenario(order: tuple[str, ...]) -> None:
        folder = tmp_path / "-".join(order)
        folder.mkdir()
        async with watching(folder) as (results, changes):
            for name in order:
                attach(folder, "sandbox-1", name, networks[name])
                while (await changes.next()).interface != name:
                    pass
            found = results.find("sandbox-1")
            assert found is not None
            assert found.interface == interface

    for order in permutations(networks):
        asyncio.run(scenario(order))


@pytest.mark.parametrize(("networks", "interface"), NETWORKS.values(), ids=NETWORKS.keys())
def test_so_it_is_for_sandboxes_that_were_there_before_the_agent(
    tmp_path: Path, networks: dict[str, list[str]], interface: str
) -> None:
    """Their files are read in the order of a set. So there are many: in one order, any rule may find the right file."""

    async def scenario() -> None:
        sandboxes = {f"sandbox-{number}" for number in range(16)}
        for sandbox, name in product(sandboxes, networks):
            attach(tmp_path, sandbox, name, networks[name])
        async with watching(tmp_path) as (results, changes):
            # All are known before the first change is reported.
            assert (await changes.next()).id in sandboxes
            found = [results.find(sandbox) for sandbox in sandboxes]
            assert {(one.interface, one.since) for one in found if one} == {(interface, None)}
            assert None not in found

    asyncio.run(scenario())


def test_a_network_that_was_taken_away_leaves_the_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        for name in ("eth0", "net1"):
            (tmp_path / f"network-sandbox-1-{name}").write_text(json.dumps(result(ifName=name)))
        async with watching(tmp_path) as (results, changes):
            for _ in range(2):
                await changes.next()
            (tmp_path / "network-sandbox-1-net1").unlink()
            gone = await changes.next()
            assert (gone.id, gone.interface) == ("sandbox-1", "net1")
            assert results.find("sandbox-1") == SANDBOX

    asyncio.run(scenario())


def test_a_file_that_gets_its_name_when_it_is_whole_is_seen_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder, elsewhere = tmp_path / "results", tmp_path / "elsewhere"
        folder.mkdir()
        elsewhere.write_text(json.dumps(result()))
        async with watching(folder) as (_, changes):
            elsewhere.rename(folder / "pods-sandbox-1-eth0")
            assert await changes.next() == SANDBOX

    asyncio.run(scenario())


def test_a_change_without_an_event_is_noticed_at_the_next_resynchronisation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cni, "RESYNC_SECONDS", 0.05)
    monkeypatch.setattr(cni, "_WATCHED", Mask.MOVE_SELF)

    async def scenario() -> None:
        async with watching(tmp_path) as (_, changes):
            (tmp_path / "pods-sandbox-1-eth0").write_text(json.dumps(result()))
            assert await changes.next() == SANDBOX
            # Each resynchronisation reports it again, because an action that failed at first may succeed now.
            assert await changes.next() == SANDBOX

    asyncio.run(scenario())


def test_a_folder_that_goes_ends_the_process(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = tmp_path / "results"
        folder.mkdir()
        results = CniResults(folder)
        running = asyncio.create_task(results.run(lambda _: None))
        await asyncio.sleep(0)
        folder.rmdir()
        with pytest.raises(FileNotFoundError, match="is gone"):
            await asyncio.wait_for(running, 10)

    asyncio.run(scenario())
