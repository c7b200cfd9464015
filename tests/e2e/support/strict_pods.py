"""Pods in mode Strict that talk to one another and to other clients."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hack import estate
from hack.cluster import Cluster
from hack.images import public
from hack.kubectl import Json, Kubectl
from tests.e2e.support.estate import until_in_force
from tests.e2e.support.manifests import pod
from tests.e2e.support.peers import PYTHON

PORT = 8080

ECHO = f"""
import socket, threading

def echo(connection):
    with connection:
        while said := connection.recv(1000):
            connection.sendall(said)

listener = socket.create_server(("", {PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
print("listening", flush=True)
while True:
    threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()
"""
"""Listens on all IPv4 and IPv6 addresses, and echoes what it receives."""

ASK = f"""
import os, socket, ssl, sys
host, *how = sys.argv[1:]
host, _, port = host.partition(":")
if "past" in how:
    os.setuid(65533)
try:
    with socket.create_connection((host, int(port or {PORT})), 5) as connection:
        if "tls" in how:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["sovereign/1"])
            for path in how[1:]:
                context.load_cert_chain(path)
            connection = context.wrap_socket(connection)
        connection.sendall(b"word")
        print("answered" if connection.recv(4) == b"word" else "refused: closed")
except OSError as error:
    print("refused:", error)
"""
"""Connects in plaintext; on request with TLS, with a client certificate, or as the sidecar's user."""


LOOK_UP = """
import socket, struct
print(socket.gethostbyname("kubernetes.default.svc"))
server = next(line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver"))
words = b"kubernetes default svc cluster local".split()
name = b"".join(bytes([len(word)]) + word for word in words) + bytes(1)
question = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + name + struct.pack("!2H", 1, 1)
with socket.create_connection((server, 53), 5) as connection:
    connection.sendall(struct.pack("!H", len(question)) + question)
    print(socket.inet_ntoa(connection.recv(1000)[-4:]))
"""
"""Looks up a name by UDP, then by TCP; the last four bytes of the TCP answer are the address."""


@contextmanager
def encrypting_policy(
    admin: Kubectl, cluster: Cluster, name: str, mode: str = "Strict", **fields: Any
) -> Iterator[str]:
    """Create a policy with the demands of secnumcloud that encrypts from the start."""
    cluster.load_image(public.archive(PYTHON))
    encryption = {"mode": mode, "clusterNetworks": [estate.network(cluster)], "quietSeconds": 3, **fields}
    admin.create(estate.policy(admin, name, encryptionInTransit=encryption))
    until_in_force(admin, name)
    yield name
    admin.delete("sovereigntypolicy", name)


def change(admin: Kubectl, policy: str, **fields: Any) -> None:
    """Change fields of a policy's encryptionInTransit."""
    body = {"spec": {"encryptionInTransit": fields}}
    admin.run("patch", "sovereigntypolicy", policy, "--type=merge", "-p", json.dumps(body))


def python(name: str, node: str, *command: str, **labels: str) -> Json:
    """Return a pod that runs a Python program, or idles."""
    made = pod(name, labels=labels, nodeSelector={"kubernetes.io/hostname": node})
    (container,) = made["spec"]["containers"]
    container["image"] = PYTHON
    if command:
        container["command"] = ["python3", "-c", *command]
    return made


def ready(admin: Kubectl, namespace: str, *names: str) -> str:
    """Wait until pods are ready, and return the address of the last one."""
    admin.run("-n", namespace, "wait", "--for=condition=Ready", "--timeout=90s", *(f"pod/{name}" for name in names))
    return str(admin.get("pod", names[-1], namespace)["status"]["podIP"])


def run(admin: Kubectl, namespace: str, name: str, program: str, *words: str) -> str:
    """Run a program in the application's container of a pod, and return what it prints."""
    where = ("-n", namespace, "exec", name, "-c", "idle", "--")
    return admin.run(*where, "python3", "-c", program, *words).strip()


def said(admin: Kubectl, namespace: str, name: str) -> list[str]:
    """Return the lines that a pod's application has printed."""
    return admin.run("-n", namespace, "logs", name, "-c", "idle").splitlines()


def knows_names(admin: Kubectl, namespace: str, name: str) -> bool:
    """Return whether DNS answers a pod correctly, by UDP and TCP. Raises KubectlError if it does not answer."""
    known = admin.get("service", "kubernetes", "default")["spec"]["clusterIP"]
    return run(admin, namespace, name, LOOK_UP).split() == [known, known]
