"""What a kubelet asks of an application is answered through the sidecar as the application would answer the kubelet."""

import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hack.dataplane.pods import PATIENCE, Pod, Road
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.controller.traffic import VERSION
from sovereign_operator.core import sidecar
from sovereign_operator.core.sidecar import Probe, ProbeKind
from sovereign_operator.dataplane.bootstrap import ASK_SECONDS, HOOK_AGENT
from tests.dataplane.talk import Echo

STRICT = EncryptionMode.STRICT
APP_PORT = 8080
FIRST = sidecar.PROBE_PORTS[0]


def probed(pods: Road, *probes: Probe) -> Pod:
    """Start the server's sidecar with these probes."""
    pods.server.tell(STRICT)
    pods.server.start(probes)
    pods.until_ready(pods.server)
    return pods.server


class Web(BaseHTTPRequestHandler):
    """Answers, and keeps its connections."""

    protocol_version = "HTTP/1.1"
    seconds = 0.0
    """How long it takes."""
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
        """Keep quiet."""


@contextmanager
def web(pod: Pod, context: ssl.SSLContext | None = None, seconds: float = 0) -> Iterator[list[tuple[str, int]]]:
    """Serve in a pod, and yield from where it is asked."""
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


def certified(folder: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> Path:
    """Write a certificate that nobody trusts, with its key."""
    name, now = x509.Name([]), datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    signed = made.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(Encoding.PEM)
    path = folder / "tls.pem"
    path.write_bytes(pem)
    return path


def tls(pem: Path, *, oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
    """Return what a server goes by."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = oldest
    context.load_cert_chain(pem)
    return context


def test_probes_of_a_kubelet_mean_what_they_meant(pods: Road) -> None:
    live, open_port, dead_port = sidecar.PROBE_PORTS[:3]
    tcp = (Probe(ProbeKind.TCP, port) for port in (APP_PORT, APP_PORT + 1))
    probed(pods, Probe(ProbeKind.HTTP, APP_PORT, "/healthz"), *tcp)
    # Nobody listens yet.
    assert pods.ask(pods.server, "/healthz", live)[0] == 503
    with Echo(pods.server.net, APP_PORT, answer=b"HTTP/1.0 200 OK\r\n\r\nfine"):
        assert pods.ask(pods.server, "/healthz?verbose=1", live) == (200, b"fine")
        # Nothing but what is probed can be asked for.
        assert pods.ask(pods.server, "/admin", live)[0] == 404
        pods.node.connect(pods.server.address, open_port).close()
        with pytest.raises(ConnectionRefusedError):
            pods.node.connect(pods.server.address, dead_port)
    with pytest.raises(ConnectionRefusedError):
        pods.node.connect(pods.server.address, open_port)


@pytest.mark.parametrize(
    "question",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nevil",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nevil",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        b"PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_the_port_of_a_probe_is_for_looking_only(pods: Road, question: bytes) -> None:
    probed(pods, Probe(ProbeKind.HTTP, APP_PORT, "/"))
    with Echo(pods.server.net, APP_PORT, answer=b"HTTP/1.0 200 OK\r\n\r\nfine") as app:
        connection = pods.node.connect(pods.server.address, FIRST)
        connection.sendall(question)
        assert connection.recv(12) in {b"HTTP/1.1 404", b"HTTP/1.1 413"}
        assert not app.heard
        assert pods.ask(pods.server, "/", FIRST) == (200, b"fine")


def test_a_server_of_tls_that_a_kubelet_could_ask_is_asked(pods: Road, tmp_path: Path) -> None:
    """Each is what some servers are set to, and all of them pass with a kubelet, which is written in Go."""
    usual = certified(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    newest = tls(usual, oldest=ssl.TLSVersion.TLSv1_3)
    old = tls(usual)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("ECDHE-ECDSA-AES256-SHA")
    curve = tls(usual)
    curve.set_ecdh_curve("secp384r1")
    server = probed(pods, Probe(ProbeKind.HTTPS, APP_PORT))
    for context in (newest, old, curve):
        with web(server, context):
            assert pods.ask(server, "/", FIRST) == (200, b"fine")
    keys = (
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP521R1()),
        rsa.generate_private_key(65537, 2048),
    )
    for key in keys:
        with web(server, tls(certified(tmp_path, key))):
            assert pods.ask(server, "/", FIRST) == (200, b"fine"), key


def test_a_server_that_speaks_only_http_2_by_tls_is_asked(pods: Road, tmp_path: Path) -> None:
    context = tls(certified(tmp_path, ec.generate_private_key(ec.SECP256R1())))
    context.set_alpn_protocols(["h2"])
    server = probed(pods, Probe(ProbeKind.HTTPS, APP_PORT))
    listener = server.net.listen("", APP_PORT, uid=1000)

    def answer() -> None:
        with context.wrap_socket(listener.accept(), server_side=True) as connection:
            connection.sendall(b"\0\0\0\4\0\0\0\0\0")  # our settings
            stream = connection.makefile("rb")
            assert stream.read(24).startswith(b"PRI * HTTP/2.0")
            kind = None
            while kind != 1:  # headers
                frame = stream.read(9)
                kind = frame[3]
                stream.read(int.from_bytes(frame[:3]))
            connection.sendall(b"\0\0\1\1\5\0\0\0\1\x88")  # headers that end stream 1: status 200
            stream.read()

    threading.Thread(target=answer, daemon=True).start()
    assert pods.ask(server, "/", FIRST) == (200, b"")


def test_each_question_is_asked_on_a_connection_of_its_own(pods: Road) -> None:
    """As a kubelet does: one that is kept could be closed just as the next question comes, which would then fail."""
    server = probed(pods, Probe(ProbeKind.HTTP, APP_PORT))
    with web(server) as asked_from:
        for _ in range(5):
            assert pods.ask(server, "/", FIRST) == (200, b"fine")
    assert len(set(asked_from)) == 5


def test_a_hook_takes_as_long_as_it_takes_and_who_does_not_ask_is_let_go(pods: Road) -> None:
    """It takes longer than all that has a limit on this port, which asking has."""
    limit = float(ASK_SECONDS.removesuffix("s"))
    server = probed(pods, Probe(ProbeKind.HTTP, APP_PORT, "/drain"))
    slow = pods.node.connect(server.address, FIRST, wait=PATIENCE)
    slow.sendall(b"GET /drain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")

    def ask() -> tuple[int, bytes]:
        with closing(HTTPConnection(server.address, FIRST, timeout=PATIENCE)) as connection:
            connection.request("GET", "/drain", headers={"User-Agent": f"{HOOK_AGENT}1.37"})
            answer = connection.getresponse()
            return answer.status, answer.read()

    with web(server, seconds=limit + 2):
        assert pods.node.within(ask) == (200, b"fine")
    assert slow.recv(12) == b"HTTP/1.1 408"


def test_nobody_outside_sees_more_of_the_state_than_the_controller_needs(pods: Road) -> None:
    server = probed(pods)
    names = pods.state(server).keys()
    assert names
    assert all(
        name == VERSION or re.fullmatch(r"cluster\.inbound-\w+\.upstream_cx_(total|active)", name) for name in names
    )
    for path in ("/state?|.*", "/state?filter=.*", "/state?", "/state/../stats", "/stats", "/state;x"):
        assert pods.ask(server, path)[0] == 404, path
