"""Pods that talk TLS with the operator's certificates, as the recipes in the documentation do."""

from typing import Any

from hack.kubectl import Json, Kubectl, eventually
from tests.documents import CERTIFICATES, blocks
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import audit

PYTHON = "docker.io/library/python:3"
NGINX = "docker.io/library/nginx:latest"
OPENSSL = "docker.io/curlimages/curl:8.16.0"
IMAGES = (PYTHON, NGINX, OPENSSL)

SIGNER = "sovereignty.dev/workload-identity"

SERVE = """
import socket, sys
from recipe import accept, peer
listener = socket.create_server(("", 8443))
while True:
    try:
        with accept(listener) as connection:
            said = " ".join(peer(connection))
            connection.sendall(said.encode())
            print(said, flush=True)
    except OSError as error:
        print("refused:", error, flush=True)
"""
"""Sends each client the identity in the client's certificate."""

ASK = """
import ssl, sys
import recipe
host, how = sys.argv[1], sys.argv[2:]
true_tls = recipe.tls
if how:
    def tls(server_side):
        context = true_tls(server_side)
        if "untrusting" in how:
            context.verify_mode = ssl.CERT_NONE
        if "bare" in how:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if "forged" in how:
            context.load_cert_chain("/tmp/forged.pem")
        return context
    recipe.tls = tls
try:
    with recipe.connect(host, 8443) as connection:
        server = "unknown" if connection.context.verify_mode == ssl.CERT_NONE else " ".join(recipe.peer(connection))
        answer = connection.recv(1000).decode()
        print(f"server {server}; client {answer}" if answer else "refused: closed")
except OSError as error:
    print("refused:", error)
"""
"""Prints the server's identity, and the client's as the server sees it. Arguments after the address spoil its TLS."""

FOREVER = """
import sys, time
import recipe
host, asked, failed = sys.argv[1], 0, 0
while True:
    try:
        with recipe.connect(host, 8443) as connection:
            assert connection.recv(1000)
    except (OSError, AssertionError) as error:
        failed += 1
        print("failed:", error, flush=True)
    asked += 1
    print("asked", asked, "failed", failed, flush=True)
    time.sleep(0.1)
"""
"""Connects without end, each time with a new connection."""


def config(**more: str) -> Json:
    """Return the ConfigMap with the recipe and the programs that use it."""
    (recipe,) = blocks(CERTIFICATES, "python")
    data = {"recipe.py": recipe, "serve.py": SERVE, "ask.py": ASK, "forever.py": FOREVER, **more}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "peer"}, "data": data}


def volumes(policy: str) -> list[Json]:
    """Return the volumes of a peer: its certificate and trust bundle, and its programs."""
    certificate = {"signerName": SIGNER, "keyType": "ECDSAP256", "credentialBundlePath": "tls.pem"}
    selector = {"matchLabels": {"sovereignty.dev/trust-of": policy}}
    trusted = {"signerName": SIGNER, "labelSelector": selector, "path": "ca.pem"}
    sources = [{"podCertificate": certificate}, {"clusterTrustBundle": trusted}]
    return [
        {"name": "identity", "projected": {"sources": sources}},
        {"name": "peer", "configMap": {"name": "peer"}},
    ]


def peer_pod(
    name: str, node: str, *command: str, policy: str = "secnumcloud", image: str = PYTHON, **spec: Any
) -> Json:
    """Return a pod that mounts a certificate and the programs; without a command it only idles."""
    made = pod(name, labels={"app": name}, nodeSelector={"kubernetes.io/hostname": node}, **spec)
    (container,) = made["spec"]["containers"]
    container |= {
        "image": image,
        "volumeMounts": [
            {"name": "identity", "mountPath": "/identity"},
            {"name": "peer", "mountPath": "/peer"},
        ],
    }
    if command:
        container["command"] = list(command)
    made["spec"]["volumes"] = volumes(policy)
    return made


def server_pod(name: str, node: str, **options: Any) -> Json:
    """Return a pod that runs the server program."""
    made = peer_pod(name, node, "python3", "/peer/serve.py", **options)
    made["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 8443}, "periodSeconds": 1}
    return made


def address(admin: Kubectl, namespace: str, name: str) -> str:
    """Wait until a pod is ready, and return its address."""
    admin.run("-n", namespace, "wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
    found: str = admin.get("pod", name, namespace)["status"]["podIP"]
    return found


def ask(admin: Kubectl, namespace: str, client: str, host: str, *how: str) -> str:
    """Have a client connect to a server, and return what the client prints."""
    return admin.run("-n", namespace, "exec", client, "--", "python3", "/peer/ask.py", host, *how).strip()


def pair(admin: Kubectl, namespace: str) -> str:
    """Start a server in Brest and a client in Lyon, and return the server's address."""
    admin.apply(config(), server_pod("server", "brest-1"), peer_pod("client", "lyon-1"), namespace=namespace)
    host = address(admin, namespace, "server")
    address(admin, namespace, "client")
    # A trust bundle that has just changed may take some time to reach the pods.
    eventually(
        lambda: not ask(admin, namespace, "client", host).startswith("refused"), seconds=90, what="a first answer"
    )
    return host


class Asker:
    """A pod in Lyon that connects to a server in Brest without end, each time with a new TLS connection."""

    def __init__(self, admin: Kubectl, namespace: str) -> None:
        self._admin, self._namespace = admin, namespace
        host = pair(admin, namespace)
        admin.apply(peer_pod("asker", "lyon-1", "python3", "/peer/forever.py", host), namespace=namespace)
        address(admin, namespace, "asker")

    def so_far(self) -> tuple[int, str]:
        """Return the number of attempts so far, and the first failures."""
        lines = self._admin.run("-n", self._namespace, "logs", "asker").splitlines()
        failures = [line for line in lines if line.startswith("failed:")]
        return sum(line.startswith("asked") for line in lines), "; ".join(failures[:3])

    def goes_on(self) -> None:
        """Wait for some more attempts, and check that none has failed."""
        begun, _ = self.so_far()
        eventually(lambda: self.so_far()[0] > begun + 20, what="traffic")
        assert not self.so_far()[1]

    def certificate(self) -> str:
        """Return the certificate audit annotation of the pod."""
        return audit(self._admin.get("pod", "asker", self._namespace)).get("certificate", "")
