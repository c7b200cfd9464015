"""However processes, pods and nodes restart: no plaintext of an application in Strict crosses the network.

Two pods on two nodes send a secret to every address, over and over, from their first instant: by TCP and UDP, to each
other, to a pod without a sidecar, and to each client. The capture runs in the network namespace of the bridge between
the nodes, which outlives the nodes.
"""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from hack.capture import captured
from hack.cluster import Cluster
from hack.cluster.local import LocalCluster
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, TimedOutError, eventually
from tests.e2e.support.manifests import workload
from tests.e2e.support.peers import PYTHON
from tests.e2e.support.pod_processes import processes_of
from tests.e2e.support.sidecars import encrypted
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import PORT, change, encrypting_policy

POLICY = "hospital-silent"
SECRET = "the-patient-has-measles"
EVENTS = 100
BOOTS = 3
LONGEST_BURST = 5
NODES = {"server": "brest-1", "client": "lyon-1"}
OTHERS = "nantes-1"
SANDBOX = "busybox"
"""The process that holds a pod's sandbox on nodes of the local backend."""

FIRST = f"""
import socket, sys
for host in sys.argv[1:]:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        talk = socket.socket(socket.AF_INET, kind)
        talk.settimeout(0.3)
        try:
            talk.connect((host, {PORT}))
            talk.sendall(b"{SECRET}")
        except OSError:
            pass
"""
"""The init container's program: it sends the secret once to each address."""

TALK = f"""
import socket, sys, threading, time

def greet():
    listener = socket.create_server(("", {PORT}))
    while True:
        connection = listener.accept()[0]
        try:
            connection.sendall(b"{SECRET}")
            connection.settimeout(1)
            connection.recv(100)
        except OSError:
            pass
        connection.close()

def tell(host):
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        try:
            datagrams.sendto(b"{SECRET}", (host, {PORT}))
        except OSError:
            pass
        try:
            with socket.create_connection((host, {PORT}), 1) as connection:
                connection.settimeout(1)
                connection.sendall(b"{SECRET}")
                if connection.recv(100) == b"{SECRET}":
                    print("answered by", host, flush=True)
        except OSError:
            pass
        time.sleep(0.05)

for host in sys.argv[1:]:
    threading.Thread(target=tell, args=(host,), daemon=True).start()
greet()
"""

LISTEN = f"""
import socket, sys, threading, time

def ask(host):
    while True:
        try:
            with socket.create_connection((host, {PORT}), 1) as connection:
                connection.settimeout(1)
                connection.recv(100)
        except OSError:
            pass
        time.sleep(0.05)

for host in sys.argv[1:]:
    threading.Thread(target=ask, args=(host,), daemon=True).start()
listener, heard = socket.create_server(("", {PORT})), 0
while True:
    listener.accept()[0].close()
    heard += 1
    print(heard, flush=True)
"""
"""Runs without a sidecar. It connects to the pods that would send the secret, and counts connections to itself."""


@pytest.fixture
def policy(admin: Kubectl, cluster: Cluster) -> Iterator[str]:
    with encrypting_policy(admin, cluster, POLICY, quietSeconds=1) as name:
        yield name


def talker(name: str, node: str, *hosts: str, first: bool) -> Json:
    """Return a Deployment of one pod that connects to hosts."""
    made = workload("Deployment", name, 1, nodeSelector={"kubernetes.io/hostname": node})
    made["spec"]["strategy"] = {"type": "Recreate"}
    spec = made["spec"]["template"]["spec"]
    spec["containers"][0] |= {"image": PYTHON, "command": ["python3", "-c", TALK if first else LISTEN, *hosts]}
    if first:
        spec["initContainers"] = [
            spec["containers"][0] | {"name": "first", "command": ["python3", "-c", FIRST, *hosts]}
        ]
    return made


