"""Two pods with real sidecars: what passes between them, what does not, and which connections a change ends."""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from hack.dataplane.netns import Capture
from hack.dataplane.pods import PATIENCE, Road, authority
from hack.kubectl import eventually
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.dataplane.envoy import ALPN
from sovereign_operator.dataplane.listeners import DETECTION_SECONDS
from sovereign_operator.sidecar.__main__ import DRAIN_SECONDS
from tests.dataplane.roads import BREST, LYON, start
from tests.dataplane.talk import Echo, Steady, refused, said

OFF, PERMISSIVE, PREFERRED, STRICT = EncryptionMode
APP_PORT, EXCEPTED_PORT = 8080, 9090
SECRET = b"the-patient-has-measles"

PARIS = authority("paris")


@pytest.fixture
def echo(pods: Road) -> Iterator[Echo]:
    """The server's application, which sends back what it receives."""
    with Echo(pods.server.net, APP_PORT) as app:
        yield app


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize(("mode", "bare"), [(OFF, True), (PERMISSIVE, True), (PREFERRED, False), (STRICT, False)])
def test_what_the_node_sees(pods: Road, mode: EncryptionMode, *, bare: bool) -> None:
    start(pods, mode)
    seen = Capture(pods.node)
    assert said(pods.client.net, pods.server.address, APP_PORT, SECRET) == SECRET
    passed = b"".join(seen.all())
    assert (SECRET in passed) is bare
    # A ServerHello that has chosen TLS 1.3 says so in its extension supported_versions.
    assert (b"\x00\x2b\x00\x02\x03\x04" in passed) is not bare
    counted = pods.state(pods.server)
    assert counted["cluster.inbound-mtls.upstream_cx_total"] == (not bare)
    assert counted["cluster.inbound-plain.upstream_cx_total"] == bare


def test_plaintext_is_refused_in_strict(pods: Road, echo: Echo) -> None:
    start(pods, STRICT)
    assert refused(pods.node, pods.server.address, APP_PORT)
    pods.client.stop()
    # As the sidecar's user, whose connections are not redirected.
    assert refused(pods.client.net, pods.server.address, APP_PORT, uid=sidecar.UID)
    assert not echo.heard


def test_exceptions_let_plaintext_in_and_are_counted_apart(pods: Road) -> None:
    start(pods, STRICT, plainPorts=[{"port": EXCEPTED_PORT, "reason": "metrics"}])
    with Echo(pods.server.net, EXCEPTED_PORT):
        assert said(pods.node, pods.server.address, EXCEPTED_PORT, b"scrape") == b"scrape"
    assert pods.state(pods.server)["cluster.inbound-excepted.upstream_cx_total"] == 1
    assert pods.state(pods.server)["cluster.inbound-plain.upstream_cx_total"] == 0
    version = pods.server.tell(STRICT, plainPeers=[{"network": "10.77.2.1/32", "reason": "ingress"}])
    pods.until_loaded(pods.server, version)
    with Echo(pods.server.net, APP_PORT):
        assert said(pods.node, pods.server.address, APP_PORT, b"ingress") == b"ingress"
        assert refused(pods.node, pods.server.address, EXCEPTED_PORT)


