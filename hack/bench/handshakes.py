"""How long servers still accept pods of a datacentre once its service is suspended.

Pods in Brest and Nantes serve, and each pod in Lyon connects to its share of them once a second. The last server to
refuse is the one whose kubelet is the last to write the new trust bundle. This is measured twice: normally, and with
the controller stopped, so that nothing makes the kubelets write it early. One pod in Brest connects to one in Nantes
and must be accepted throughout. Pods and this program read the same clock, since the nodes are on this machine.
``python -m hack.bench.certificates`` runs this.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack import estate
from hack.bench import peers, qualified, replicas
from hack.kubectl import Json, Kubectl, eventually

SPACE = "bench-handshakes"
SERVICE, FROM, TO = "hexa-gouv", "lyon-1", ("brest-1", "nantes-1")
BESIDE = "armor-public"
"""The service of the node that is accepted only for this benchmark."""
CONTROLLER = "controller"
CERTIFICATES = Path(__file__).parents[2] / "crds" / "certificates.md"

PROGRAM = """
import socket, sys, threading, time
from recipe import accept, connect

def serve():
    listener = socket.create_server(("", 8443))
    while True:
        try:
            with accept(listener) as connection:
                connection.sendall(b"welcome")
        except OSError:
            pass

threading.Thread(target=serve, daemon=True).start()
while True:
    begun = time.time()
    for server in sys.argv[1:]:
        try:
            with connect(server, 8443) as connection:
                said = connection.recv(100).decode() or "closed"
        except OSError as error:
            said = str(error)
        print(time.time(), server, said, flush=True)
    time.sleep(max(0.0, begun + 1 - time.time()))
"""
"""Serves, and prints for each answer of the given servers its time, and "welcome" or the error."""


@dataclass(frozen=True)
class Answer:
    """A server's answer to a client."""

    moment: float
    """In seconds of Unix time."""
    server: str
    said: str

    @property
    def welcome(self) -> bool:
        """Whether the server accepted the client."""
        return self.said == "welcome"


def measure(admin: Kubectl, count: int) -> None:
    """Print the figures for ``count`` pods, and restore the services."""
    with _accepted(admin, BESIDE), peers.space(admin, SPACE) as space:
        servers = _serve(admin, space, max(1, count // 3))
        with _connecting(admin, space, servers) as clients:
            _suspend(admin, clients, servers, "poked")
        with _connecting(admin, space, servers) as clients, replicas.restored(admin, CONTROLLER):
            replicas.scale(admin, CONTROLLER, 0)
            _suspend(admin, clients, servers, "not poked")


@contextmanager
def _accepted(admin: Kubectl, service: str) -> Iterator[None]:
    """Make the policy accept a service that it otherwise refuses; undo this at the end, and wait for it."""
    spec = admin.get("cloudservice", SERVICE)["spec"]
    qualified.patch(admin, service, [{"op": "add", "path": "/spec/qualifications", "value": spec["qualifications"]}])
    try:
        _accepts(admin, len(estate.ACCEPTED) + 1)
        yield
    finally:
        qualified.patch(admin, service, [{"op": "remove", "path": "/spec/qualifications"}])
        _accepts(admin, len(estate.ACCEPTED))


def _accepts(admin: Kubectl, nodes: int) -> None:
    eventually(
        lambda: admin.get("sovereigntypolicy", peers.POLICY)["status"]["nodes"] == nodes, what=f"{nodes} accepted nodes"
    )


def _serve(admin: Kubectl, space: str, each: int) -> list[str]:
    """Start ``each`` servers on each serving node, and return their addresses."""
    (recipe,) = re.findall(r"^```python\n(.*?)^```", CERTIFICATES.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    data = {"recipe.py": recipe, "program.py": PROGRAM}
    admin.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "peer"}, "data": data}, space)
    pods = [_pod(f"server-{number}-{node}", node, []) for node in TO for number in range(each)]
    return sorted(pod["status"]["podIP"] for pod in peers.start(admin, space, pods).values())


@contextmanager
def _connecting(admin: Kubectl, space: str, servers: Sequence[str]) -> Iterator[list[str]]:
    """Start half as many clients as servers and yield their names once all are accepted; delete them at the end."""
    each = len(servers) // len(TO)
    pods = [_pod(f"client-{number}", FROM, servers[number::each]) for number in range(each)]
    witness = _pod("witness", TO[0], [servers[-1]])
    peers.start(admin, space, [*pods, witness])
    names = [pod["metadata"]["name"] for pod in pods]
    try:
        eventually(lambda: _welcome(admin, names) == set(servers), seconds=180, what="all servers let all in")
        yield names
    finally:
        admin.run("-n", space, "delete", "pod", "witness", *names, "--wait=true")


def _pod(name: str, node: str, servers: Sequence[str]) -> Json:
    return peers.peer(name, node, ["python3", "/peer/program.py", *servers])


def _suspend(admin: Kubectl, clients: Sequence[str], servers: Sequence[str], how: str) -> None:
    begun = time.time()
    try:
        qualified.set_status(admin, SERVICE, "Suspended")
        written = time.time() - begun
        eventually(
            lambda: _first_refusals(admin, clients, begun).keys() == set(servers), seconds=180, what="all refusals"
        )
        _print(admin, clients, begun, written, how)
    finally:
        qualified.set_status(admin, SERVICE, "Qualified")


def _answers(admin: Kubectl, clients: Sequence[str]) -> list[Answer]:
    lines = [line for name in clients for line in admin.run("-n", SPACE, "logs", name, "--tail=-1").splitlines()]
    return [Answer(float(moment), server, said) for moment, server, said in (line.split(" ", 2) for line in lines)]


def _welcome(admin: Kubectl, clients: Sequence[str]) -> set[str]:
    """Return the servers whose last answer accepted the client."""
    last = {answer.server: answer.welcome for answer in _answers(admin, clients)}
    return {server for server, welcome in last.items() if welcome}


def _first_refusals(admin: Kubectl, clients: Sequence[str], begun: float) -> dict[str, Answer]:
    """Return each server's first refusal after the moment ``begun``."""
    refused: dict[str, Answer] = {}
    for answer in _answers(admin, clients):
        if answer.moment > begun and not answer.welcome:
            refused.setdefault(answer.server, answer)
    return refused


def _print(admin: Kubectl, clients: Sequence[str], begun: float, written: float, how: str) -> None:
    refused = _first_refusals(admin, clients, begun)
    again = sum(answer.welcome and answer.moment > refused[answer.server].moment for answer in _answers(admin, clients))
    seconds = sorted(answer.moment - begun for answer in refused.values())
    elsewhere = sum(answer.moment > begun and not answer.welcome for answer in _answers(admin, ["witness"]))
    print(
        f"suspended, {how}: {len(clients)} pods refused by {len(refused)} on {len(TO)} nodes: the first after "
        f"{seconds[0]:.1f} s, the last after {seconds[-1]:.1f} s, ratio to one write {seconds[-1] / written:.0f}; "
        f"let in again {again} times; others refused {elsewhere}"
    )
    print(f"they were told: {'; '.join(sorted({answer.said for answer in refused.values()}))}")
