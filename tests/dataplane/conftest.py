"""A pod and the network outside it, as network namespaces with a link between them. Needs root and nft."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hack.dataplane.netns import Net, unique
from hack.dataplane.pods import Road, road
from tests.dataplane.links import APP_PORT, V4, V6, Addresses, Link, connect
from tests.dataplane.roads import BREST, LYON
from tests.dataplane.talk import Echo
from tests.go_programs import built
from tests.needs import AS_ROOT, need


@pytest.fixture(params=[V4, V6], ids=["IPv4", "IPv6"])
def addresses(request: pytest.FixtureRequest) -> Addresses:
    """The addresses of one family; each test runs with both."""
    found: Addresses = request.param
    return found


@pytest.fixture
def bare_link() -> Iterator[Link]:
    """A pod without rules."""
    need(AS_ROOT, "nft")
    with ExitStack() as stack:
        pod, outside = (_make(stack, word) for word in ("pod", "outside"))
        connect(pod, outside)
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


@pytest.fixture
def pods() -> Iterator[Road]:
    """A client in Brest and a server in Lyon, which trust both datacentres; their sidecars do not run yet."""
    need(AS_ROOT, "nft")
    with tempfile.TemporaryDirectory() as folder, road(Path(folder)) as made:
        made.client.certify(BREST, [BREST, LYON])
        made.server.certify(LYON, [BREST, LYON])
        yield made


@pytest.fixture
def echo(pods: Road) -> Iterator[Echo]:
    """The server's application, which sends back what it receives."""
    with Echo(pods.server.net, APP_PORT) as app:
        yield app


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that asks as a kubelet does."""
    return built(Path(__file__).with_name("go"), tmp_path_factory.mktemp("go"))
