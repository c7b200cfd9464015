"""A signer for sidecars: a real server with the contract of the operator's, which answers what a test says."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from socket import socket
from tempfile import NamedTemporaryFile
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.pki import leaf
from sovereign_operator.pki.authority import Authority
from sovereign_operator.pki.serving import Serving, make_authority
from tests.certificates import TRUST_DOMAIN, WORKLOAD

HOST: Final = "sovereign-signer.sovereign-system.svc"
PATIENCE: Final = 30.0
"""Seconds. Nothing takes as long, unless it never comes."""
NOW: Final = datetime.now(UTC).replace(microsecond=0)
"""When the tests were collected, which may be hours before one of them runs."""
SERVING: Final = make_authority([HOST, "elsewhere.example.org"], NOW)
AUTHORITY: Final = Authority.make(
    "secnumcloud",
    "brest",
    trust_domain=TRUST_DOMAIN,
    number="1",
    not_before=NOW - timedelta(days=1),
    not_after=NOW + timedelta(days=30),
)


@dataclass(frozen=True)
class Asked:
    """A request that the signer got."""

    path: str
    token: str
    content_type: str
    content: bytes
    tls: str
    host: str

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The key for which a certificate is wanted."""
        found = x509.load_der_x509_csr(self.content)
        assert found.is_signature_valid
        assert found.subject == x509.Name([])
        key = found.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return key


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    content: bytes
    headers: dict[str, str] = field(default_factory=dict)


Answerer = Callable[[Asked], Reply]


def certify(key: ec.EllipticCurvePublicKey, begin: datetime, end: datetime) -> str:
    """Return a chain for a key, in PEM."""
    return leaf.issue(
        AUTHORITY, key, WORKLOAD, serial=x509.random_serial_number(), not_before=begin, not_after=end
    ).decode()


def issues(refresh_seconds: int = 3600) -> Answerer:
    """Answer with a certificate."""

    def answer(asked: Asked) -> Reply:
        chain = certify(asked.public_key, NOW - timedelta(minutes=1), NOW + timedelta(hours=20))
        return Reply(200, json.dumps({"certificateChain": chain, "refreshInSeconds": refresh_seconds}).encode())

    return answer


def refuses(status: int, reason: str, message: str = "see the runbook", retry_after: str = "") -> Answerer:
    """Answer with a reason."""
    content = json.dumps({"reason": reason, "message": message}).encode()
    return lambda _: Reply(status, content, {"Retry-After": retry_after} if retry_after else {})


def says(status: int, content: bytes, headers: dict[str, str] | None = None) -> Answerer:
    """Answer with whatever a test says."""
    return lambda _: Reply(status, content, headers or {})


class StandInSigner:
    """The server. Each answer serves one request; the last one serves all that follow."""

    def __init__(self, *answers: Answerer) -> None:
        self.answers = list(answers)
        self.asked: Queue[Asked] = Queue()
        self.count = 0

    def next_request(self) -> Asked:
        """Wait for a request, and return it. Its answer is on the way."""
        return self.asked.get(timeout=PATIENCE)

    @contextmanager
    def serve(
        self,
        host: str = HOST,
        port: int = 0,
        bound: socket | None = None,
        newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    ) -> Iterator[str]:
        """Serve with a certificate for a host, at a port of this machine or a socket that listens. Yield the address.

        ``newest`` is the newest version of TLS that it speaks.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = newest
        served = Serving.sign(SERVING, [host], NOW)
        with NamedTemporaryFile() as file:
            Path(file.name).write_bytes(served.key_pem + served.chain_pem)
            context.load_cert_chain(file.name)
        with ThreadingHTTPServer(("127.0.0.1", port), self._handler(), bind_and_activate=bound is None) as server:
            if bound:
                server.socket.close()
                server.socket = bound
            address, number = server.socket.getsockname()[:2]
            server.socket = context.wrap_socket(server.socket, server_side=True)
            serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            serving.start()
            try:
                yield f"{address}:{number}"
            finally:
                server.shutdown()
                serving.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        signer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                connection = self.connection
                assert isinstance(connection, ssl.SSLSocket)
                content = self.rfile.read(int(self.headers["Content-Length"]))
                asked = Asked(
                    self.path,
                    self.headers["Authorization"].removeprefix("Bearer "),
                    self.headers["Content-Type"],
                    content,
                    connection.version() or "",
                    self.headers["Host"],
                )
                answerer = signer.answers[min(signer.count, len(signer.answers) - 1)]
                signer.count += 1
                reply = answerer(asked)
                signer.asked.put(asked)
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.content)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.content)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@dataclass(frozen=True)
class Files:
    """The folders of a sidecar."""

    identity: Path
    own: Path

    @classmethod
    def make(cls, folder: Path, *addresses: str, host: str = HOST, authority: Authority = SERVING) -> "Files":
        """Write the files of a pod: a token, and where the signer is."""
        made = cls(folder / "identity", folder / "own")
        made.identity.mkdir()
        made.own.mkdir()
        made.give(sidecar.TOKEN, "token-1\n")
        made.give(sidecar.SIGNER_CA, authority.certificate_pem.decode())
        made.give(sidecar.SIGNER_ADDRESSES, json.dumps({"host": host, "addresses": addresses}))
        return made

    def give(self, name: str, content: str) -> None:
        """Write a file of the pod."""
        (self.identity / name).write_text(content)

    @property
    def credentials(self) -> Path:
        """The key and the certificate."""
        return self.own / sidecar.CREDENTIALS
