"""A pod and what is outside of it, as network namespaces with a link between them. Needs root and nft."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import pytest

from hack.dataplane.netns import Listener, Net, unique
from hack.dataplane.pods import Road, authority, road
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.encryption.traffic_rules import Datagrams
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.dataplane import redirect

APP_USER: Final = 1000
APP_PORT: Final = 8080
DATABASE_PORT: Final = 5432
DEAD_PORT: Final = 5433
PROBES: Final = (
    Probe(ProbeKind.HTTP, APP_PORT, "/healthz"),
    Probe(ProbeKind.TCP, DATABASE_PORT),
    Probe(ProbeKind.GRPC, APP_PORT),
    Probe(ProbeKind.TCP, DEAD_PORT),
)
HTTP_PROBE, LIVE_PROBE, GRPC_PROBE, DEAD_PROBE = sidecar.PROBE_PORTS[: len(PROBES)]


@dataclass(frozen=True)
class Addresses:
    """Addresses of one family."""

    any: str
    own: str
    """``localhost``."""
    pod: str
    outside: str
    """The other end of the pod's link."""
    remote: str
    """Another one outside."""
    nowhere: str
    """Outside says of this that there is no way to it."""


V4: Final = Addresses("0.0.0.0", "127.0.0.1", "10.77.0.2", "10.77.0.1", "10.78.0.9", "10.79.0.9")
V6: Final = Addresses("::", "::1", "fd77::2", "fd77::1", "fd78::9", "fd79::9")


BREST, LYON = authority("brest"), authority("lyon")

NAME_SERVERS: Final = (ip_network(V4.remote), ip_network(V6.remote))
"""Names are asked for at the other address outside."""


@dataclass(frozen=True)
class Link:
    """A pod, and what is outside."""

    pod: Net
    outside: Net

    def listen(self, addresses: Addresses, port: int, uid: int = sidecar.UID) -> Listener:
        """Listen in the pod, as the sidecar unless another user is named."""
        return self.pod.listen(addresses.any, port, uid=uid)

    def redirect(self, *datagrams: Datagrams, strict: bool = False) -> None:
        """Load the rules; in Strict these datagrams may pass."""
        self.pod.nft(redirect.rules_of(PROBES, datagrams if strict else None, NAME_SERVERS))


@pytest.fixture(params=[V4, V6], ids=["IPv4", "IPv6"])
def addresses(request: pytest.FixtureRequest) -> Addresses:
    """Each test is made for both families."""
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
    """A client in Brest and a server in Lyon, which trust both, without sidecars yet."""
    if os.geteuid() or not shutil.which("nft"):
        pytest.skip("needs root and nft")
    with tempfile.TemporaryDirectory() as folder, road(Path(folder)) as made:
        made.client.certify(BREST, [BREST, LYON])
        made.server.certify(LYON, [BREST, LYON])
        yield made


def start(pods: Road, mode: EncryptionMode, **fields: Any) -> None:
    for pod in (pods.client, pods.server):
        pod.tell(mode, **fields)
        pod.start()
    for pod in (pods.client, pods.server):
        pods.until_ready(pod)
