"""The agent only ever enters the network namespace of the pod, whatever the runtime's file contains."""

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from hack.dataplane.netns import PATIENCE
from sovereign_operator.agent import netns
from sovereign_operator.agent.cni import CniResults
from sovereign_operator.agent.sandboxes import Sandbox
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.dataplane import redirect
from tests.dataplane.links import V4, V6, Link
from tests.dataplane.sandboxes import FOLDER, sandbox_of
from tests.needs import AS_ROOT, need

RULES: Final = redirect.rules_of([], None)
STRICT: Final = redirect.rules_of([], ())
FORMER: Final = Path(__file__).parents[1] / "data" / "redirect-without-marks.nft"
"""Rules for Strict as an earlier version of the agent loaded them."""


def load(sandbox: Sandbox, rules: str = RULES, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Load rules as the agent does."""
    with netns.opened(sandbox, FOLDER) as opened:
        meanwhile()
        asyncio.run(netns.load(opened, rules))


@pytest.mark.parametrize("folder", ["/run/netns", "/var/run/netns"])
@pytest.mark.parametrize("address", [V4.pod, V6.pod])
def test_rules_are_loaded_in_the_pods_network_namespace(bare_link: Link, folder: str, address: str) -> None:
    load(sandbox_of(bare_link, netns=f"{folder}/{bare_link.pod.name}", addresses=frozenset({address})))
    assert bare_link.pod.nft("list tables") == f"table inet {redirect.TABLE}\n"
    assert bare_link.outside.nft("list tables") == ""


@pytest.mark.parametrize("second", [[], ["10.76.0.2/24"]])
def test_rules_are_loaded_where_a_second_network_is_attached(
    bare_link: Link, tmp_path: Path, second: list[str]
) -> None:
    """Not every network assigns addresses. The agent starts when both files are there."""
    bare_link.pod.ip("link", "add", "net1", "type", "veth", "peer", "name", "net1", "netns", bare_link.outside.name)
    bare_link.pod.ip("link", "set", "net1", "up")
    for address in second:
        bare_link.pod.ip("address", "add", address, "dev", "net1")
    for name, addresses in (("net1", second), ("eth0", [f"{V4.pod}/24"])):
        written = {
            "containerId": "sandbox-1",
            "ifName": name,
            "netns": f"/run/netns/{bare_link.pod.name}",
            "cniArgs": [["K8S_POD_NAMESPACE", "app"], ["K8S_POD_NAME", "web-0"], ["K8S_POD_UID", "uid-1"]],
            "result": {"ips": [{"address": address} for address in addresses]},
        }
        (tmp_path / f"network-sandbox-1-{name}").write_text(json.dumps(written))
    results = CniResults(tmp_path)

    async def start() -> None:
        known = asyncio.Event()
        running = asyncio.create_task(results.run(lambda _: known.set()))
        await asyncio.wait_for(known.wait(), PATIENCE)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(start())
    found = results.find("sandbox-1")
    assert found
    load(found)
    assert bare_link.pod.nft("list tables") == f"table inet {redirect.TABLE}\n"


def test_the_message_of_nft_is_passed_on(bare_link: Link) -> None:
    with pytest.raises(netns.RulesError, match="syntax error"):
        load(sandbox_of(bare_link), "what?")


def test_an_nft_that_hangs_is_given_up(bare_link: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = tmp_path / "nft"
    stuck.write_text("#!/bin/sh\nexec sleep 1000\n")
    stuck.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(netns, "PATIENCE_SECONDS", 0.1)
    with pytest.raises(netns.RulesError, match="more than"):
        load(sandbox_of(bare_link))


def test_the_network_namespace_of_another_pod_is_not_entered(bare_link: Link) -> None:
    other = sandbox_of(bare_link, netns=f"/run/netns/{bare_link.outside.name}")
    with pytest.raises(netns.NotThePodsError, match=rf"has \['{V4.outside}', .*and the pod \['{V4.pod}'"):
        load(other)
    assert bare_link.outside.nft("list tables") == ""


@pytest.mark.parametrize("changed", [{"addresses": frozenset()}, {"interface": "lo"}, {"interface": "eth1"}])
def test_where_nothing_proves_whose_it_is_nothing_is_loaded(
    bare_link: Link, changed: dict[str, str | frozenset[str]]
) -> None:
    with pytest.raises(netns.NotThePodsError, match="and the pod"):
        load(sandbox_of(bare_link, **changed))
    assert bare_link.pod.nft("list tables") == ""


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/run/netns",
        "/run/netns/",
        "/run/netns/..",
        "/run/netns/.",
        "/proc/1/ns/net",
        "/proc/self/fd/3",
        "run/netns/NAME",
        "/run/netns/../netns/NAME",
        "/run/netns//NAME",
        "//run/netns/NAME",
        "/run/netns/below/NAME",
        "/var/run/../run/netns/NAME",
        "/run/netns/NAME\0",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(bare_link: Link, path: str) -> None:
    with pytest.raises(netns.NotThePodsError, match=r"no path|null byte|no network namespace"):
        load(sandbox_of(bare_link, netns=path.replace("NAME", bare_link.pod.name)))
    assert bare_link.pod.nft("list tables") == ""


def test_a_missing_network_namespace_has_an_error_of_its_own(bare_link: Link) -> None:
    with pytest.raises(netns.SandboxGoneError, match="is gone"):
        load(sandbox_of(bare_link, netns="/run/netns/never-there"))


@pytest.fixture
def strange(tmp_path: Path) -> Iterator[Path]:
    """A folder with files that are not the network namespace of a pod."""
    need(AS_ROOT)
    mounted = {"own": "/proc/self/ns/net", "uts": "/proc/self/ns/uts"}
    for name, target in mounted.items():
        (tmp_path / name).touch()
        subprocess.run(["mount", "--bind", target, str(tmp_path / name)], check=True)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("own")
    os.mkfifo(tmp_path / "pipe")
    yield tmp_path
    for name in mounted:
        subprocess.run(["umount", str(tmp_path / name)], check=True)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("own", "the agent's own"),
        ("uts", "no network namespace"),
        ("file", "no network namespace"),
        ("folder", "no network namespace"),
        ("pipe", "no network namespace"),
        ("link", "symbolic links"),
    ],
)
def test_what_is_no_network_namespace_of_a_pod_is_refused(strange: Path, name: str, why: str) -> None:
    # The addresses match: they are the agent's own.
    own = Sandbox("sandbox-1", "uid-1", "app", "web-0", f"/run/netns/{name}", "lo", frozenset({"127.0.0.1", "::1"}))
    with pytest.raises(netns.NotThePodsError, match=why), netns.opened(own, strange):
        pass


def test_the_descriptor_that_was_verified_is_entered(bare_link: Link) -> None:
    """The path may lead to another network namespace by then."""
    pod, outside = bare_link.pod, bare_link.outside
    here, there = str(FOLDER / pod.name), str(FOLDER / outside.name)
    load(sandbox_of(bare_link), meanwhile=lambda: subprocess.run(["mount", "--bind", there, here], check=True))
    tables = [net.nft("list tables") for net in (pod, outside)]
    subprocess.run(["umount", here], check=True)
    assert tables == ["", ""]  # both names lead to the one outside
    assert pod.nft("list tables") == f"table inet {redirect.TABLE}\n"


def closing(link: Link, size: int) -> tuple[socket.socket, bytes]:
    """Have the sidecar send data and close before the peer has read it. Return the peer's socket and the data."""
    words = b"the rest " * size
    own = link.listen(V4, sidecar.INBOUND_PORT)
    client = link.outside.connect(V4.pod, 8080, wait=20)
    with own.accept() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(words))
        found.sendall(words)
    return client, words


