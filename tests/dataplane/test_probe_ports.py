"""The sidecar's ports for looking at a pod are no way into it and no way out: only a question and a status pass."""

import re

import pytest

from hack.dataplane.pods import Road
from sovereign_operator.controller.observed.sidecar_polling import VERSION
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from tests.dataplane.links import APP_PORT
from tests.dataplane.probes import FIRST, SECRET, probed, raw
from tests.dataplane.talk import Echo


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


def test_nobody_outside_sees_more_of_the_state_than_the_controller_needs(pods: Road) -> None:
    server = probed(pods)
    names = pods.state(server).keys()
    counts = (
        r"cluster\.inbound-\w+\.upstream_cx_(total|active)",
        r"listener\..*_150(01|06)\.downstream_(cx_overflow|global_cx_overflow|cx_overload_reject)",
        r"overload\.envoy\.load_shed_points\.tcp_proxy_on_data\.shed_load_count",
    )
    known = re.compile("|".join((re.escape(VERSION), *counts)))
    assert [name for name in names if not known.fullmatch(name)] == []
    # Without a memory limit, nothing is shed. Each of the others is there once for each kind and listener.
    assert len(names) == 1 + 2 * 3 + 2 * 3
    for path in ("/state?|.*", "/state?filter=.*", "/state?", "/state/../stats", "/stats", "/state;x"):
        assert pods.ask(server, path)[0] == 404, path


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
