"""What a peer can tell of a sidecar: how connections end, which TLS it speaks, and what it reveals."""

import socket
import subprocess

import pytest

from hack.dataplane.netns import Capture
from hack.dataplane.pods import PATIENCE, Road
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.dataplane.admin import CERTIFICATES_QUERY, STATE_QUERY
from sovereign_operator.dataplane.envoy import ALPN
from tests.dataplane.admin import ask
from tests.dataplane.links import APP_PORT, APP_USER
from tests.dataplane.roads import OFF, PERMISSIVE, SECRET, STRICT, start
from tests.dataplane.talk import RESET, exchange, said

HYBRID = b"\x00\x33\x04\x64\x11\xec"
"""In a ServerHello: the extension key_share with a key of X25519MLKEM768."""


@pytest.mark.parametrize("mode", [OFF, STRICT])
def test_a_connection_that_one_side_resets_is_reset_for_the_other(pods: Road, mode: EncryptionMode) -> None:
    """What was cut off must not look as if it were complete: many protocols end a message with the connection."""
    start(pods, mode)
    listener = pods.server.net.listen("", APP_PORT, uid=APP_USER)
    for is_client in (True, False):
        client = pods.client.net.connect(pods.server.address, APP_PORT, uid=APP_USER, wait=PATIENCE)
        with client, listener.accept() as server:
            exchange(client, server)
            ending, other = (client, server) if is_client else (server, client)
            ending.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            ending.close()
            with pytest.raises(ConnectionResetError):
                other.recv(1)


VERSIONS = (b"\x02\x00", b"\x03\x00", b"\x03\x01", b"\x03\x03", b"\x03\x05", b"\x7f\x17")
"""SSL 2.0 and 3.0, TLS 1.0 and 1.2, and what does not exist."""


@pytest.mark.usefixtures("echo")
def test_an_applications_own_tls_of_whichever_version_passes(pods: Road) -> None:
    start(pods, PERMISSIVE)
    for version in VERSIONS:
        hello = version + bytes(32) + b"\0" + b"\0\4\0\x2f\0\x35" + b"\1\0"
        message = b"\1" + len(hello).to_bytes(3) + hello
        record = b"\x16" + min(version, b"\3\1") + len(message).to_bytes(2) + message
        assert said(pods.client.net, pods.server.address, APP_PORT, record) == record, version


@pytest.mark.usefixtures("echo")
def test_sidecars_agree_on_keys_that_a_quantum_computer_does_not_find(pods: Road) -> None:
    start(pods, STRICT)
    seen = Capture(pods.node)
    assert said(pods.client.net, pods.server.address, APP_PORT, SECRET) == SECRET
    assert HYBRID in b"".join(seen.all())


@pytest.mark.usefixtures("echo")
def test_a_client_without_a_certificate_learns_nothing_of_the_authorities_that_are_trusted(pods: Road) -> None:
    start(pods, STRICT)
    line = ["openssl", "s_client", "-connect", f"{pods.server.address}:{APP_PORT}", "-alpn", ALPN, "-tls1_3"]
    enter = ["nsenter", f"--net=/run/netns/{pods.node.name}"]
    done = subprocess.run([*enter, *line], input=b"", capture_output=True, timeout=PATIENCE, check=False)
    assert b"issuer=" in done.stdout, done.stderr
    assert b"No client certificate CA names sent" in done.stdout


def test_the_admin_interface_answers_two_queries_alone(pods: Road) -> None:
    start(pods, STRICT)
    for path in (STATE_QUERY, CERTIFICATES_QUERY):
        assert ask(pods.server, "GET", path)[0] == 200
    for method, path in (("POST", "/quitquitquit"), ("GET", "/config_dump"), ("GET", "/stats"), ("GET", "/")):
        assert ask(pods.server, method, path)[0] == 403, path
    assert ask(pods.server, "GET", STATE_QUERY)[0] == 200
