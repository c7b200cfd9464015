"""Encryption in transit on a real cluster: the injector adds the sidecars, and the agent loads the redirect."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.images import public
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.estate import until_in_force
from tests.e2e.support.peers import PYTHON
from tests.e2e.support.sidecars import encrypted
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import change

POLICY = "hospital-encrypted"
PORT = 8080
SECRET = "the-patient-has-measles"

SERVE = f"""
import socket, threading

def serve(connection):
    with connection:
        while connection.recv(1000):
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: {len(SECRET)}\\r\\n\\r\\n{SECRET}")

listener = socket.create_server(("", {PORT}))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
"""Answers every request, on any number of connections, for as long as they stay open."""

STEADY = f"""
import socket, sys, time

def ask(connection):
    connection.sendall(b"GET / HTTP/1.1\\r\\nHost: server\\r\\n\\r\\n")
    said = b""
    while b"{SECRET}" not in said:
        got = connection.recv(1000)
        if not got:
            raise OSError("closed")
        said += got

def connect():
    return socket.create_connection((sys.argv[1], {PORT}), 5)

asked = failed = 0
session = None
while True:
    try:
        session = session or connect()
        ask(session)
    except OSError as error:
        session, failed = None, failed + 1
        print("session:", error, flush=True)
    try:
        with connect() as connection:
            ask(connection)
    except OSError as error:
        failed += 1
        print("connection:", error, flush=True)
    asked += 1
    print("asked", asked, "failed", failed, flush=True)
    time.sleep(0.05)
"""
"""Sends requests without end: in one long session, and on a new connection each time."""

CAPTURE = """
import json, socket, struct, sys
address, port = socket.inet_aton(sys.argv[1]), int(sys.argv[2])
frames = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
frames.settimeout(60)
begun, payload = set(), {}
while True:
    packet = frames.recv(65536)
    if packet[9] != 6:
        continue
    length = (packet[0] & 15) * 4
    source, target, flags = *struct.unpack_from("!HH", packet, length), packet[length + 13]
    if (packet[16:20], target) == (address, port):
        key = packet[12:16], source
        if flags & 2:
            begun.add(key)
    elif (packet[12:16], source) == (address, port):
        key = packet[16:20], target
    else:
        continue
    if key not in begun:
        continue
    payload[key] = payload.get(key, b"") + packet[length + (packet[length + 12] >> 4) * 4:]
    if flags & 1 and payload[key]:
        break
said = payload[key]
print(json.dumps({"secret": sys.argv[3].encode() in said, "tls13": b"\\x00\\x2b\\x00\\x02\\x03\\x04" in said}))
"""
"""Captures one connection to a server from its first packet to its last, and prints what the payload contained."""


@pytest.fixture(scope="module")
def policy(admin: Kubectl, cluster: Cluster) -> Iterator[str]:
    """A policy like secnumcloud, without encryption yet."""
    cluster.load_image(public.archive(PYTHON))
    admin.create(estate.policy(admin, POLICY))
    until_in_force(admin, POLICY)
    yield POLICY
    admin.delete("sovereigntypolicy", POLICY)


def encrypt(admin: Kubectl, cluster: Cluster, mode: str, **fields: Any) -> None:
    """Set the policy's mode."""
    change(admin, POLICY, mode=mode, clusterNetworks=[estate.network(cluster)], quietSeconds=3, **fields)


def deployment(name: str, node: str, *command: str) -> Json:
    """Return a Deployment of one pod on a node."""
    container: Json = {
        "name": name,
        "image": PYTHON,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", *command],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if name == "server":
        container["readinessProbe"] = {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1}
    labels = {"app": name}
    spec = {"nodeSelector": {"kubernetes.io/hostname": node}, "terminationGracePeriodSeconds": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec | {"containers": [container]}},
        },
    }


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "server"},
    "spec": {"selector": {"app": "server"}, "ports": [{"port": PORT}]},
}


