"""Two pods whose sidecars run: which open connections a change ends, and which go on."""

import contextlib
import socket
import time

import pytest

from hack.dataplane.pods import PATIENCE, Road, authority
from hack.kubectl import eventually
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.sidecar.envoy_files import DRAIN_SECONDS
from tests.dataplane.links import APP_PORT
from tests.dataplane.roads import BREST, EXCEPTED_PORT, LYON, OFF, PERMISSIVE, PREFERRED, SECRET, STRICT, rewrite, start
from tests.dataplane.talk import Echo, Steady, refused, said


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
        # Envoy closes its connection to the application, and counts it, after that of the client.
        active = "cluster.inbound-plain.upstream_cx_active"
        eventually(lambda: pods.state(pods.server)[active] == 0, seconds=PATIENCE, what="end of the way to the app")
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
