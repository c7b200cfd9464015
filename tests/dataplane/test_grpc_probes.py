"""The port of a gRPC probe passes a question and a status, whatever else each side sends."""

import threading

import pytest

from hack.dataplane.pods import PATIENCE, Pod, Road
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from tests.dataplane.links import APP_PORT
from tests.dataplane.probes import FIRST, SECRET, probed
from tests.dataplane.talk import frame, literal


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