def service(name: str) -> Json:
    """Return a Service for a Deployment, whose address outlives the pods."""
    spec = {
        "selector": {"app": name},
        "ports": [{"port": PORT, "name": "tcp"}, {"port": PORT, "protocol": "UDP", "name": "udp"}],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


class Storm:
    """The sending pods, and all faults that can happen to them."""

    def __init__(self, admin: Kubectl, cluster: LocalCluster, namespace: str, outside: str) -> None:
        self.admin, self.cluster, self.namespace, self._outside = admin, cluster, namespace, outside
        self._boots = 0
        self.calm = 0
        """Number of bursts after which the pods sent again by themselves."""
        self.killed: Counter[str] = Counter()
        """How often each program was killed."""

    def pods(self, app: str) -> list[Json]:
        """Return the pods of an application."""
        return self.admin.list("pods", self.namespace, f"app={app}")

    def heard(self) -> int:
        """Return how many connections the pod without a sidecar has accepted."""
        said = self.admin.run("-n", self._outside, "logs", "deployment/collector", "--tail=1")
        return int(said or 0)

    def answered(self, app: str) -> bool:
        """Return whether an application got an answer from the other one in the last seconds."""
        said = self.admin.run("-n", self.namespace, "logs", f"deployment/{app}", "-c", "idle", "--since=3s")
        return "answered" in said

    def kill(self, app: str, program: str) -> None:
        """Kill a program of a pod: its sidecar, its application, or its sandbox's process."""
        for uid in (pod["metadata"]["uid"] for pod in self.pods(app)):
            for found in processes_of(uid, program):
                with suppress(ProcessLookupError):
                    os.kill(int(found.name), signal.SIGKILL)
                    self.killed[program] += 1

    def delete_pods(self, app: str) -> None:
        """Delete the pods of an application at once; the Deployment replaces them."""
        self._delete(self.namespace, "-l", f"app={app}")

    def delete_agent(self, app: str) -> None:
        """Delete the agent on an application's node; the DaemonSet replaces it."""
        where = f"--field-selector=spec.nodeName={NODES[app]}"
        self._delete(NAMESPACE, "-l", "app.kubernetes.io/component=agent", where)

    def _delete(self, namespace: str, *which: str) -> None:
        # It is no failure if the pod has just gone by itself.
        self.admin.attempt("-n", namespace, "delete", "pods", *which, "--force", "--grace-period=0")

    def boot(self, app: str) -> None:
        """Cut the power of an application's node and restore it, at most BOOTS times in all."""
        self._boots += 1
        if self._boots <= BOOTS:
            self.cluster.stop_node(NODES[app])
            self.cluster.start_node(NODES[app])

    def goes_on(self) -> None:
        """Wait until a pod sends again. After many crashes the kubelet restarts late: then replace the pods."""
        before = self.heard()
        try:
            eventually(lambda: self.heard() > before, seconds=4)
            self.calm += 1
        except TimedOutError:
            for app in NODES:
                self.delete_pods(app)

    def until_all_is_well(self) -> None:
        """Wait until the two pods get answers from each other."""
        for app in NODES:
            self.delete_pods(app)
        for app in NODES:
            self.admin.run("-n", self.namespace, "rollout", "status", f"deployment/{app}", "--timeout=120s")
        eventually(lambda: all(self.answered(app) for app in NODES), what="talk between the two")


EVENTS_THERE_ARE: dict[str, Callable[[Storm, str], None]] = {
    "sidecar": lambda storm, app: storm.kill(app, "envoy"),
    "sandbox": lambda storm, app: storm.kill(app, SANDBOX),
    "application": lambda storm, app: storm.kill(app, "python3"),
    "pod": Storm.delete_pods,
    "agent": Storm.delete_agent,
    "kubelet": lambda storm, app: storm.cluster.restart_kubelet(NODES[app]),
    "boot": Storm.boot,
}


@pytest.fixture
def storm(admin: Kubectl, cluster: Cluster, policy: str, space: Space) -> Storm:
    """Two pods that talk in Strict, and one without a sidecar, which cannot decrypt their traffic."""
    assert isinstance(cluster, LocalCluster), "faults are for the local backend"
    namespace, outside = space(policy), space(None)
    admin.apply(*map(service, NODES), namespace=namespace)
    admin.apply(service("collector"), namespace=outside)
    addresses = {name: admin.get("service", name, namespace)["spec"]["clusterIP"] for name in NODES}
    collector = admin.get("service", "collector", outside)["spec"]["clusterIP"]
    admin.apply(talker("collector", OTHERS, *addresses.values(), first=False), namespace=outside)
    admin.run("-n", outside, "rollout", "status", "deployment/collector", "--timeout=90s")
    for name, node in NODES.items():
        hosts = [address for other, address in addresses.items() if other != name]
        admin.apply(talker(name, node, *hosts, collector, first=True), namespace=namespace)
    made = Storm(admin, cluster, namespace, outside)
    made.until_all_is_well()
    return made


def test_no_order_of_events_lets_a_bare_byte_out(storm: Storm) -> None:
    seed = random.SystemRandom().randrange(10**6)
    chance, happened = random.Random(seed), list[str]()
    all_of_them = {"envoy", SANDBOX, "python3"}
    with captured(storm.cluster, SECRET) as seen:
        # Chance may never kill one of the programs, and a process may just be restarting when it is to be killed.
        while len(happened) < EVENTS or (storm.killed.keys() < all_of_them and len(happened) < 3 * EVENTS):
            for _ in range(chance.randint(1, LONGEST_BURST)):
                name, app = chance.choice(list(EVENTS_THERE_ARE)), chance.choice(list(NODES))
                happened.append(f"{name} of {app}")
                EVENTS_THERE_ARE[name](storm, app)
            storm.goes_on()
        storm.until_all_is_well()
    assert not seen.bare, f"seed {seed}: {happened}"
    assert seen.encrypted > EVENTS
    assert storm.calm > EVENTS / LONGEST_BURST / 4
    assert storm.killed.keys() == all_of_them
    # The same capture does find plaintext.
    change(storm.admin, POLICY, mode="Permissive")
    eventually(lambda: encrypted(storm.admin, POLICY)["reason"] == "PlaintextAccepted", what="Permissive")
    with captured(storm.cluster, SECRET) as seen:
        eventually(lambda: all(storm.answered(app) for app in NODES), what="talk between the two")
    assert seen.bare
