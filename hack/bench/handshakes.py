"""How long pods of a datacentre are still let in once its service is suspended.

Each pod serves, and connects twice a second: those in Brest to themselves, those in Lyon each to another one in
Brest. The last server in Brest to refuse is the last whose kubelet has written the new trust bundle. Pods and this
program read one clock, as their nodes are on this machine. ``python -m hack.bench.certificates`` runs it.
"""

import json
import re
import time
from pathlib import Path

from hack import estate
from hack.bench import peers
from hack.kubectl import Json, Kubectl, eventually

SPACE = "bench-handshakes"
SERVICE, FROM, TO = "hexa-gouv", "lyon-1", "brest-1"
REFERENCE = Path(__file__).parents[2] / "crds" / "README.md"

PROGRAM = """
import os, socket, sys, threading, time
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
    try:
        with connect(sys.argv[1], 8443) as connection:
            said = connection.recv(100).decode() or "closed"
    except OSError as error:
        said = str(error)
    print(time.time(), said, flush=True)
    time.sleep(max(0.0, begun + 0.5 - time.time()))
"""
"""Prints when an answer came, and "welcome" or what went wrong."""

Answers = list[tuple[float, str]]


def measure(admin: Kubectl, count: int) -> None:
    """Print the figures, and put the estate right."""
    with peers.space(admin, SPACE) as space:
        lyon, brest = _start(admin, space, max(1, count // 2))
        eventually(lambda: all(_welcome(admin, name) for name in (*lyon, *brest)), seconds=120, what="a first welcome")
        begun = time.time()
        try:
            _set(admin, "Suspended")
            written = time.time() - begun
            eventually(lambda: all(_refusals(admin, name, begun) for name in lyon), seconds=180, what="all refusals")
            _print(admin, lyon, brest, begun, written)
        finally:
            _set(admin, "Qualified")
    accepted = len(estate.ACCEPTED)
    eventually(
        lambda: admin.get("sovereigntypolicy", peers.POLICY)["status"]["nodes"] == accepted, what="the estate as it was"
    )


def _start(admin: Kubectl, space: str, each: int) -> tuple[list[str], list[str]]:
    """Start so many pods on each node, and return their names."""
    (recipe,) = re.findall(r"^```python\n(.*?)^```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    data = {"recipe.py": recipe, "program.py": PROGRAM}
    admin.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "peer"}, "data": data}, space)
    servers = peers.start(admin, space, [_pod(f"brest-{number}", TO, "127.0.0.1") for number in range(each)])
    lyon = [
        _pod(name.replace("brest", "lyon"), FROM, server["status"]["podIP"]) for name, server in sorted(servers.items())
    ]
    peers.start(admin, space, lyon)
    return [pod["metadata"]["name"] for pod in lyon], sorted(servers)


def _pod(name: str, node: str, server: str) -> Json:
    return peers.peer(name, node, ["python3", "/peer/program.py", server])


def _set(admin: Kubectl, status: str) -> None:
    body = [{"op": "replace", "path": "/spec/qualifications/0/status", "value": status}]
    admin.run("patch", "cloudservice", SERVICE, "--type=json", "-p", json.dumps(body))


def _answers(admin: Kubectl, name: str) -> Answers:
    lines = [line.split(" ", 1) for line in admin.run("-n", SPACE, "logs", name, "--tail=-1").splitlines()]
    return [(float(moment), said) for moment, said in lines]


def _welcome(admin: Kubectl, name: str) -> bool:
    return [said for _, said in _answers(admin, name)[-3:]] == ["welcome"] * 3


def _refusals(admin: Kubectl, name: str, begun: float) -> Answers:
    """Return what went wrong from a moment on, with seconds since then."""
    return [(moment - begun, said) for moment, said in _answers(admin, name) if moment > begun and said != "welcome"]


def _print(admin: Kubectl, lyon: list[str], brest: list[str], begun: float, written: float) -> None:
    refused = {name: _refusals(admin, name, begun) for name in lyon}
    since = {name: answers[0][0] for name, answers in refused.items()}
    again = sum(
        said == "welcome" and moment > begun + since[name] for name in lyon for moment, said in _answers(admin, name)
    )
    elsewhere = sum(len(_refusals(admin, name, begun)) for name in brest)
    first, last = min(since.values()), max(since.values())
    words = sorted({said for answers in refused.values() for _, said in answers})
    print(
        f"suspended, {len(lyon)} pods of {len(lyon) + len(brest)} refused: the first after {first:.1f} s, "
        f"the last after {last:.1f} s, ratio to one write {last / written:.0f}; let in again {again} times; "
        f"others refused {elsewhere}"
    )
    print(f"they were told: {'; '.join(words)}")
