"""The agent on real nodes: only the agent loads the redirect, and pods start only with it.

A stand-in replaces the sidecar: a small Python program that prints the port of each connection and its original
destination.
"""

import json
import re

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.images import public
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core.sidecar import contract as sidecar
from tests.e2e.support.observed import events
from tests.e2e.support.peers import PYTHON
from tests.e2e.support.spaces import Space

NODES = estate.ACCEPTED
PLAIN = "plain"
FAR = "192.0.2.1"
"""An address of no machine: an answer from it proves the redirect."""
SERVED = 8080
"""The port on which the application listens."""

AGENT = ("-n", NAMESPACE, "daemonset/sovereign-agent")
CAPABILITIES = 1 << 21 | 1 << 12
"""CAP_SYS_ADMIN and CAP_NET_ADMIN."""

STAND_IN = f"""
import signal, socket, struct, threading
def answer(port, connection):
    with connection:
        if port == {sidecar.HEALTH_PORT}:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
            return
        wanted, host = struct.unpack("!2xH4s8x", connection.getsockopt(socket.SOL_IP, 80, 16))
        connection.sendall(f"{{port}} {{socket.inet_ntoa(host)}}:{{wanted}}\\n".encode())
        while words := connection.recv(1000):
            connection.sendall(words)
def serve(port):
    with socket.create_server(("", port)) as listener:
        while True:
            threading.Thread(target=answer, args=(port, listener.accept()[0]), daemon=True).start()
for port in {sidecar.OUTBOUND_PORT, sidecar.INBOUND_PORT, sidecar.HEALTH_PORT}:
    threading.Thread(target=serve, args=(port,), daemon=True).start()
signal.sigwait([signal.SIGTERM])
"""

HOLD = f"""
import socket, time
listener = socket.create_server(("", {SERVED}))
connection = socket.create_connection(("{FAR}", 80))
said = connection.makefile("rw")
print(said.readline().strip(), flush=True)
for number in range(10**9):
    print(number, file=said, flush=True)
    assert said.readline() == f"{{number}}\\n"
    print(number, flush=True)
    time.sleep(0.05)
"""
"""Keeps one connection open, and counts the messages through it. Nothing accepts connections to the port on which it
listens: the redirect answers them."""

ASK = """
import socket, sys
print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).makefile().readline())
"""


