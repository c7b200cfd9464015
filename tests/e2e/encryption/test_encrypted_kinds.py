"""Special features of workload kinds work in Strict: Jobs that end, named peers, host ports."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hack.capture import captured
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.manifests import workload
from tests.e2e.support.peers import PYTHON
from tests.e2e.support.sidecars import encrypted, sidecar_of
from tests.e2e.support.strict_pods import ASK, ECHO, PORT, change, encrypting_policy, python, ready, run

POLICY = "hospital-kinds"
SECRET = "the-patient-has-measles"
HOST_PORT = 18080
HOSTED, OTHER = "brest-1", "lyon-1"
GRACE = 60

PEER = f"""
import os, socket, threading, time

def greet():
    listener = socket.create_server(("", {PORT}))
    while True:
        with listener.accept()[0] as connection:
            connection.sendall(f"{SECRET} {{socket.gethostname()}}".encode())

threading.Thread(target=greet, daemon=True).start()
while True:
    for number in range(2):
        try:
            with socket.create_connection((f"peers-{{number}}.peers", {PORT}), 5) as connection:
                said = connection.makefile().read()
            print("heard", said, flush=True)
        except OSError as error:
            print(error, flush=True)
    time.sleep(0.3)
"""
"""Sends its name to each client, and reads its peers' names by way of their DNS names, itself included."""

HEAR = f"""
import socket, sys
with socket.create_connection((sys.argv[1], {PORT}), 10) as connection:
    assert connection.makefile().read() == "{SECRET} peers-0"
sys.exit(int(sys.argv[2]))
"""
"""A Job's program: it reads one greeting from a peer, and exits with the given status."""

LEAVING = f"""
import http.server, os, signal, socket, threading
state, heard = ["running"], threading.Event()

def outward():
    with socket.create_connection(("peers-0.peers", {PORT}), 10) as connection:
        return connection.makefile().read().split()[-1]

def talk(connection):
    with connection:
        while connection.recv(100):
            now = state[-1]
            connection.sendall(f"{{now}}, hears {{outward()}}\\n".encode())
            if now == "stopping":
                heard.set()

class Hook(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        state.append("stopping")
        heard.wait()
        self.send_response(200)
        self.end_headers()

signal.signal(signal.SIGTERM, lambda *_: state.append("ended"))
signal.signal(signal.SIGUSR1, lambda *_: os._exit(0))
threading.Thread(target=http.server.HTTPServer(("", {PORT + 1}), Hook).serve_forever, daemon=True).start()
listener = socket.create_server(("", {PORT}))
while True:
    threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
"""
"""Reports to its clients how far its shutdown is, and which peer it reaches at that time."""

STAY = f"""
import socket, sys, time

def ask(lines):
    print("word", file=lines, flush=True)
    said = lines.readline().strip()
    assert said, "closed"
    return said

with socket.create_connection((sys.argv[1], {PORT}), 10) as connection:
    lines = connection.makefile("rw")
    while True:
        said = ask(lines)
        print(said, flush=True)
        if said.startswith("ended"):
            with socket.create_connection((sys.argv[1], {PORT}), 10) as another:
                print("anew:", ask(another.makefile("rw")), flush=True)
        time.sleep(0.3)
"""
"""Keeps one connection as long as possible, and opens new ones when the server is about to end."""


@pytest.fixture(scope="module")
def policy(admin: Kubectl, cluster: Cluster) -> Iterator[str]:
    """A policy in Strict from the start."""
    with encrypting_policy(admin, cluster, POLICY, "Strict") as name:
        yield name


def piece(name: str, *words: str) -> Json:
    """Return a Job that runs a program once."""
    made = workload("Job", name, 1)
    spec = made["spec"]["template"]["spec"]
    spec["containers"][0] |= {"image": PYTHON, "command": ["python3", "-c", HEAR, *words]}
    return made


