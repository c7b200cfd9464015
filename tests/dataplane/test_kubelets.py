"""The sidecar answers a kubelet's probes and hooks as the application would answer them."""

from contextlib import closing
from http.client import HTTPConnection

import pytest

from hack.dataplane.pods import PATIENCE, Road
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.dataplane.kubelet_ports import CLIENT_SECONDS
from sovereign_operator.dataplane.kubelets import HOOK_AGENT
from tests.dataplane.links import APP_PORT
from tests.dataplane.probes import FIRST, probed, raw, web
from tests.dataplane.talk import Echo


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