def python(name: str, script: str, uid: int, **more: object) -> Json:
    """Return a container that runs a script, without privileges that a namespace may refuse."""
    context = {"runAsUser": uid, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    command = ["python3", "-c", script]
    image = {"image": PYTHON, "imagePullPolicy": "IfNotPresent"}
    return {"name": name, "command": command, **image, "securityContext": context, **more}


def plain() -> Json:
    """Return a pod without a sidecar."""
    spec = manifest(NODES[0])["spec"]
    del spec["initContainers"]
    spec["containers"] = [python("holder", "import signal; signal.pause()", 1000)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": PLAIN}, "spec": spec}


def manifest(node: str) -> Json:
    """Return a pod with a sidecar on a node."""
    probe = {"path": sidecar.READY_PATH, "port": sidecar.REDIRECTED_PORT}
    stand_in = python(
        sidecar.CONTAINER,
        STAND_IN,
        sidecar.UID,
        restartPolicy="Always",
        startupProbe={"httpGet": probe, "periodSeconds": 1, "failureThreshold": 600},
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": node},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node},
            "initContainers": [stand_in, python("first", "print('ran')", 1000)],
            "containers": [python("holder", HOLD, 1000)],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            # With a shared process namespace a container can end the sandbox, because the sandbox's process is process
            # 1.
            "shareProcessNamespace": True,
            "terminationGracePeriodSeconds": 1,
        },
    }


@pytest.fixture
def namespace(admin: Kubectl, cluster: Cluster, space: Space) -> str:
    """Make a namespace that enforces Pod Security restricted, with a pod that has no sidecar."""
    cluster.load_image(public.archive(PYTHON))
    made = space(None)
    admin.run("label", "namespace", made, "pod-security.kubernetes.io/enforce=restricted")
    admin.create(plain(), made)
    return made


def run_agents(admin: Kubectl, *, there: bool) -> None:
    """Run agents on all nodes, or on none."""
    selector = {"example.org/no-node": None if there else "has-this"}
    patch = {"spec": {"template": {"spec": {"nodeSelector": selector}}}}
    admin.run("-n", NAMESPACE, "patch", "daemonset", "sovereign-agent", "-p", json.dumps(patch))
    if there:
        admin.run("rollout", "status", *AGENT, "--timeout=2m")
    else:
        eventually(lambda: not agent_pods(admin), what="no agent")


def agent_pods(admin: Kubectl) -> list[Json]:
    """Return the agents' pods."""
    return admin.list("pods", NAMESPACE, "app.kubernetes.io/component=agent")


def start(admin: Kubectl, namespace: str) -> None:
    """Create a pod with a sidecar on each of two nodes, and wait until they are ready."""
    for node in NODES:
        admin.create(manifest(node), namespace)
    until_ready(admin, namespace)


def until_ready(admin: Kubectl, namespace: str) -> None:
    """Wait until all pods are ready."""
    admin.run("-n", namespace, "wait", "pod", *NODES, PLAIN, "--for=condition=Ready", "--timeout=60s")


def ask(admin: Kubectl, namespace: str, pod: str, host: str, port: int) -> str:
    """Connect from a pod, and return the first line that it receives."""
    return admin.run("-n", namespace, "exec", pod, "-c", "holder", "--", "python3", "-c", ASK, host, str(port)).strip()


def see_redirected(admin: Kubectl, namespace: str) -> None:
    """Check that the pods' outgoing traffic, and traffic from a pod without a sidecar to them, goes through their
    sidecars.
    """
    for pod in NODES:
        assert ask(admin, namespace, pod, FAR, 443) == f"{sidecar.OUTBOUND_PORT} {FAR}:443"
        address = address_of(admin, namespace, pod)
        assert ask(admin, namespace, PLAIN, address, SERVED) == f"{sidecar.INBOUND_PORT} {address}:{SERVED}"


def counted(admin: Kubectl, namespace: str, pod: str) -> int:
    """Return the last number that the program HOLD has printed."""
    return int(admin.run("-n", namespace, "logs", pod, "-c", "holder", "--tail=1"))


def until_unhealthy(admin: Kubectl, namespace: str, pod: str) -> str:
    """Wait until the kubelet reports a failed probe, and return its message."""
    return eventually(lambda: events(admin, namespace, pod)["Unhealthy"], what=f"a look at {pod}")


def test_pods_wait_for_the_agent_and_start_with_it(admin: Kubectl, namespace: str) -> None:
    run_agents(admin, there=False)
    try:
        for node in NODES:
            admin.create(manifest(node), namespace)
        for node in NODES:
            # The sidecar runs, and its startup probe fails.
            assert "Startup probe failed" in until_unhealthy(admin, namespace, node)
            status = admin.get("pod", node, namespace)["status"]
            assert [found["started"] for found in status["initContainerStatuses"]] == [False, False]
            waiting = [*status["initContainerStatuses"][1:], *status["containerStatuses"]]
            assert all(found["state"]["waiting"]["reason"] == "PodInitializing" for found in waiting)
    finally:
        run_agents(admin, there=True)
    until_ready(admin, namespace)
    see_redirected(admin, namespace)


def until_in_another_sandbox(admin: Kubectl, namespace: str, pod: str, address: str) -> None:
    """Wait until a pod is ready with another address than this one: a new sandbox has a new address."""

    def look() -> bool:
        status = admin.get("pod", pod, namespace)["status"]
        ready = {found["type"]: found["status"] for found in status["conditions"]}["Ready"] == "True"
        return ready and bool(status["podIP"] != address)

    eventually(look, seconds=90, what=f"another sandbox of {pod}")


def address_of(admin: Kubectl, namespace: str, pod: str) -> str:
    """Return the address of a pod."""
    return str(admin.get("pod", pod, namespace)["status"]["podIP"])


def test_a_new_sandbox_gets_rules_of_its_own(admin: Kubectl, namespace: str) -> None:
    start(admin, namespace)
    for pod in NODES:
        before = address_of(admin, namespace, pod)
        # Process 1 is the sandbox's own.
        admin.attempt("-n", namespace, "exec", pod, "-c", "holder", "--", "python3", "-c", "import os; os.kill(1, 15)")
        until_in_another_sandbox(admin, namespace, pod, before)
    see_redirected(admin, namespace)


def test_a_node_that_boots_finds_its_pods_anew(admin: Kubectl, cluster: Cluster, namespace: str) -> None:
    """The results that the CNI library caches outlive the sandboxes."""
    start(admin, namespace)
    node = NODES[1]
    before = address_of(admin, namespace, node)
    cluster.stop_node(node)
    cluster.start_node(node)
    until_in_another_sandbox(admin, namespace, node, before)
    admin.run("rollout", "status", *AGENT, "--timeout=2m")
    see_redirected(admin, namespace)


def test_a_new_agent_loads_the_rules_again_and_disturbs_nobody(admin: Kubectl, namespace: str) -> None:
    start(admin, namespace)
    before = {pod: counted(admin, namespace, pod) for pod in NODES}
    old = {pod["metadata"]["uid"] for pod in agent_pods(admin)}
    admin.run("rollout", "restart", *AGENT)
    admin.run("rollout", "status", *AGENT, "--timeout=2m")
    agents = {pod["spec"]["nodeName"]: pod["metadata"] for pod in agent_pods(admin)}
    assert not old & {metadata["uid"] for metadata in agents.values()}
    for node, number in before.items():
        until_said(admin, agents[node]["name"], f"the traffic of pod {namespace}/{node} goes through its sidecar")
        until_counted(admin, namespace, node, max(number, counted(admin, namespace, node)))
        (holder,) = admin.get("pod", node, namespace)["status"]["containerStatuses"]
        assert holder["restartCount"] == 0
    see_redirected(admin, namespace)


def until_said(admin: Kubectl, agent: str, words: str) -> None:
    """Wait until an agent has logged these words."""
    eventually(lambda: words in admin.run("-n", NAMESPACE, "logs", agent), what=words)


def until_counted(admin: Kubectl, namespace: str, pod: str, number: int) -> None:
    """Wait until the program HOLD has printed a number above this one."""
    eventually(lambda: counted(admin, namespace, pod) > number, what="a connection that lives")


def test_without_the_agent_the_rules_stay(admin: Kubectl, namespace: str) -> None:
    start(admin, namespace)
    run_agents(admin, there=False)
    try:
        see_redirected(admin, namespace)
    finally:
        run_agents(admin, there=True)


def test_it_has_two_capabilities_and_can_get_no_others(admin: Kubectl) -> None:
    for pod in agent_pods(admin):
        said = admin.run("-n", NAMESPACE, "exec", pod["metadata"]["name"], "--", "cat", "/proc/1/status")
        status = dict(line.split(":\t", 1) for line in said.splitlines())
        assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {CAPABILITIES}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_it_says_how_long_pods_wait_for_it(admin: Kubectl, namespace: str) -> None:
    start(admin, namespace)
    ask_metrics = "import urllib.request as r; print(r.urlopen('http://localhost:8080/metrics').read().decode())"
    for pod in agent_pods(admin):
        if pod["spec"]["nodeName"] in NODES:
            said = admin.run("-n", NAMESPACE, "exec", pod["metadata"]["name"], "--", "python3", "-c", ask_metrics)
            values = dict(re.findall(r"^(sovereign_\S+) (\S+)$", said, re.MULTILINE))
            assert float(values["sovereign_redirected_pods"]) >= 1
            assert float(values["sovereign_redirect_seconds_count"]) >= 1
            assert not [name for name in values if name.startswith("sovereign_redirect_failures_total")]