def peers() -> tuple[Json, Json]:
    """Return a Service, and its StatefulSet of two pods on two nodes; the second pod starts when the first is ready."""
    apart = {"labelSelector": {"matchLabels": {"app": "peers"}}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    made = workload("StatefulSet", "peers", 2, affinity=affinity)
    made["spec"]["podManagementPolicy"] = "OrderedReady"
    made["spec"]["template"]["spec"]["containers"][0] |= {
        "image": PYTHON,
        "command": ["python3", "-c", PEER],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
    }
    spec = {"clusterIP": "None", "selector": {"app": "peers"}, "ports": [{"port": PORT}]}
    return made, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "peers"}, "spec": spec}


def cron_job() -> Json:
    """Return a CronJob that runs every minute."""
    template = {"spec": piece("minutely", "peers-0.peers", "0")["spec"]}
    spec = {"schedule": "* * * * *", "jobTemplate": template}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "minutely"}, "spec": spec}


@pytest.fixture(scope="module")
def ward(admin: Kubectl, policy: str) -> Iterator[str]:
    """A namespace in Strict with peers, a CronJob, a pod with a host port, and a client on another node."""
    name = "kinds-encrypted"
    labels = {"sovereignty.dev/enforce": policy}
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    eventually(lambda: admin.get("serviceaccount", "default", name), what="a service account")
    hosted = python("hosted", HOSTED, ECHO)
    hosted["spec"]["containers"][0]["ports"] = [{"containerPort": PORT, "hostPort": HOST_PORT}]
    admin.apply(*peers(), hosted, python("client", OTHER), cron_job(), namespace=name)
    admin.run("-n", name, "rollout", "status", "statefulset/peers", "--timeout=180s")
    ready(admin, name, "hosted", "client")
    eventually(lambda: encrypted(admin, policy)["status"] == "True", what="Strict")
    yield name
    admin.run("delete", "namespace", name, "--wait=false")


def heard(admin: Kubectl, namespace: str, pod: str) -> list[str]:
    """Return the names of the peers from which a pod has read greetings, in order."""
    lines = admin.run("-n", namespace, "logs", pod).splitlines()
    return [line.split()[-1] for line in lines if line.startswith("heard")]


def test_peers_of_a_stateful_set_find_each_other_by_name(admin: Kubectl, cluster: Cluster, ward: str) -> None:
    both = {"peers-0", "peers-1"}
    with captured(cluster, SECRET) as seen:
        before = {pod: len(heard(admin, ward, pod)) for pod in both}
        for pod in both:
            eventually(
                # The first greeting may have been under way before the capture.
                lambda pod=pod: set(heard(admin, ward, pod)[before[pod] + 1 :]) == both,  # type: ignore[misc]
                what=f"what {pod} hears",
            )
    assert not seen.bare_bytes
    assert seen.encrypted


@pytest.mark.parametrize(("status", "condition"), [(0, "Complete"), (3, "Failed")])
def test_a_job_ends_with_its_work(admin: Kubectl, ward: str, status: int, condition: str) -> None:
    name = condition.lower()
    job = piece(name, "peers-0.peers", str(status))
    job["spec"]["backoffLimit"] = 0
    admin.apply(job, namespace=ward)
    admin.run("-n", ward, "wait", f"job/{name}", f"--for=condition={condition}", "--timeout=90s")
    (pod,) = admin.list("pods", ward, f"batch.kubernetes.io/job-name={name}")
    assert sidecar_of(pod)
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == status


def test_a_port_of_the_node_is_for_who_has_a_certificate_and_who_is_named(
    admin: Kubectl, cluster: Cluster, policy: str, ward: str
) -> None:
    addresses = {node["metadata"]["name"]: node["status"]["addresses"][0]["address"] for node in admin.list("nodes")}
    host, port = addresses[HOSTED], str(HOST_PORT)

    def from_node(node: str = OTHER) -> str:
        done = cluster.node_exec(node, [sys.executable, "-c", ASK, f"{host}:{port}"])
        assert not done.returncode, done.stderr
        return done.stdout.strip()

    def from_pod() -> str:
        return run(admin, ward, "client", ASK, f"{host}:{port}")

    for node in (HOSTED, OTHER):
        assert from_node(node).startswith("refused")
    assert from_pod() == "answered"
    for name, value in (
        ("plainPorts", [{"port": PORT, "reason": "a test"}]),
        ("plainPeers", [{"network": f"{addresses[OTHER]}/32", "reason": "a test"}]),
    ):
        with asking(admin, policy, name, value):
            eventually(lambda: from_node() == "answered", what=f"an answer by {name}")
        eventually(lambda: from_node().startswith("refused"), what="a refusal again")
    # To addresses outside of clusterNetworks a pod sends plaintext.
    pods = [f"{pod['status']['podIP']}/32" for pod in admin.list("pods", ward) if pod["status"].get("podIP")]
    with asking(admin, policy, "clusterNetworks", pods):
        eventually(lambda: from_pod().startswith("refused"), what="a refusal")
    eventually(lambda: from_pod() == "answered", what="an answer again")


