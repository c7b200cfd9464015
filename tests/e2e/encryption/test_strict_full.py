"""A sidecar that carries as many connections as its memory takes refuses others, and everybody who asks is told."""

from hack.kubectl import Kubectl, eventually
from sovereign_operator.core.encryption.refusals import REFUSED
from tests.e2e.support.client import Client
from tests.e2e.support.sidecars import encrypted
from tests.e2e.support.strict_pods import ASK, ECHO, PORT, python, ready, run, said
from tests.e2e.support.strict_ward import POLICY

HOLD = f"""
import socket, sys, time
held = []
while True:
    try:
        connection = socket.create_connection((sys.argv[1], {PORT}), 5)
        connection.sendall(b"word")
        if connection.recv(4) == b"word":
            held.append(connection)
            continue
    except OSError as error:
        print(error, flush=True)
    if held:
        print("no room after", len(held), flush=True)
    time.sleep(1)
"""
"""Opens connections until one is refused, and keeps them open."""


def test_a_full_sidecar_is_named_to_everybody_who_asks(admin: Kubectl, ward: tuple[str, str]) -> None:
    namespace, _ = ward
    full = python("full", "brest-1", ECHO)
    # With the lowest limit a sidecar carries few connections (crds/tcp.md).
    full["metadata"]["annotations"] = {"sovereignty.dev/sidecar-memory-limit": "128Mi"}
    admin.apply(full, namespace=namespace)
    host = ready(admin, namespace, "full")
    eventually(lambda: run(admin, namespace, "client", ASK, host) == "answered", what="a first answer")
    assert REFUSED not in admin.run("-n", namespace, "get", "events")

    admin.apply(python("holder", "lyon-1", HOLD, host), namespace=namespace)
    ready(admin, namespace, "holder")
    eventually(
        lambda: any(line.startswith("no room after") for line in said(admin, namespace, "holder")),
        what="as many connections as there may be",
    )

    def is_named() -> bool:
        # What the sidecar refused before the controller first polled it does not count, so there are always more.
        assert run(admin, namespace, "client", ASK, host) != "answered"
        return f"{namespace}/full" in encrypted(admin, POLICY)["message"].partition("sidecars refused connections")[2]

    eventually(is_named, seconds=180, what="word of it in the condition")
    # The pod is encrypted all the same.
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", seconds=60, what="Strict")
    eventually(lambda: events(admin, namespace) == {"full"}, what="an Event on the pod")
    explained = Client(admin.kubeconfig).text("explain", "pod/full", "-n", namespace, code=1)
    assert "Encryption: its sidecar refused connections (" in explained

    admin.run("-n", namespace, "delete", "pod", "holder", "--now")
    eventually(lambda: run(admin, namespace, "client", ASK, host) == "answered", seconds=60, what="an answer again")


def events(admin: Kubectl, namespace: str) -> set[str]:
    """Return the names of the pods with an Event about refused connections."""
    path = "jsonpath={.items[*].involvedObject.name}"
    return {*admin.run("-n", namespace, "get", "events", f"--field-selector=reason={REFUSED}", "-o", path).split()}
