"""Two pods in two datacentres talk in plaintext, then by mutual TLS, which no pod outside the policy can join."""

import json
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from hack import estate
from hack.capture import captured
from hack.cluster.cluster import Cluster
from hack.demo import screen
from hack.kubectl import Json, Kubectl, eventually

POLICY: Final = "hospital-encrypted"
SPACE: Final = "ward"
OUTSIDE: Final = "elsewhere"
IMAGE: Final = "docker.io/library/python:3"
PORT: Final = 8080
WORD: Final = "GET /patients/4711/measles"
SERVER_NODE, CLIENT_NODE, OTHER_NODE = "brest-1", "lyon-1", "paris-1"

SERVE: Final = """
import http.server
class Records(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"found")
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", 8080), Records).serve_forever()
"""

ASK: Final = """
import http.client, time
while True:
    connection = http.client.HTTPConnection("records", 8080, timeout=5)
    try:
        while True:
            connection.request("GET", "/patients/4711/measles")
            print("answered" if connection.getresponse().read() == b"found" else "nonsense", flush=True)
            time.sleep(0.1)
    except (OSError, http.client.HTTPException) as error:
        print("ended:", error or "closed", flush=True)
        time.sleep(0.5)
"""
"""Sends requests on one connection until it ends, then opens another."""


def show(cluster: Cluster, kubectl: Kubectl) -> Callable[[float], None]:
    """Show encryption up to the withdrawal, which the caller makes. Return a function that shows the disconnect.

    Its argument is the monotonic time at which the withdrawal began. Raises AssertionError if a promise is broken.
    """
    screen.title("Encryption: a doctor's pod in Lyon asks for records in Brest. A listener captures the nodes' traffic")
    prepare(kubectl)
    screen.ran("tcpdump   # on the nodes' network")
    with captured(cluster, WORD) as seen:
        until_answered(kubectl)
    assert seen.bare, "the capture sees nothing"
    screen.result(
        f"{seen.bare_bytes[0].decode(errors='replace').split(chr(13))[0]}   <- anyone on the network can read it"
    )
    screen.ran(
        f"kubectl patch sovereigntypolicy {POLICY} ...   # encryptionInTransit: {{mode: Strict}}; then a roll-out"
    )
    encrypt(cluster, kubectl)
    with captured(cluster, WORD) as seen:
        until_answered(kubectl)
    assert not seen.bare, seen.bare_bytes
    assert seen.encrypted, "the capture sees nothing"
    screen.ran("tcpdump   # on the nodes' network")
    screen.result(f"{seen.encrypted_bytes[0][:16].hex(' ')} ...   <- TLS 1.3; readable requests: {seen.bare}")
    server = kubectl.list("pods", SPACE, "app=records")[0]["status"]["podIP"]
    screen.ran("openssl s_client -showcerts   # the issuer names the server's datacentre")
    screen.result(read_issuer(cluster, server))
    screen.ran(f"kubectl -n {OUTSIDE} exec stranger -- curl records   # no sidecar, no qualified datacentre")
    screen.result(ask_from_outside(kubectl, server))
    return partial(show_cut, kubectl)


def reset(kubectl: Kubectl) -> None:
    """Remove what an earlier demo left."""
    kubectl.delete("namespace", SPACE, OUTSIDE)
    kubectl.delete("sovereigntypolicy", POLICY)


def prepare(kubectl: Kubectl) -> None:
    """Start two pods that talk, and a third one in another namespace."""
    kubectl.apply(estate.policy(kubectl, POLICY))
    eventually(lambda: kubectl.get("sovereigntypolicy", POLICY)["status"]["nodes"], what="nodes for the policy")
    for name, labels in ((SPACE, {"sovereignty.dev/enforce": POLICY}), (OUTSIDE, {})):
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        eventually(lambda name=name: kubectl.get("serviceaccount", "default", name), what="a service account")  # type: ignore[misc]
    service = {"selector": {"app": "records"}, "ports": [{"port": PORT}]}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "records"}, "spec": service},
        deployment("records", SERVER_NODE, SERVE),
        deployment("doctor", CLIENT_NODE, ASK),
        namespace=SPACE,
    )
    kubectl.apply(deployment("stranger", OTHER_NODE, "import time; time.sleep(10**9)"), namespace=OUTSIDE)
    roll_out(kubectl, SPACE, "records", "doctor")
    roll_out(kubectl, OUTSIDE, "stranger")