@contextmanager
def asking(admin: Kubectl, policy: str, field: str, value: object) -> Iterator[None]:
    """Change a field of the policy's encryptionInTransit for a while."""
    before = admin.get("sovereigntypolicy", policy)["spec"]["encryptionInTransit"].get(field)
    change(admin, policy, **{field: value})
    try:
        yield
    finally:
        change(admin, policy, **{field: before})


@contextmanager
def forwarded(admin: Kubectl, namespace: str, what: str, port: int) -> Iterator[int]:
    """Forward a port of this machine to one of a pod, with kubectl; yields the local port."""
    command = [str(admin.program), "--kubeconfig", str(admin.kubeconfig), "-n", namespace, "port-forward", what]
    with subprocess.Popen([*command, f":{port}"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            said = process.stdout.readline()
            assert said.startswith("Forwarding from 127.0.0.1:"), said
            yield int(said.split()[2].rpartition(":")[2])
        finally:
            process.terminate()


def test_a_person_gets_through_with_kubectl(admin: Kubectl, ward: str) -> None:
    with forwarded(admin, ward, "pod/hosted", PORT) as port, socket.create_connection(("127.0.0.1", port), 5) as talk:
        talk.settimeout(10)
        talk.sendall(b"word")
        assert talk.recv(4) == b"word"
    # kubectl selects the application's container by default, not the sidecar.
    assert admin.run("-n", ward, "exec", "hosted", "--", "python3", "-c", "print('there')") == "there\n"
    assert admin.run("-n", ward, "logs", "hosted") == "listening\n"


def test_what_ends_keeps_its_connections_until_it_has_ended(admin: Kubectl, ward: str) -> None:
    leaving = python("leaving", HOSTED, LEAVING)
    leaving["spec"]["terminationGracePeriodSeconds"] = GRACE
    leaving["spec"]["containers"][0]["lifecycle"] = {"preStop": {"httpGet": {"port": PORT + 1, "path": "/stop"}}}
    admin.apply(leaving, namespace=ward)
    host = ready(admin, ward, "leaving")
    admin.apply(python("staying", OTHER, STAY, host), namespace=ward)
    ready(admin, ward, "staying")

    def said() -> list[str]:
        return admin.run("-n", ward, "logs", "staying", "-c", "idle").splitlines()

    eventually(said, what="a connection")
    begun = time.monotonic()
    admin.run("-n", ward, "delete", "pod", "leaving", "--wait=false")
    # The hook returns after the client has received "stopping". The application ends only after more connections.
    eventually(lambda: sum(line.startswith("anew: ended") for line in said()) > 5, what="connections after the end")
    states = [line.removeprefix("anew: ") for line in said()]
    assert list(dict.fromkeys(states)) == [f"{state}, hears peers-0" for state in ("running", "stopping", "ended")]
    admin.attempt("-n", ward, "exec", "leaving", "-c", "idle", "--", "sh", "-c", "kill -USR1 1")
    # The sidecar ends with the application.
    admin.run("-n", ward, "wait", "pod/leaving", "--for=delete", f"--timeout={GRACE}s")
    assert time.monotonic() - begun < GRACE


def test_a_cron_job_does_its_work_every_minute(admin: Kubectl, ward: str) -> None:
    eventually(lambda: admin.get("cronjob", "minutely", ward)["status"]["lastSuccessfulTime"], seconds=120, what="it")
