"""The sidecar answers a kubelet's probes and hooks as the application would answer them."""

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
from sovereign_operator.controller.observed.sidecar_polling import VERSION
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.dataplane.bootstrap import CLIENT_SECONDS
from sovereign_operator.dataplane.kubelets import HOOK_AGENT
from tests.dataplane.talk import Echo, frame, literal

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


def certified(folder: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> Path:
    """Write a self-signed certificate with its key."""
    name, now = x509.Name([]), datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    signed = made.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(Encoding.PEM)
    path = folder / "tls.pem"
    path.write_bytes(pem)
    return path


def tls(pem: Path, *, oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
    """Return the TLS settings of a server."""
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
        assert pods.ask(pods.server, "/healthz", live) == (200, b"")
        # Only the path of the probe can be requested.
        for other in ("/admin", "/healthz?verbose=1", "/healthz?"):
            assert pods.ask(pods.server, other, live)[0] == 404
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
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ne\r\n0\r\nEvil: evil\r\n\r\n",
        b"PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /?evil HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT evil:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nevil",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_the_port_of_a_probe_is_for_looking_only(pods: Road, question: bytes) -> None:
    probed(pods, Probe(ProbeKind.HTTP, APP_PORT, "/"))
    with Echo(pods.server.net, APP_PORT, answer=b"HTTP/1.0 200 OK\r\n\r\nfine") as app:
        connection = pods.node.connect(pods.server.address, FIRST)
        connection.sendall(question)
        assert connection.recv(10) == b"HTTP/1.1 4"
        assert not app.heard
        assert pods.ask(pods.server, "/", FIRST) == (200, b"")


def test_a_server_of_tls_that_a_kubelet_could_ask_is_asked(pods: Road, tmp_path: Path) -> None:
    """Some servers have each of these settings, and a kubelet, which is written in Go, accepts all of them."""
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
            assert pods.ask(server, "/", FIRST) == (200, b"")
    keys = (
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP521R1()),
        rsa.generate_private_key(65537, 2048),
    )
    for key in keys:
        with web(server, tls(certified(tmp_path, key))):
            assert pods.ask(server, "/", FIRST) == (200, b""), key


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
    """As a kubelet does: a kept connection could be closed just as the next request comes, which would then fail."""
    server = probed(pods, Probe(ProbeKind.HTTP, APP_PORT))
    with web(server) as asked_from:
        for _ in range(5):
            assert pods.ask(server, "/", FIRST) == (200, b"")
    assert len(set(asked_from)) == 5


def test_a_hook_takes_as_long_as_it_takes_and_who_does_not_ask_is_let_go(pods: Road) -> None:
    """The hook takes longer than any time limit of this port; sending the request has one."""
    limit = float(CLIENT_SECONDS.removesuffix("s"))
    server = probed(pods, Probe(ProbeKind.HTTP, APP_PORT, "/drain"))
    slow = pods.node.connect(server.address, FIRST, wait=PATIENCE)
    slow.sendall(b"GET /drain HTTP/1.1\r\nHost: x\r\n")

    def ask() -> tuple[int, bytes]:
        with closing(HTTPConnection(server.address, FIRST, timeout=PATIENCE)) as connection:
            connection.request("GET", "/drain", headers={"User-Agent": f"{HOOK_AGENT}1.37"})
            answer = connection.getresponse()
            return answer.status, answer.read()

    # When a kubelet runs a hook, only an invalid Location header counts as a failure.
    assert b"\r\nlocation: : no answer\r\n" in raw(
        pods, FIRST, "Host: x", f"User-Agent: {HOOK_AGENT}1.37", path="/drain"
    )
    with web(server, seconds=limit + 2):
        assert pods.node.within(ask) == (200, b"")
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


SECRET = "the-patient-has-measles"


def raw(pods: Road, port: int, *lines: str, path: str = "/healthz") -> bytes:
    """Request a probed path from the server with these headers, and return the whole answer."""
    connection = pods.node.connect(pods.server.address, port)
    connection.sendall("\r\n".join((f"GET {path} HTTP/1.1", *lines, "Connection: close", "", "")).encode())
    with connection.makefile("rb") as stream:
        return stream.read()


def test_a_probe_carries_nothing_to_the_application_and_nothing_but_a_status_back(pods: Road) -> None:
    probed(pods, Probe(ProbeKind.HTTP, APP_PORT, "/healthz"))
    answer = f"HTTP/1.1 418 {SECRET}\r\nX-Said: {SECRET}\r\nSet-Cookie: {SECRET}\r\nContent-Length: 23\r\n\r\n{SECRET}"
    with Echo(pods.server.net, APP_PORT, answer=answer.encode()) as app:
        plain = raw(pods, FIRST, "Host: x")
        asked = raw(
            pods,
            FIRST,
            f"Host: {SECRET}",
            f"User-Agent: {SECRET}",
            f"X-Said: {SECRET}",
            "X-Envoy-Upstream-Rq-Timeout-Ms: 100000",
            f"X-Forwarded-For: {SECRET}",
            f"Cookie: {SECRET}",
            f"Authorization: Bearer {SECRET}",
        )
        assert app.heard[0] == app.heard[1]
    assert plain.startswith(b"HTTP/1.1 418 ")
    assert SECRET.encode() not in asked + plain
    head, _, body = plain.partition(b"\r\n\r\n")
    assert not body.strip(b"\r\n0")
    assert {line.split(b":")[0] for line in head.split(b"\r\n")[1:]} <= {b"date", b"transfer-encoding", b"connection"}


@pytest.mark.parametrize("first", ["100 Continue", "103 Early Hints", "101 Switching Protocols"])
def test_no_answer_before_the_answer_says_more(pods: Road, first: str) -> None:
    probed(pods, Probe(ProbeKind.HTTP, APP_PORT, "/healthz"))
    early = f"HTTP/1.1 {first}\r\nX-Said: {SECRET}\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    late = "HTTP/1.1 200 OK\r\nTrailer: X-Said\r\nTransfer-Encoding: chunked\r\n\r\n"
    late += f"1\r\nx\r\n0\r\nX-Said: {SECRET}\r\n\r\n"
    with Echo(pods.server.net, APP_PORT, answer=(early + late).encode()) as app:
        found = raw(pods, FIRST, "Host: x", "Expect: 100-continue", "TE: trailers")
        assert len(app.heard) == 1
    assert re.fullmatch(rb"HTTP/1.1 [1-5]\d\d .*", found.split(b"\r\n")[0])
    assert SECRET.encode() not in found


def test_a_probe_asks_what_it_was_told_to_ask(pods: Road) -> None:
    headers = (("Host", "clinic.example.org"), ("X-Who", "a b=c&d"), ("X-Who", "again"), ("Accept", ""))
    probed(pods, Probe(ProbeKind.HTTP, APP_PORT, "/healthz?verbose=1&x", headers))
    with Echo(pods.server.net, APP_PORT, answer=b"HTTP/1.0 200 OK\r\n\r\nfine") as app:
        assert pods.ask(pods.server, "/healthz?verbose=1&x", FIRST) == (200, b"")
        (heard,) = app.heard
    lines = heard.decode().lower().split("\r\n")
    assert lines[0] == "get /healthz?verbose=1&x http/1.1"
    assert {"host: clinic.example.org", "x-who: a b=c&d", "x-who: again", "user-agent: kube-probe/1"} <= set(lines)
    assert not any(line.startswith("accept:") for line in lines)


class Health:
    """A gRPC server that answers one request, and keeps the request's headers, not decoded, and its content."""

    def __init__(self, pod: Pod, message: bytes, word: str) -> None:
        self._listener, self._message, self._word = pod.net.listen("", APP_PORT, uid=1000), message, word
        self.heard: list[tuple[bytes, bytes]] = []
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        with self._listener.accept() as connection, connection.makefile("rb") as stream:
            connection.sendall(frame(4, 0, b"", 0))
            stream.read(24)
            headers, content, ended = b"", b"", False
            while not ended:
                head = stream.read(9)
                part = stream.read(int.from_bytes(head[:3]))
                kind, ended = head[3], bool(head[4] & 1) and head[3] in {0, 1}
                headers += part if kind == 1 else b""
                content += part if kind == 0 else b""
            self.heard.append((headers, content))
            said = b"\0" + len(self._message).to_bytes(4) + self._message
            connection.sendall(
                frame(1, 4, b"\x88" + literal("content-type", "application/grpc") + literal("x-said", self._word))
                + frame(0, 0, said)
                + frame(1, 5, literal("grpc-status", "0") + literal("grpc-message", self._word))
            )
            stream.read()

    def until_asked(self) -> tuple[bytes, bytes]:
        self._thread.join(PATIENCE)
        self._listener.bound.close()
        return self.heard[0]


def call(pods: Road, content: bytes, *headers: bytes) -> dict[int, list[bytes]]:
    """Call the method that a kubelet calls. Return the content of the answer's frames by their kind."""
    method = ((":method", "POST"), (":scheme", "http"), (":path", "/grpc.health.v1.Health/Check"), (":authority", "x"))
    asked = b"".join((*(literal(*each) for each in method), literal("te", "trailers"), *headers))
    found: dict[int, list[bytes]] = {}
    with pods.node.connect(pods.server.address, FIRST) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, b"", 0))
        connection.sendall(frame(1, 4, asked) + frame(0, 0, content) + frame(1, 5, literal("x-last", "word")))
        while len(found.get(1, ())) < 2:
            head = stream.read(9)
            found.setdefault(head[3], []).append(stream.read(int.from_bytes(head[:3])))
    return found


SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (SERVING, SERVING),
        (NOT_SERVING, NOT_SERVING),
        (b"", NOT_SERVING),
        (SERVING + b"\x12\x17" + SECRET.encode(), NOT_SERVING),
        (SECRET.encode(), NOT_SERVING),
    ],
)
def test_the_port_of_a_grpc_probe_is_no_tunnel(pods: Road, message: bytes, expected: bytes) -> None:
    """Each side receives the same, whatever else the other side sends."""
    probed(pods, Probe(ProbeKind.GRPC, APP_PORT, "/ward"))
    request = b"\0\0\0\0\6\n\4ward"
    heard, answers = [], []
    for word in ("", SECRET):
        app = Health(pods.server, message, word)
        answers.append(call(pods, request + word.encode(), literal("x-said", word), literal("user-agent", word)))
        heard.append(app.until_asked())
    assert heard[0] == heard[1]
    assert heard[0][1] == request
    assert [answer[0] for answer in answers] == 2 * [[b"\0\0\0\0\2" + expected]]
    # Headers may be compressed, so that the secret would not be found, but not without changing their length.
    assert [list(map(len, answer[1])) for answer in answers] == 2 * [[len(part) for part in answers[0][1]]]
    assert answers[0][1][1] == answers[1][1][1]
