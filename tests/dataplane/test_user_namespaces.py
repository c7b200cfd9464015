"""Pods with ``hostUsers: false``: the rules know the sidecar by its user, as the pod's user namespace has it.

Such a pod's network namespace belongs to its user namespace, as containerd makes it. On the node its users have other
numbers.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from hack.dataplane.netns import Net, original_destination, unique
from hack.kubectl import eventually
from sovereign_operator.core.sidecar import contract as sidecar
from tests.dataplane.links import APP_PORT, APP_USER, Addresses, Link, connect
from tests.needs import AS_ROOT, need

FIRST: Final = 1_000_000
"""The number on the node of the pod's user 0."""
SIZE: Final = 65536


@contextmanager
def user_namespace() -> Iterator[int]:
    """Have a process in a user namespace and a network namespace of its own, and yield its id."""
    with subprocess.Popen(["unshare", "--user", "--net", "cat"], stdin=subprocess.PIPE) as process:
        try:
            own, theirs = Path("/proc/self/ns/net"), Path(f"/proc/{process.pid}/ns/net")
            eventually(lambda: theirs.readlink() != own.readlink(), what="a network namespace")
            for kind in ("uid", "gid"):
                Path(f"/proc/{process.pid}/{kind}_map").write_text(f"0 {FIRST} {SIZE}\n", encoding="ascii")
            yield process.pid
        finally:
            process.kill()


class OwnedNet(Net):
    """A network namespace that belongs to the user namespace of a process."""

    def __init__(self, name: str, process: int) -> None:
        super().__init__(name)
        self.ip("link", "set", "lo", "down")
        subprocess.run(["ip", "netns", "delete", name], check=True)
        subprocess.run(["ip", "netns", "attach", name, str(process)], check=True)
        self.ip("link", "set", "lo", "up")


@pytest.fixture
def owned_link() -> Iterator[Link]:
    """A pod with rules in a user namespace of its own."""
    need(AS_ROOT, "nft")
    with ExitStack() as stack:
        process = stack.enter_context(user_namespace())
        pod, outside = OwnedNet(unique("pod"), process), Net(unique("outside"))
        for net in (pod, outside):
            stack.callback(net.remove)
        connect(pod, outside)
        link = Link(pod, outside)
        link.redirect()
        yield link


def test_the_rules_tell_the_sidecar_from_the_application(owned_link: Link, addresses: Addresses) -> None:
    link = owned_link
    proxy = link.listen(addresses, sidecar.OUTBOUND_PORT, uid=FIRST + sidecar.UID)
    remote = link.outside.listen(addresses.remote, APP_PORT)
    # What the application sends goes to the sidecar, and what the sidecar sends goes out.
    with link.pod.connect(addresses.remote, APP_PORT, uid=FIRST + APP_USER), proxy.accept() as taken:
        assert original_destination(taken) == (addresses.remote, APP_PORT)
    assert remote.hears_nothing()
    with link.pod.connect(addresses.remote, APP_PORT, uid=FIRST + sidecar.UID), remote.accept():
        assert proxy.hears_nothing()


def test_nobody_on_the_node_counts_as_the_sidecar(owned_link: Link, addresses: Addresses) -> None:
    """The node's user of this number is none of the pod's."""
    link = owned_link
    proxy = link.listen(addresses, sidecar.OUTBOUND_PORT, uid=FIRST + sidecar.UID)
    with link.pod.connect(addresses.remote, APP_PORT, uid=sidecar.UID), proxy.accept() as taken:
        assert original_destination(taken) == (addresses.remote, APP_PORT)
