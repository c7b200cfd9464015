"""What Kubernetes does with pods, it does with pods in Strict: Jobs end, peers have names, probes are true."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection

import pytest

from hack.cluster import Cluster
from hack.images import public
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.conftest import Space
from tests.e2e.manifests import workload
from tests.e2e.peers import PYTHON
from tests.e2e.seen import events
from tests.e2e.ward import ASK, PORT, change, encrypting_policy, python, ready, run, said

POLICY = "hospital-kinds"
FORTIO = "docker.io/fortio/fortio:latest_release"
HOST_PORT = 18080
LAST_SECONDS = 5

SERVE = f"""
import signal, socket, threading, time

def answer(connection):
    with connection:
        while words := connection.recv(1000):
            if words.startswith(b"GET"):
                print(words.split()[1].decode(), flush=True)
                words = b"HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nfine"
            connection.sendall(words)

def stop(*_):
    print("told to stop", flush=True)
    signal.setitimer(signal.ITIMER_REAL, {LAST_SECONDS})

signal.signal(signal.SIGTERM, stop)
listener = socket.create_server(("", {PORT}))
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
"""
"""Answers what it is sent, says which paths it is asked for, and goes on for some seconds when it is told to stop."""

HOLD = f"""
import socket, sys, time
with socket.create_connection((sys.argv[1], {PORT}), 5) as connection:
    while True:
        connection.sendall(b"word")
        if connection.recv(4) != b"word":
            print("ended", flush=True)
            time.sleep(10**6)
        print("held", flush=True)
        time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def policy(admin: Kubectl, cluster: Cluster) -> Iterator[str]:
    cluster.load_image(public.archive(FORTIO))
    with encrypting_policy(admin, cluster, POLICY) as name:
        yield name


@pytest.fixture
def ward(admin: Kubectl, policy: str, space: Space) -> tuple[str, str]:
    """A namespace in Strict with a server in Brest, and the server's address."""
    namespace = space(policy)
    server = python("server", "brest-1", SERVE)
    server["spec"]["containers"][0]["ports"] = [{"containerPort": PORT, "hostPort": HOST_PORT}]
    server["spec"]["terminationGracePeriodSeconds"] = 30
    admin.apply(server, namespace=namespace)
    return namespace, ready(admin, namespace, "server")


def test_jobs_and_cron_jobs_complete(admin: Kubectl, ward: tuple[str, str]) -> None:
    """Their init containers may use the network, and their sidecar does not keep them from ending."""
    namespace, host = ward
    jobs = [workload("Job", "once", 2), workload("CronJob", "often", 1)]
    for made in jobs:
        spec = made["spec"].get("jobTemplate", made)["spec"]["template"]["spec"]
        asking = {"image": PYTHON, "imagePullPolicy": "IfNotPresent", "command": ["python3", "-c", ASK, host]}
        spec["initContainers"] = [{"name": "first", **asking}]
        spec["containers"] = [{"name": "then", **asking}]
    admin.apply(*jobs, namespace=namespace)
    admin.run("-n", namespace, "create", "job", "now", "--from=cronjob/often")
    admin.run("-n", namespace, "wait", "job/once", "job/now", "--for=condition=Complete", "--timeout=120s")
    for name in ("once", "now"):
        for container in ("first", "then"):
            pods = admin.list("pods", namespace, f"job-name={name}")
            for pod in pods:
                told = admin.run("-n", namespace, "logs", pod["metadata"]["name"], "-c", container)
                assert told.strip() == "answered"


def test_peers_of_a_stateful_set_find_each_other_by_name(admin: Kubectl, policy: str, space: Space) -> None:
    namespace = space(policy)
    peers = workload("StatefulSet", "peer", 2)
    (container,) = peers["spec"]["template"]["spec"]["containers"]
    container |= {"image": PYTHON, "command": ["python3", "-c", SERVE]}
    headless = {"selector": {"app": "peer"}, "clusterIP": "None", "ports": [{"port": PORT}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "peer"}, "spec": headless}
    admin.apply(service, peers, namespace=namespace)
    eventually(lambda: len(admin.list("pods", namespace)) == 2, what="two pods")
    ready(admin, namespace, "peer-0", "peer-1")
    for one, other in (("peer-0", "peer-1"), ("peer-1", "peer-0")):
        asked = partial(run, admin, namespace, one, ASK, f"{other}.peer")
        eventually(lambda asked=asked: asked() == "answered", what=f"{other} by its name")  # type: ignore[misc]