@pytest.mark.parametrize("mode", [PREFERRED, STRICT])
def test_what_an_exception_let_in_ends_with_it_and_nothing_else_does(pods: Road, mode: EncryptionMode) -> None:
    """Otherwise it would stay open without being counted as plaintext, so no step would wait for it."""
    kept = [{"port": EXCEPTED_PORT, "reason": "metrics"}]
    peers = [{"network": "10.77.2.1/32", "reason": "ingress"}]
    start(pods, mode, plainPorts=[*kept, {"port": EXCEPTED_PORT + 1, "reason": "debugging"}], plainPeers=peers)
    ports = EXCEPTED_PORT, EXCEPTED_PORT + 1, APP_PORT
    with Echo(pods.server.net, ports[0]), Echo(pods.server.net, ports[1]), Echo(pods.server.net, ports[2]):
        kept_open, *ending = (pods.node.connect(pods.server.address, port) for port in ports)
        for connection in (kept_open, *ending):
            connection.sendall(SECRET)
            assert connection.recv(len(SECRET), socket.MSG_WAITALL) == SECRET
        pods.until_loaded(pods.server, pods.server.tell(mode, plainPorts=kept))
        for connection in ending:
            connection.settimeout(PATIENCE)
            with contextlib.suppress(ConnectionError):
                assert connection.recv(1) == b""
        # Nor does a connection end because an exception is added.
        pods.until_loaded(pods.server, pods.server.tell(mode, plainPorts=kept, plainPeers=peers))
        kept_open.sendall(SECRET)
        assert kept_open.recv(len(SECRET), socket.MSG_WAITALL) == SECRET


@pytest.mark.parametrize("whose", ["another policy's", "the datacentre's that was withdrawn"])
def test_a_peer_whose_authority_is_not_trusted_is_refused(pods: Road, echo: Echo, whose: str) -> None:
    start(pods, STRICT)
    assert said(pods.client.net, pods.server.address, APP_PORT, SECRET) == SECRET
    if whose == "another policy's":
        pods.client.certify(PARIS, [BREST, LYON, PARIS])
    else:
        pods.server.certify(LYON, [LYON])
    eventually(lambda: refused(pods.client.net, pods.server.address, APP_PORT), seconds=PATIENCE, what="refusal")
    heard = len(echo.heard)
    assert refused(pods.client.net, pods.server.address, APP_PORT)
    assert len(echo.heard) == heard


def test_an_authority_that_has_ended_is_trusted_no_more_though_nobody_says_so(pods: Road, echo: Echo) -> None:
    """Of the operator only the sidecars run here, and their files do not change."""
    ending = authority("brest", ends_in=timedelta(seconds=8))
    pods.client.certify(ending, [ending, LYON])
    pods.server.certify(LYON, [ending, LYON])
    start(pods, STRICT)
    assert said(pods.client.net, pods.server.address, APP_PORT, SECRET) == SECRET
    eventually(lambda: refused(pods.client.net, pods.server.address, APP_PORT), seconds=PATIENCE, what="its end")
    assert datetime.now(UTC) > ending.certificate.not_valid_after_utc - timedelta(seconds=1)
    assert echo.heard


def test_a_client_does_not_talk_to_a_server_that_it_does_not_trust(pods: Road, echo: Echo) -> None:
    pods.client.certify(BREST, [BREST])
    start(pods, STRICT)
    assert refused(pods.client.net, pods.server.address, APP_PORT)
    assert not echo.heard


@pytest.mark.usefixtures("echo")
def test_no_connection_is_lost_on_the_way_to_strict_and_back(pods: Road) -> None:
    """The two sides switch at different times. Sessions last to the end, except in plaintext, which Strict ends."""
    start(pods, OFF)
    for modes in ((PERMISSIVE, PREFERRED), (STRICT, PREFERRED, PERMISSIVE, OFF)):
        with Steady(pods.client.net, pods.server.address, APP_PORT) as traffic:
            for mode in modes:
                for pod in (pods.server, pods.client):
                    pods.until_loaded(pod, pod.tell(mode))
                    traffic.goes_on()
        assert traffic.failures == []
        assert traffic.rounds > 40


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("before", [OFF, PERMISSIVE, PREFERRED])
def test_plaintext_of_before_does_not_outlast_the_step_to_strict(pods: Road, before: EncryptionMode) -> None:
    """For example if the step is forced, or a client connects at the last moment. Excepted connections stay open."""
    excepted = [{"port": EXCEPTED_PORT, "reason": "metrics"}]
    start(pods, before, plainPorts=excepted)
    with Echo(pods.server.net, EXCEPTED_PORT):
        thief, scraper = (pods.node.connect(pods.server.address, port) for port in (APP_PORT, EXCEPTED_PORT))
        for connection in (thief, scraper):
            connection.sendall(SECRET)
            assert connection.recv(len(SECRET), socket.MSG_WAITALL) == SECRET
        pods.until_loaded(pods.server, pods.server.tell(STRICT, plainPorts=excepted))
        thief.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionError):
            assert thief.recv(1) == b""
        assert pods.state(pods.server)["cluster.inbound-plain.upstream_cx_active"] == 0
        scraper.sendall(SECRET)
        assert scraper.recv(len(SECRET), socket.MSG_WAITALL) == SECRET


