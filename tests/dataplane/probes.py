"""A server whose sidecar has probes, and requests for these."""

import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from hack.dataplane.pods import PATIENCE, Pod, Road
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe
from tests.dataplane.links import APP_PORT

STRICT = EncryptionMode.STRICT
FIRST = sidecar.PROBE_PORTS[0]


def probed(pods: Road, *probes: Probe) -> Pod:
    """Start the server's sidecar with these probes."""
    pods.server.tell(STRICT)
    pods.server.start(probes)
    pods.until_ready(pods.server)
    return pods.server


class Web(BaseHTTPRequestHandler):
    """Answers, and keeps its connections open."""

    protocol_version = "HTTP/1.1"
    seconds = 0.0
    """How long an answer takes."""
    asked_from: list[tuple[str, int]]

    def do_GET(self) -> None:
        """Answer."""
        self.asked_from.append(self.client_address)
        time.sleep(self.seconds)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"fine")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def web(pod: Pod, context: ssl.SSLContext | None = None, seconds: float = 0) -> Iterator[list[tuple[str, int]]]:
    """Serve in a pod, and yield the list of addresses from which requests come."""
    asked_from: list[tuple[str, int]] = []
    handler = type("Handler", (Web,), {"asked_from": asked_from, "seconds": seconds})
    server = ThreadingHTTPServer((pod.address, APP_PORT), handler, bind_and_activate=False)
    server.socket.close()
    server.socket = pod.net.listen("", APP_PORT, uid=1000).bound
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield asked_from
    finally:
        server.shutdown()
        server.server_close()


def as_a_kubelet(pod: Pod, program: Path, url: str, *headers: str) -> subprocess.CompletedProcess[str]:
    """Have the program that asks as a kubelet does ask an application, past its sidecar. It fails without an answer."""
    line = ["nsenter", f"--net=/run/netns/{pod.net.name}", str(program), url, *headers]
    return subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, check=False)


SECRET = "the-patient-has-measles"


def raw(pods: Road, port: int, *lines: str, path: str = "/healthz") -> bytes:
    """Request a probed path from the server with these headers, and return the whole answer."""
    connection = pods.node.connect(pods.server.address, port)
    connection.sendall("\r\n".join((f"GET {path} HTTP/1.1", *lines, "Connection: close", "", "")).encode())
    with connection.makefile("rb") as stream:
        return stream.read()