def pods_of(admin: Kubectl, space: str, app: str) -> list[Json]:
    """Return the pods of an application that are not being deleted."""
    return [pod for pod in admin.list("pods", space, f"app={app}") if "deletionTimestamp" not in pod["metadata"]]


def pod_of(admin: Kubectl, space: str, app: str) -> Json:
    """Return the one pod of an application."""
    (found,) = pods_of(admin, space, app)
    return found


def roll_out(admin: Kubectl, space: str, *apps: str) -> None:
    """Wait until applications are rolled out, with one pod each."""
    for app in apps:
        admin.run("-n", space, "rollout", "status", f"deployment/{app}", "--timeout=120s")
        eventually(lambda app=app: len(pods_of(admin, space, app)) == 1, what=f"one pod of {app}")  # type: ignore[misc]


def steady(admin: Kubectl, space: str) -> tuple[int, int]:
    """Return how many requests the client has sent, and how many failed."""
    lines = admin.run("-n", space, "logs", pod_of(admin, space, "client")["metadata"]["name"], "-c", "client").split(
        "\n"
    )
    said = [line.split() for line in lines if line.startswith("asked")]
    return (int(said[-1][1]), int(said[-1][3])) if said else (0, 0)


def goes_on(admin: Kubectl, space: str, rounds: int = 20) -> None:
    """Wait until the client has sent more requests."""
    asked = steady(admin, space)[0]
    eventually(lambda: steady(admin, space)[0] >= asked + rounds, what="more rounds")


def seen_on_node(admin: Kubectl, cluster: Cluster, space: str) -> Json:
    """Return what a capture of one connection on the server's node found."""
    host = pod_of(admin, space, "server")["status"]["podIP"]
    done = cluster.node_exec("brest-1", ["timeout", "60", sys.executable, "-c", CAPTURE, host, str(PORT), SECRET])
    assert done.returncode == 0, done.stderr or "no connection in 60 s"
    seen: Json = json.loads(done.stdout)
    return seen


@pytest.fixture
def shop(admin: Kubectl, policy: str, space: Space) -> str:
    """A server in Brest and a client in Lyon that sends requests without end, in a restricted namespace."""
    name = space(policy)
    admin.run("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    admin.apply(SERVICE, deployment("server", "brest-1", SERVE), namespace=name)
    roll_out(admin, name, "server")
    host = admin.get("service", "server", name)["spec"]["clusterIP"]
    admin.apply(deployment("client", "lyon-1", STEADY, host), namespace=name)
    roll_out(admin, name, "client")
    goes_on(admin, name)
    return name


@pytest.mark.every_kubernetes
def test_an_application_comes_to_strict_and_back_without_a_failure(admin: Kubectl, cluster: Cluster, shop: str) -> None:
    assert seen_on_node(admin, cluster, shop) == {"secret": True, "tls13": False}
    encrypt(admin, cluster, "Strict")
    eventually(lambda: "run without a sidecar" in encrypted(admin, POLICY)["message"], what="what it waits for")
    for app in ("server", "client"):
        admin.run("-n", shop, "rollout", "restart", f"deployment/{app}")
        roll_out(admin, shop, app)
    # The client's session was opened before Preferred, and would stay in plaintext.
    eventually(
        lambda: "have open plaintext connections" in encrypted(admin, POLICY)["message"], what="what it waits for now"
    )
    assert steady(admin, shop)[1] == 0
    admin.run("-n", shop, "rollout", "restart", "deployment/client")
    roll_out(admin, shop, "client")
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", seconds=90, what="Strict")
    goes_on(admin, shop)
    assert seen_on_node(admin, cluster, shop) == {"secret": False, "tls13": True}
    encrypt(admin, cluster, "Permissive")
    eventually(lambda: encrypted(admin, POLICY)["reason"] == "PlaintextAccepted", seconds=60, what="Permissive")
    goes_on(admin, shop)
    assert seen_on_node(admin, cluster, shop) == {"secret": True, "tls13": False}
    asked, failed = steady(admin, shop)
    assert asked > 100
    assert failed == 0
