"""A ward in Strict: its policy, its server, and datagrams to this server's ports."""

from datetime import UTC, datetime, timedelta

from hack import estate
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl
from tests.e2e.support.sidecars import encrypted
from tests.e2e.support.strict_pods import PORT

POLICY = "hospital-strict"
NAMED, UNNAMED, DNS = 5004, 5005, 53

SERVE = f"""
import socket, threading

def echo(connection):
    with connection:
        while said := connection.recv(1000):
            connection.sendall(said)

def hear(port):
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("", port))
    while True:
        print(port, datagrams.recv(1000).decode(), flush=True)

for port in ({NAMED}, {UNNAMED}, {DNS}):
    threading.Thread(target=hear, args=(port,), daemon=True).start()
listener = socket.create_server(("", {PORT}))
while True:
    threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()
"""

SEND = """
import socket, sys
for port in map(int, sys.argv[3:]):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind(("", port))
    try:
        sender.sendto(sys.argv[2].encode(), (sys.argv[1], port))
    except PermissionError as error:
        print(error)
"""
"""Sends each datagram with equal source and target ports. The sender gets an error for a dropped datagram."""


def named(cluster: Cluster) -> Json:
    """Return a plainDatagrams entry."""
    return {"network": estate.network(cluster), "port": NAMED, "reason": "a test"}


def preferred_for(admin: Kubectl) -> timedelta:
    """Return for how long all pods have been in Preferred. Raises AssertionError if they are not."""
    found = encrypted(admin, POLICY)
    assert found["reason"] == "PlaintextAccepted", found
    assert admin.get("spol", POLICY)["status"]["encryption"]["mode"] == "Preferred"
    return datetime.now(UTC) - datetime.fromisoformat(found["lastTransitionTime"])