def deployment(name: str, node: str, program: str) -> Json:
    """Return a Deployment of one pod on a node."""
    labels = {"app": name}
    container = {"name": name, "image": IMAGE, "command": ["python3", "-c", program]}
    spec: dict[str, Any] = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def roll_out(kubectl: Kubectl, namespace: str, *names: str) -> None:
    """Wait until Deployments are rolled out."""
    for name in names:
        kubectl.run("-n", namespace, "rollout", "status", f"deployment/{name}", "--timeout=120s")


def last_word(kubectl: Kubectl) -> str:
    """Return the result of the doctor's last request."""
    return kubectl.run("-n", SPACE, "logs", "deployment/doctor", "-c", "doctor", "--tail=1").strip()


def until_answered(kubectl: Kubectl) -> None:
    """Wait until three requests were answered that were sent from now on."""

    def answered() -> int:
        return kubectl.run("-n", SPACE, "logs", "deployment/doctor", "-c", "doctor").count("answered")

    # The answer to a request that is under way may come first.
    wanted = answered() + 4
    eventually(lambda: answered() >= wanted, what="answered requests")


def encrypt(cluster: Cluster, kubectl: Kubectl) -> None:
    """Switch to Strict. A roll-out adds the sidecars, and connections opened before Preferred have to end."""
    spec = {"mode": "Strict", "clusterNetworks": [estate.network(cluster)], "quietSeconds": 1}
    body = json.dumps({"spec": {"encryptionInTransit": spec}})
    kubectl.run("patch", "sovereigntypolicy", POLICY, "--type=merge", "-p", body)
    kubectl.run("-n", SPACE, "rollout", "restart", "deployment/records", "deployment/doctor")
    roll_out(kubectl, SPACE, "records", "doctor")
    eventually(lambda: encrypted_mode(kubectl) != "Permissive", what="Preferred")
    kubectl.run("-n", SPACE, "rollout", "restart", "deployment/doctor")
    roll_out(kubectl, SPACE, "doctor")
    kubectl.run("wait", f"spol/{POLICY}", "--for=condition=Encrypted", "--timeout=120s")


def encrypted_mode(kubectl: Kubectl) -> str:
    """Return the mode that encryption has reached."""
    return str(kubectl.get("sovereigntypolicy", POLICY)["status"]["encryption"]["mode"])


def read_issuer(cluster: Cluster, server: str) -> str:
    """Return the issuer of the certificate that a pod shows to any client."""
    connect = ["openssl", "s_client", "-connect", f"{server}:{PORT}", "-alpn", "sovereign/1", "-showcerts"]
    said = cluster.node_exec(OTHER_NODE, ["timeout", "5", *connect]).stdout
    issuers = re.findall(r"i:(.*)", said)
    assert issuers, said
    return f"issuer: {issuers[0].strip()}"


def ask_from_outside(kubectl: Kubectl, server: str) -> str:
    """Send a request from a pod without a sidecar, and return the error. Raises AssertionError if it is answered."""
    program = f"import urllib.request as r; print(r.urlopen('http://{server}:{PORT}/', timeout=5).read())"
    done = kubectl.attempt("-n", OUTSIDE, "exec", "deployment/stranger", "--", "python3", "-c", program)
    assert done.returncode, f"a pod outside was answered: {done.stdout}"
    return next(line for line in reversed(done.stderr.splitlines()) if "rror" in line)


def show_cut(kubectl: Kubectl, begun: float) -> None:
    """Show that the client's open connection ends, and that it gets no other."""
    said = eventually(lambda: (word := last_word(kubectl)).startswith("ended") and word, seconds=60, what="the end")
    screen.note(
        f"after {time.monotonic() - begun:.1f} s the doctor's open connection was cut, and no other is let in: {said}"
    )
