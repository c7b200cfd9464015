"""How long pods of a datacentre can talk to others once its service is suspended, under a policy in Strict.

Run ``python -m hack.bench.cut --name CLUSTER`` on a cluster with the operator installed. ``--pairs`` clients in Lyon
each keep one connection to a server in Brest and use it all the time, and open a new one four times a second. Lyon's
service is suspended: every new connection must be refused (we aim at 10 s), and every open one must end (30 s). Then
the service is restored, and the next round begins with new pods. One client in Brest must be accepted throughout; its
open connection ends with the others, and it opens another. Pods and this program read the same clock, since the nodes
are on this machine.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from hack.bench import encrypted, peers, qualified
from hack.kubectl import Kubectl, eventually

POLICY = "bench-cut"
SPACE = "bench-cut"
SERVICE, FROM, TO = "hexa-gouv", "lyon-1", "brest-1"
WITNESS = "witness"
PATIENCE_SECONDS = 180

SERVE = """
import socket, threading
def serve(connection):
    with connection:
        try:
            while words := connection.recv(100):
                connection.sendall(words)
        except OSError:
            pass
listener = socket.create_server(("", 8080))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
"""Sends back what it receives."""

ASK = """
import socket, sys, threading, time
def connect():
    return socket.create_connection((sys.argv[1], 8080), 5)
def ask(connection):
    connection.sendall(b"ping")
    if connection.recv(4) != b"ping":
        raise OSError("closed")
def keep():
    while True:
        try:
            with connect() as connection:
                ask(connection)
                print(time.time(), "open", "yes", flush=True)
                while True:
                    ask(connection)
                    time.sleep(0.05)
        except OSError:
            print(time.time(), "open", "no", flush=True)
            time.sleep(0.25)
threading.Thread(target=keep, daemon=True).start()
before = None
while True:
    try:
        with connect() as connection:
            ask(connection)
        found = "yes"
    except OSError:
        found = "no"
    if found != before:
        print(time.time(), "new", found, flush=True)
    before = found
    time.sleep(0.25)
"""
"""Prints when the connection that it keeps opens and ends, and when new ones begin to be accepted or refused."""


@dataclass(frozen=True)
class Said:
    """A line that a client printed."""

    moment: float
    """In seconds of Unix time."""
    what: str
    """``open`` or ``new``."""
    good: bool


class Bench:
    """Clients, and a service that they depend on."""

    def __init__(self, admin: Kubectl, clients: Sequence[str]) -> None:
        self._admin = admin
        self._clients = clients

    def said(self, client: str) -> list[Said]:
        """Return all lines that a client has printed."""
        lines = self._admin.run("-n", SPACE, "logs", client, "-c", "app", "--tail=-1").splitlines()
        return [Said(float(moment), what, good == "yes") for moment, what, good in map(str.split, lines)]

    def until_let_in(self) -> None:
        """Wait until all clients have an open connection and can open new ones."""
        eventually(
            lambda: all(self._last(client) == {"open": True, "new": True} for client in (*self._clients, WITNESS)),
            seconds=PATIENCE_SECONDS,
            what="all clients let in",
        )

    def _last(self, client: str) -> dict[str, bool]:
        return {said.what: said.good for said in self.said(client)}

    def suspend(self) -> dict[str, list[float]]:
        """Suspend the service until all clients are refused. Return the seconds of the write, and to each failure."""
        begun = time.time()
        try:
            qualified.set_status(self._admin, SERVICE, "Suspended")
            written = time.time() - begun
            eventually(
                lambda: all(self._last(client) == {"open": False, "new": False} for client in self._clients),
                seconds=PATIENCE_SECONDS,
                what="nobody let in",
            )
            found = {what: [self._first(client, what, begun) for client in self._clients] for what in ("new", "open")}
            again = sum(
                said.good and said.moment > begun + seconds
                for client, seconds in zip(self._clients, found["new"], strict=True)
                for said in self.said(client)
            )
            witness = [said for said in self.said(WITNESS) if said.moment > begun]
            refused = sum(said.what == "new" and not said.good for said in witness)
            print(
                f"{len(self._clients)} clients: refused after {min(found['new']):.1f} to {max(found['new']):.1f} s, "
                f"open connections ended after {min(found['open']):.1f} to {max(found['open']):.1f} s; let in again "
                f"{again} times; the client in good standing refused {refused} times, "
                f"its open connection ended {sum(said.what == 'open' and not said.good for said in witness)} times"
            )
        finally:
            qualified.set_status(self._admin, SERVICE, "Qualified")
        return found | {"write": [written]}

    def _first(self, client: str, what: str, begun: float) -> float:
        bad = (said.moment for said in self.said(client) if said.what == what and not said.good)
        return next(moment for moment in bad if moment > begun) - begun


def start(admin: Kubectl, pairs: int) -> list[str]:
    """Start servers and clients, and return the names of the clients that depend on the service."""
    serve = [encrypted.pod(f"server-{number}", TO, ("python3", "-c", SERVE)) for number in range(pairs)]
    servers = peers.start(admin, SPACE, serve)
    addresses = [servers[pod["metadata"]["name"]]["status"]["podIP"] for pod in serve]
    clients = [f"client-{number}" for number in range(pairs)]
    ask = [encrypted.pod(name, FROM, ("python3", "-c", ASK, to)) for name, to in zip(clients, addresses, strict=True)]
    peers.start(admin, SPACE, [*ask, encrypted.pod(WITNESS, TO, ("python3", "-c", ASK, addresses[0]))])
    admin.run("wait", f"sovereigntypolicy/{POLICY}", "--for=condition=Encrypted", "--timeout=120s")
    return clients


def measure(admin: Kubectl, pairs: int, rounds: int) -> None:
    """Print the figures."""
    seen = []
    for _ in range(rounds):
        # A restored service gets a new authority, from which the existing pods have no certificate.
        with peers.space(admin, SPACE, POLICY):
            bench = Bench(admin, start(admin, pairs))
            bench.until_let_in()
            seen.append(bench.suspend())
    write = statistics.median(seconds for found in seen for seconds in found["write"])
    for what, words in (("new", "the last new connection refused"), ("open", "the last open connection ended")):
        last = [max(found[what]) for found in seen]
        print(
            f"{words}: median {statistics.median(last):.1f} s, worst {max(last):.1f} s, "
            f"ratio to one write {statistics.median(last) / write:.0f}"
        )


def main() -> None:
    """Create a policy that encrypts on the chosen cluster, and measure."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.cut", description=__doc__)
    parser.add_argument("--name", default="sovereign-demo")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    cluster, admin = encrypted.prepared(given.name)
    with encrypted.policy(cluster, admin, POLICY):
        measure(admin, given.pairs, given.rounds)


if __name__ == "__main__":
    main()