@pytest.mark.usefixtures("echo")
def test_no_connection_is_lost_when_leaf_authority_and_bundle_change(pods: Road) -> None:
    start(pods, STRICT)
    younger = authority("lyon", "2")
    with Steady(pods.client.net, pods.server.address, APP_PORT) as traffic:
        pods.client.certify(BREST, [BREST, LYON])
        traffic.goes_on()
        for pod, signer in ((pods.client, BREST), (pods.server, LYON)):
            pod.certify(signer, [BREST, LYON, younger])
            traffic.goes_on()
        pods.server.certify(younger, [BREST, LYON, younger])
        traffic.goes_on()
        for pod, signer in ((pods.client, BREST), (pods.server, younger)):
            pod.certify(signer, [BREST, younger])
            traffic.goes_on()
    assert traffic.failures == []


@pytest.mark.parametrize("port", [sidecar.INBOUND_PORT, sidecar.OUTBOUND_PORT, sidecar.HEALTH_PORT])
def test_nobody_takes_a_port_of_the_sidecars_by_naming_an_address(pods: Road, port: int) -> None:
    """Not even as the same user: the kernel prefers the more specific of two sockets that share a port."""
    start(pods, STRICT)
    taking = pods.server.net.open(socket.AF_INET, uid=sidecar.UID)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        taking.setsockopt(socket.SOL_SOCKET, option, 1)
    with pytest.raises(OSError, match="in use"):
        taking.bind((pods.server.address, port))


@pytest.mark.usefixtures("echo")
def test_who_does_not_get_on_is_let_go(pods: Road) -> None:
    start(pods, STRICT)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols([ALPN])
    hello = ssl.MemoryBIO()
    talk = context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="x")
    with pytest.raises(ssl.SSLWantReadError):
        talk.do_handshake()
    half = pods.node.connect(pods.server.address, APP_PORT)
    half.sendall(hello.read())
    slow = pods.node.connect(pods.server.address, sidecar.REDIRECTED_PORT)
    slow.sendall(b"GET /ready HTTP/1.1\r\n")
    for connection in (half, slow):
        connection.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionError):
            while connection.recv(10_000):
                pass


@pytest.mark.parametrize("mode", [PERMISSIVE, PREFERRED, STRICT])
def test_a_server_may_speak_first(pods: Road, mode: EncryptionMode) -> None:
    start(pods, mode)
    with Echo(pods.server.net, APP_PORT, greeting=b"220 ready"):
        connection = pods.client.net.connect(pods.server.address, APP_PORT, uid=1000)
        assert connection.recv(9, socket.MSG_WAITALL) == b"220 ready"


def rewrite(pods: Road, before: str, after: str) -> None:
    """Change a duration in the server's listeners before it starts: it would be too long or too short here."""
    told = pods.server.folder / "transit" / "..data" / sidecar.LISTENERS
    assert before in told.read_text()
    told.write_text(told.read_text().replace(before, after))