def test_a_host_port_leads_to_the_sidecar_as_well(admin: Kubectl, cluster: Cluster, ward: tuple[str, str]) -> None:
    namespace, _ = ward
    admin.apply(python("client", "lyon-1"), namespace=namespace)
    ready(admin, namespace, "client")
    node = admin.get("pod", "server", namespace)["status"]["hostIP"]
    assert run(admin, namespace, "client", ASK, f"{node}:{HOST_PORT}") == "answered"
    ask = ["curl", "--silent", "--max-time", "5", f"http://{node}:{HOST_PORT}/"]
    assert cluster.node_exec("lyon-1", ask).returncode
    peer = {"network": f"{node_address(admin, 'lyon-1')}/32", "reason": "a balancer"}
    change(admin, POLICY, plainPeers=[peer])
    try:
        eventually(lambda: cluster.node_exec("lyon-1", ask).stdout == "fine", what="an answer for a peer by name")
    finally:
        change(admin, POLICY, plainPeers=None)


def node_address(admin: Kubectl, node: str) -> str:
    """Return the address of a node."""
    addresses = admin.get("node", node)["status"]["addresses"]
    return next(str(found["address"]) for found in addresses if found["type"] == "InternalIP")


@contextmanager
def forwarded(admin: Kubectl, namespace: str, name: str) -> Iterator[int]:
    """Forward a port of this machine to a pod, and return it."""
    command = [str(admin.program), "--kubeconfig", str(admin.kubeconfig), "-n", namespace]
    with subprocess.Popen(
        [*command, "port-forward", f"pod/{name}", f":{PORT}"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            line = process.stdout.readline()
            yield int(line.split(" -> ")[0].rpartition(":")[2])
        finally:
            process.terminate()


def test_a_port_may_be_forwarded_to_an_admin(admin: Kubectl, ward: tuple[str, str]) -> None:
    """It arrives within the pod, by way of the API server and the kubelet, which are TLS already."""
    namespace, _ = ward
    with forwarded(admin, namespace, "server") as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/forwarded")
        assert connection.getresponse().read() == b"fine"
        connection.close()
    assert "/forwarded" in said(admin, namespace, "server")


PROBES: dict[str, tuple[Json, bool]] = {
    "http": ({"httpGet": {"path": "/up?deep=1", "port": "web"}}, True),
    "http-dead": ({"httpGet": {"path": "/up", "port": PORT + 1}}, False),
    "tcp": ({"tcpSocket": {"port": "web"}}, True),
    "tcp-dead": ({"tcpSocket": {"port": PORT + 1}}, False),
    "exec": ({"exec": {"command": ["true"]}}, True),
    "exec-dead": ({"exec": {"command": ["false"]}}, False),
    "grpc": ({"grpc": {"port": 8079}}, True),
    "grpc-dead": ({"grpc": {"port": 8081}}, False),
}


def test_probes_and_hooks_mean_what_they_meant(admin: Kubectl, policy: str, space: Space) -> None:
    namespace = space(policy)
    for name, (probe, _) in PROBES.items():
        made = python(name, "lyon-1", SERVE)
        (container,) = made["spec"]["containers"]
        container["ports"] = [{"name": "web", "containerPort": PORT}]
        container["readinessProbe"] = {**probe, "periodSeconds": 1, "timeoutSeconds": 2}
        if name.startswith("grpc"):
            container["image"], container["command"] = FORTIO, ["fortio", "server"]
        if name == "http":
            hook = {"httpGet": {"path": "/begun", "port": "web"}}
            container["lifecycle"] = {"postStart": hook, "preStop": {"httpGet": {"path": "/ending", "port": "web"}}}
        admin.create(made, namespace)
    ready(admin, namespace, *(name for name, (_, good) in PROBES.items() if good))
    for name, (_, good) in PROBES.items():
        if not good:
            eventually(lambda name=name: "Readiness probe" in events(admin, namespace, name)["Unhealthy"], what=name)  # type: ignore[misc]
            (status,) = admin.get("pod", name, namespace)["status"]["containerStatuses"]
            assert status["started"]
            assert not status["ready"]
    assert {"/begun", "/up?deep=1"} <= set(said(admin, namespace, "http"))
    admin.run("-n", namespace, "delete", "pod", "http", "--wait=false")
    eventually(lambda: "/ending" in said(admin, namespace, "http"), what="the hook before the end")


def test_a_pod_that_is_told_to_stop_goes_on_with_what_is_open(admin: Kubectl, ward: tuple[str, str]) -> None:
    namespace, host = ward
    admin.apply(python("holder", "lyon-1", HOLD, host), namespace=namespace)
    ready(admin, namespace, "holder")
    eventually(lambda: len(said(admin, namespace, "holder")) > 3, what="an open connection")
    admin.run("-n", namespace, "delete", "pod", "server", "--wait=false")
    eventually(lambda: "told to stop" in said(admin, namespace, "server"), what="word of the end")
    told = len(said(admin, namespace, "holder"))
    lines: list[str] = eventually(
        lambda: (found := said(admin, namespace, "holder"))[-1] == "ended" and found, what="the end"
    )
    # Ten times a second, for as long as the server went on.
    assert len(lines) - told > LAST_SECONDS * 10 / 3
