"""A pod and the network outside it, as network namespaces with a link between them. Needs root and nft."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hack.dataplane.netns import Net, unique
from hack.dataplane.pods import Road, road
from tests.dataplane.links import APP_PORT, V4, V6, Addresses, Link
from tests.dataplane.roads import BREST, LYON
from tests.dataplane.talk import Echo


@pytest.fixture(params=[V4, V6], ids=["IPv4", "IPv6"])
def addresses(request: pytest.FixtureRequest) -> Addresses:
    """The addresses of one family; each test runs with both."""
    found: Addresses = request.param
    return found


@pytest.fixture
def bare_link() -> Iterator[Link]:
    """A pod without rules."""
    if os.geteuid() or not shutil.which("nft"):
        pytest.skip("needs root and nft")
    with ExitStack() as stack:
        pod, outside = (_make(stack, word) for word in ("pod", "outside"))
        _connect(pod, outside)
        yield Link(pod, outside)


@pytest.fixture
def link(bare_link: Link) -> Link:
    """A pod with rules."""
    bare_link.redirect()
    return bare_link


def _make(stack: ExitStack, word: str) -> Net:
    net = Net(unique(word))
    stack.callback(net.remove)
    return net


def _connect(pod: Net, outside: Net) -> None:
    pod.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", outside.name)
    for net, name in ((pod, "pod"), (outside, "outside")):
        net.ip("link", "set", "eth0", "up")
        net.ip("address", "add", f"{getattr(V4, name)}/24", "dev", "eth0")
        net.ip("address", "add", f"{getattr(V6, name)}/64", "dev", "eth0", "nodad")
    for found, bits in ((V4, 32), (V6, 128)):
        outside.ip("address", "add", f"{found.remote}/{bits}", "dev", "lo")
        outside.ip("route", "add", "unreachable", f"{found.nowhere}/{bits}")
        pod.ip("route", "add", "default", "via", found.outside)
    outside.sysctl("net.ipv4.ip_forward", 1)
    outside.sysctl("net.ipv6.conf.all.forwarding", 1)


@pytest.fixture
def pods() -> Iterator[Road]:
    """A client in Brest and a server in Lyon, which trust both datacentres; their sidecars do not run yet."""
    if os.geteuid() or not shutil.which("nft"):
        pytest.skip("needs root and nft")
    with tempfile.TemporaryDirectory() as folder, road(Path(folder)) as made:
        made.client.certify(BREST, [BREST, LYON])
        made.server.certify(LYON, [BREST, LYON])
        yield made


@pytest.fixture
def echo(pods: Road) -> Iterator[Echo]:
    """The server's application, which sends back what it receives."""
    with Echo(pods.server.net, APP_PORT) as app:
        yield app