@pytest.mark.parametrize("ports", [(APP_PORT,), (EXCEPTED_PORT, APP_PORT)])
def test_who_is_known_to_speak_first_is_not_waited_for(pods: Road, ports: tuple[int, ...]) -> None:
    pods.server.tell(STRICT, plainPorts=[{"port": port, "serverFirst": True, "reason": "greets"} for port in ports])
    # If the sidecar waits for the client to speak first, the test times out.
    rewrite(pods, DETECTION_SECONDS, "3600s")
    pods.server.start()
    pods.until_ready(pods.server)
    with Echo(pods.server.net, APP_PORT, greeting=b"220 ready"):
        connection = pods.node.connect(pods.server.address, APP_PORT)
        assert connection.recv(9, socket.MSG_WAITALL) == b"220 ready"
    with Echo(pods.server.net, APP_PORT + 1, greeting=b"220 ready"):
        connection = pods.node.connect(pods.server.address, APP_PORT + 1, wait=1.5)
        with pytest.raises(TimeoutError):
            connection.recv(9)


@pytest.mark.usefixtures("echo")
def test_a_connection_lives_for_no_longer_than_it_may(pods: Road) -> None:
    for pod in (pods.client, pods.server):
        pod.tell(STRICT, longestConnectionSeconds=60)
    rewrite(pods, '"60s"', '"2s"')
    for pod in (pods.client, pods.server):
        pod.start()
        pods.until_ready(pod)
    session = pods.client.net.connect(pods.server.address, APP_PORT, uid=1000)
    begun = time.monotonic()
    with contextlib.suppress(ConnectionError):
        session.sendall(SECRET)
        while session.recv(len(SECRET), socket.MSG_WAITALL):
            session.sendall(SECRET)
    assert 1 < time.monotonic() - begun < PATIENCE
    assert said(pods.client.net, pods.server.address, APP_PORT, SECRET) == SECRET


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("mode", [PERMISSIVE, STRICT])
def test_more_connections_are_open_at_once_than_envoy_allows_unasked(pods: Road, mode: EncryptionMode) -> None:
    start(pods, mode)
    many = [pods.client.net.connect(pods.server.address, APP_PORT, uid=1000, wait=PATIENCE) for _ in range(1100)]
    for connection in many:
        connection.sendall(SECRET)
    assert {connection.recv(len(SECRET), socket.MSG_WAITALL) for connection in many} == {SECRET}


def test_a_half_closed_connection_still_gets_its_answer(pods: Road) -> None:
    start(pods, STRICT)
    with Echo(pods.server.net, APP_PORT, late=True):
        connection = pods.client.net.connect(pods.server.address, APP_PORT, uid=1000)
        connection.sendall(SECRET)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(len(SECRET), socket.MSG_WAITALL) == SECRET


@pytest.mark.usefixtures("echo")
def test_a_withdrawn_peer_loses_its_open_connections_and_a_good_one_can_connect_anew(pods: Road) -> None:
    start(pods, STRICT)
    session = pods.client.net.connect(pods.server.address, APP_PORT, uid=1000)
    session.sendall(SECRET)
    assert session.recv(len(SECRET), socket.MSG_WAITALL) == SECRET
    pods.server.certify(LYON, [LYON])
    eventually(lambda: refused(pods.client.net, pods.server.address, APP_PORT), seconds=PATIENCE, what="refusal")
    session.sendall(SECRET)
    assert session.recv(len(SECRET), socket.MSG_WAITALL) == SECRET, "what is open stays open"
    pods.until_loaded(pods.server, pods.server.tell(STRICT, cuts=1))
    session.settimeout(DRAIN_SECONDS + 5)
    assert session.recv(1) == b""
    pods.server.certify(LYON, [LYON, BREST])
    eventually(
        lambda: not refused(pods.client.net, pods.server.address, APP_PORT), seconds=PATIENCE, what="a new connection"
    )


def test_a_sidecar_that_has_not_been_told_ends_and_says_why(pods: Road) -> None:
    """Nothing leaves the pod before its sidecar has its transit config; the kubelet starts the sidecar again."""
    (pods.client.folder / "transit").mkdir()
    pods.client.start()
    assert pods.client.envoy
    assert pods.client.envoy.wait(20)
    assert "listeners.json" in (pods.client.folder / "log").read_text()
