"""A kubelet's probes and hooks have the same results when the pod's traffic goes through a sidecar."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hack.cluster import Cluster
from hack.images import public
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.pki.serving import Serving, make_authority
from tests.e2e.support.manifests import pod, pod_spec
from tests.e2e.support.observed import events
from tests.e2e.support.peers import PYTHON
from tests.e2e.support.sidecars import sidecar_of
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import encrypting_policy

POLICY = "hospital-probed"
AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.53"

WEB, SECURE, BARE, GRPC, GRPC_CONTROL, DEAD = 8080, 8443, 8081, 5000, 5001, 8099
WELL = "/state/well"

SERVE = f"""
import http.server, os, socket, ssl, threading, urllib.request
from pathlib import Path

well, bare = Path("{WELL}"), []

def become(state):
    urllib.request.urlopen(f"http://localhost:{GRPC_CONTROL}/make-" + ("serving" if state == "well" else "not-serving"))
    if state == "well":
        well.touch()
        bare.append(socket.create_server(("", {BARE})))
    else:
        well.unlink()
        bare.pop().close()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path.startswith("/become/"):
            become(path.removeprefix("/become/"))
            self.send_response(200)
            self.end_headers()
            return
        right = well.exists() and (path != "/asked" or (query, self.headers["X-Who"]) == ("verbose=1", "kubelet"))
        self.send_response((302 if path == "/moved" else 200) if right else 503)
        if path == "/moved":
            self.send_header("Location", "/login")
        self.end_headers()

    def log_message(self, _, request, *more):
        print(request.split()[1], flush=True)

web = http.server.ThreadingHTTPServer(("", {WEB}), Handler)
secure = http.server.ThreadingHTTPServer(("", {SECURE}), Handler)
Path("/tmp/tls.pem").write_text(os.environ["TLS"])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.load_cert_chain("/tmp/tls.pem")
secure.socket = context.wrap_socket(secure.socket, server_side=True)
threading.Thread(target=secure.serve_forever, daemon=True).start()
web.serve_forever()
"""
"""Switches between well and ill for every kind of probe, and prints the paths of its requests."""

ANSWERS = f"import socket; socket.create_connection(('localhost', {WEB}))"

READINESS: dict[str, Json] = {
    "http": {"httpGet": {"port": WEB, "path": "/well"}},
    "http-by-name": {"httpGet": {"port": "web", "path": "/well"}},
    "http-with-more": {
        "httpGet": {"port": WEB, "path": "/asked?verbose=1", "httpHeaders": [{"name": "X-Who", "value": "kubelet"}]}
    },
    "http-moved": {"httpGet": {"port": WEB, "path": "/moved"}},
    "https": {"httpGet": {"port": SECURE, "path": "/well", "scheme": "HTTPS"}},
    "tcp": {"tcpSocket": {"port": BARE}},
    "grpc": {"grpc": {"port": GRPC}},
    "exec": {"exec": {"command": ["test", "-e", WELL]}},
}
"""The readiness probe of each container. The servers run in other containers of the pod."""

LIVENESS: Json = {"httpGet": {"port": WEB, "path": "/alive"}, "periodSeconds": 1, "failureThreshold": 1}
GREETING: Json = {"postStart": {"httpGet": {"port": WEB, "path": "/greeted"}}}


@pytest.fixture(scope="module")
def policy(admin: Kubectl, cluster: Cluster) -> Iterator[str]:
    """A policy in Strict from the start."""
    cluster.load_image(public.archive(PYTHON))
    cluster.load_image(public.archive(AGNHOST))
    with encrypting_policy(admin, cluster, POLICY, "Strict") as name:
        yield name


def probed() -> Json:
    """Return a pod with a server, and with a container for each kind of probe."""
    now, names = datetime.now(UTC), ("server",)
    serving = Serving.sign(make_authority(names, now), names, now)
    idle = pod_spec()["containers"][0] | {"volumeMounts": [{"name": "state", "mountPath": "/state"}]}
    server = idle | {
        "name": "server",
        "image": PYTHON,
        "command": ["python3", "-c", SERVE],
        "env": [{"name": "TLS", "value": (serving.key_pem + serving.chain_pem).decode()}],
        # The containers after this one start when the hook has finished.
        "lifecycle": {
            "postStart": {"exec": {"command": ["sh", "-c", f'until python3 -c "{ANSWERS}"; do sleep 0.2; done']}}
        },
    }
    health = {
        "name": "health",
        "image": AGNHOST,
        "imagePullPolicy": "IfNotPresent",
        "args": ["grpc-health-checking", f"--port={GRPC}", f"--http-port={GRPC_CONTROL}"],
    }
    named = {"ports": [{"name": "web", "containerPort": WEB}]}
    asking = [
        idle | named | {"name": name, "readinessProbe": probe | {"periodSeconds": 1, "failureThreshold": 1}}
        for name, probe in READINESS.items()
    ]
    others = [idle | {"name": "mortal", "livenessProbe": LIVENESS}, idle | {"name": "greeter", "lifecycle": GREETING}]
    volumes = [{"name": "state", "emptyDir": {}}]
    return pod("probed", containers=[server, health, *asking, *others], volumes=volumes)


def become(admin: Kubectl, namespace: str, state: str) -> None:
    """Switch the server to well or ill."""
    ask = f"import urllib.request; urllib.request.urlopen('http://localhost:{WEB}/become/{state}')"
    admin.run("-n", namespace, "exec", "probed", "-c", "server", "--", "python3", "-c", ask)


def statuses(admin: Kubectl, namespace: str) -> dict[str, Json]:
    """Return the kubelet's status of each container."""
    return {found["name"]: found for found in admin.get("pod", "probed", namespace)["status"]["containerStatuses"]}


def until_ready(admin: Kubectl, namespace: str, expected: set[str]) -> None:
    """Wait until exactly these of the containers with readiness probes are ready."""

    def look() -> bool:
        ready = {name for name, status in statuses(admin, namespace).items() if status["ready"]} & READINESS.keys()
        assert ready == expected, ready ^ expected
        return True

    eventually(look, what="who is ready")


def test_probes_follow_what_they_ask(admin: Kubectl, policy: str, space: Space) -> None:
    namespace = space(policy)
    admin.apply(probed(), namespace=namespace)
    assert sidecar_of(admin.get("pod", "probed", namespace))
    eventually(lambda: statuses(admin, namespace)["greeter"]["state"]["running"], seconds=90, what="all containers")
    become(admin, namespace, "well")
    for _ in range(2):
        until_ready(admin, namespace, set(READINESS))
        restarts = statuses(admin, namespace)["mortal"]["restartCount"]
        become(admin, namespace, "ill")
        until_ready(admin, namespace, set())
        eventually(
            lambda before=restarts: statuses(admin, namespace)["mortal"]["restartCount"] > before,  # type: ignore[misc]
            what="a restart",
        )
        become(admin, namespace, "well")
    said = admin.run("-n", namespace, "logs", "probed", "-c", "server").splitlines()
    assert said.count("/greeted") == 1


def test_a_hook_that_nobody_answers_fails(admin: Kubectl, policy: str, space: Space) -> None:
    namespace = space(policy)
    made = pod("unanswered")
    made["spec"]["containers"][0]["lifecycle"] = {"postStart": {"httpGet": {"port": DEAD, "path": "/"}}}
    admin.apply(made, namespace=namespace)
    eventually(lambda: "FailedPostStartHook" in events(admin, namespace, "unanswered"), what="word of it")
