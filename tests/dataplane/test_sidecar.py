"""Two pods whose sidecars run: what passes between them, and what does not."""

import contextlib
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta

import pytest

from hack.dataplane.netns import Capture
from hack.dataplane.pods import PATIENCE, Road, authority
from hack.kubectl import eventually
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.dataplane.envoy import ALPN
from sovereign_operator.dataplane.listeners import DETECTION_SECONDS
from tests.dataplane.links import APP_PORT, APP_USER
from tests.dataplane.roads import BREST, EXCEPTED_PORT, LYON, OFF, PERMISSIVE, PREFERRED, SECRET, STRICT, rewrite, start
from tests.dataplane.talk import Echo, refused, said

PARIS = authority("paris")


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


@pytest.mark.parametrize("port", [sidecar.INBOUND_PORT, sidecar.OUTBOUND_PORT, sidecar.HEALTH_PORT])
def test_nobody_takes_a_port_of_the_sidecars_by_naming_an_address(pods: Road, port: int) -> None:
    """Not even as the same user: the kernel prefers the more specific of two sockets that share a port."""
    start(pods, STRICT)
    taking = pods.server.net.open(socket.AF_INET, uid=sidecar.UID)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        taking.setsockopt(socket.SOL_SOCKET, option, 1)
    with pytest.raises(OSError, match="in use"):
        taking.bind((pods.server.address, port))


def test_who_does_not_get_on_is_let_go_and_never_seen_by_the_application(pods: Road) -> None:
    application = pods.server.net.listen("", APP_PORT, uid=APP_USER)
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
    assert application.hears_nothing()


@pytest.mark.parametrize("mode", [PERMISSIVE, PREFERRED, STRICT])
def test_a_server_may_speak_first(pods: Road, mode: EncryptionMode) -> None:
    start(pods, mode)
    with Echo(pods.server.net, APP_PORT, greeting=b"220 ready"):
        connection = pods.client.net.connect(pods.server.address, APP_PORT, uid=1000)
        assert connection.recv(9, socket.MSG_WAITALL) == b"220 ready"


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


def test_who_says_less_than_five_bytes_in_plaintext_reaches_the_server_after_a_while(pods: Road) -> None:
    """Five bytes are enough to tell that they are no TLS."""
    start(pods, PERMISSIVE)
    listener = pods.server.net.listen("", APP_PORT, uid=APP_USER)
    for words in (b"", b"EHLO"):
        begun = time.monotonic()
        with pods.client.net.connect(pods.server.address, APP_PORT, uid=APP_USER) as client:
            client.sendall(words)
            listener.accept().close()
        assert time.monotonic() - begun > float(DETECTION_SECONDS.removesuffix("s"))
    pods.server.stop()
    # If the sidecar waits for more than five bytes, the test times out.
    rewrite(pods, DETECTION_SECONDS, "3600s")
    pods.server.start()
    pods.until_ready(pods.server)
    with pods.client.net.connect(pods.server.address, APP_PORT, uid=APP_USER) as client:
        client.sendall(b"hello")
        listener.accept().close()


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


def test_a_sidecar_that_has_not_been_told_ends_and_says_why(pods: Road) -> None:
    """Nothing leaves the pod before its sidecar has its transit config; the kubelet starts the sidecar again."""
    (pods.client.folder / "transit").mkdir()
    pods.client.start()
    assert pods.client.envoy
    assert pods.client.envoy.wait(20)
    assert "listeners.json" in (pods.client.folder / "log").read_text()