def rest(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        return stream.read()


def test_what_the_sidecar_had_closed_before_an_upgrade_is_sent_to_its_end(bare_link: Link) -> None:
    """An earlier version's rules did not mark the sidecar's connections, and a closed socket has no owner."""
    bare_link.pod.sysctl("net.ipv4.tcp_wmem", "4096 8388608 8388608")
    bare_link.pod.nft(FORMER.read_text())
    own = bare_link.listen(V4, sidecar.INBOUND_PORT)
    idle = bare_link.outside.connect(V4.pod, 8080)
    with own.accept() as accepted:
        own.bound.close()
        client, words = closing(bare_link, 400_000)
        load(sandbox_of(bare_link), STRICT)
        assert rest(client) == words
        # An open socket has an owner, even before any data has passed.
        idle.sendall(b"word")
        assert accepted.recv(4) == b"word"


def test_rules_that_mark_connections_are_replaced_without_a_pause(bare_link: Link) -> None:
    for _ in range(2):
        load(sandbox_of(bare_link), STRICT)
        assert "tcp timeout" not in bare_link.pod.nft("list set inet sovereignty settling")
    bare_link.serve()
    client, words = closing(bare_link, 400_000)
    load(sandbox_of(bare_link), STRICT)
    assert rest(client) == words


def test_rules_are_loaded_without_what_a_kernel_cannot_do(bare_link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """The redirect matters more than that clients outside are refused where nobody listens."""
    # The kernel refuses this as it does what a missing module would have.
    monkeypatch.setattr(redirect, "_HAS_LISTENER", "jump none_such ")
    load(sandbox_of(bare_link), redirect.rules_of([], None))
    own = bare_link.listen(V4, sidecar.INBOUND_PORT)
    with bare_link.outside.connect(V4.pod, 8080), own.accept():
        pass
    monkeypatch.setattr(redirect, "_HAS_LISTENER", "never ")
    with pytest.raises(netns.RulesError, match="none_such"):
        load(sandbox_of(bare_link), "table inet x { chain x { jump none_such; }; }\n")
