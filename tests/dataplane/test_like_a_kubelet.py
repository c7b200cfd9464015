"""The application gets the request that a kubelet would send, and may answer whatever a kubelet would accept."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hack.dataplane.pods import Road
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from tests.dataplane.links import APP_PORT
from tests.dataplane.probes import FIRST, as_a_kubelet, probed, raw
from tests.dataplane.talk import Echo

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
HEADERS = (
    ("x-api-KEY", "Secret"),
    ("host", "clinic.example.org"),
    # A kubelet sends none of these.
    ("Content-Length", "7"),
    ("transfer-encoding", "chunked"),
    ("Trailer", "X-After"),
)


@pytest.fixture
def kubelet(pods: Road, program: Path) -> Callable[..., str]:
    """A function that asks the server's application for a path, past its sidecar, and returns the status."""

    def ask(path: str, *headers: str) -> str:
        done = as_a_kubelet(pods.server, program, f"http://127.0.0.1:{APP_PORT}{path}", *headers)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return ask


def names(request: bytes) -> set[bytes]:
    """Return the names of a request's headers, as they are written."""
    return {line.partition(b":")[0] for line in request.split(b"\r\n")[1:] if line}


def test_a_request_has_the_headers_of_a_kubelet_in_the_same_case(pods: Road, kubelet: Callable[..., str]) -> None:
    """It makes no difference to HTTP, but to some applications."""
    probed(pods, Probe(ProbeKind.HTTP, APP_PORT, "/", HEADERS))
    with Echo(pods.server.net, APP_PORT, answer=FINE + b"\r\nfine") as app:
        assert kubelet("/", *map("=".join, HEADERS)) == "200"
        assert pods.ask(pods.server, "/", FIRST) == (200, b"")
        asked, passed = app.heard
    # The sidecar closes the connection after the answer without saying so before.
    assert names(passed) == names(asked) - {b"Connection"}


PATHS = ("/a%2Fb", "/a%5cb/%2e%2e/c", "/a//b/", "/a/../b/./c;x=1", "/a/..;y/b?c=//d")


def test_a_path_arrives_as_a_kubelet_sends_it(pods: Road, kubelet: Callable[..., str]) -> None:
    probed(pods, *(Probe(ProbeKind.HTTP, APP_PORT, path) for path in PATHS))
    for port, path in zip(sidecar.PROBE_PORTS, PATHS, strict=False):
        with Echo(pods.server.net, APP_PORT, answer=FINE + b"\r\nfine") as app:
            assert kubelet(path) == "200"
            assert raw(pods, port, "Host: x", path=path).startswith(b"HTTP/1.1 200 ")
            asked, passed = (heard.split(b"\r\n")[0] for heard in app.heard)
        assert passed == asked == f"GET {path} HTTP/1.1".encode()


ANSWERS = {
    "a length, and chunked": FINE + b"Transfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    "many headers": FINE + b"".join(b"X-%d: x\r\n" % number for number in range(300)) + b"\r\nfine",
    "a long header": FINE + b"X-Long: " + b"x" * 70_000 + b"\r\n\r\nfine",
    "Latin-1": FINE + b"X-Name: caf\xe9\r\n\r\nfine",
    "no reason": FINE.replace(b" OK", b"") + b"\r\nfine",
    "lines of Unix": FINE.replace(b"\r\n", b"\n") + b"\nfine",
    "a folded header": FINE + b"X-Folded: a\r\n b\r\n\r\nfine",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nfine",
    "no content, with a length": b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + FINE + b"\r\nfine",
    "more than its length": FINE + b"\r\nfine, and more",
    "an encoding": FINE + b"Content-Encoding: gzip\r\n\r\nfine",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
    "an error": b"HTTP/1.1 599 x\r\nContent-Length: 0\r\n\r\n",
}


REFUSED = {
    "a length twice": FINE + b"Content-Length: 4\r\n\r\nfine",
    "no content, chunked": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}
"""What a kubelet accepts against the rules of HTTP, and Envoy does not: the documentation says so."""


def test_an_answer_means_what_it_means_to_a_kubelet(pods: Road, kubelet: Callable[..., str]) -> None:
    probed(pods, Probe(ProbeKind.HTTP, APP_PORT, "/healthz"))
    asked, passed = {}, {}
    for word, answer in (ANSWERS | REFUSED).items():
        with Echo(pods.server.net, APP_PORT, answer=answer):
            asked[word] = kubelet("/healthz")
            passed[word] = raw(pods, FIRST, "Host: x").split(b" ", 2)[1].decode()
    assert {*asked.values()} == {"200", "204", "302", "599"}
    assert passed == asked | dict.fromkeys(REFUSED, "502")
