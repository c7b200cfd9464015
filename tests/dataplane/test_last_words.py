"""An application sends, closes, and ends; right after that its sidecar is told to end. The peer gets all of it."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hack.dataplane.pods import PATIENCE, Pod, Road
from sovereign_operator.core.sidecar import contract as sidecar
from tests.dataplane.links import APP_PORT, APP_USER
from tests.dataplane.roads import BREST, PREFERRED
from tests.dataplane.talk import exchange, fill
from tests.dataplane.tokens import give_token, serve_at
from tests.stand_in_signer import AUTHORITY, StandInSigner, issues

LAST_WORDS = 1_000_000
"""Bytes: more than the sidecars and the kernel take while nobody reads."""
SLOWLY = 0.001
"""Seconds between two reads."""


@pytest.fixture
def ending(pods: Road) -> Iterator[Road]:
    """Both sidecars run; that of the server has asked a signer for its certificate."""
    pods.client.certify(BREST, [BREST, AUTHORITY])
    (pods.server.folder / "identity" / sidecar.CREDENTIALS).unlink()
    with StandInSigner(issues()).serve(bound=serve_at(pods.server)) as address:
        give_token(pods.server, address)
        for pod in (pods.client, pods.server):
            pod.tell(PREFERRED)
            pod.start()
            pods.until_ready(pod)
        yield pods


def talking(pods: Road) -> tuple[socket.socket, socket.socket]:
    """Return the client's and the server's end of a connection."""
    listener = pods.server.net.listen("", APP_PORT, uid=APP_USER)
    client = pods.client.net.connect(pods.server.address, APP_PORT, uid=APP_USER)
    with listener.bound:
        server = listener.accept()
    exchange(client, server)
    return client, server


def read_slowly(connection: socket.socket) -> int:
    """Return how many bytes arrive until the end."""
    count = 0
    while got := connection.recv(65536):
        count += len(got)
        time.sleep(SLOWLY)
    return count


def ended(pod: Pod) -> int:
    """Have the sidecar of a pod end, and return its status."""
    assert pod.envoy
    pod.envoy.terminate()
    return pod.envoy.wait(PATIENCE)


def test_what_an_application_sent_before_it_ended_arrives(ending: Road) -> None:
    client, server = talking(ending)
    with client, ThreadPoolExecutor(1) as thread:
        arrived = thread.submit(read_slowly, client)
        with server:
            server.sendall(bytes(LAST_WORDS))
        assert ended(ending.server) == 0
        assert arrived.result(PATIENCE) == LAST_WORDS


def test_a_peer_that_reads_nothing_does_not_keep_the_sidecar(ending: Road) -> None:
    client, server = talking(ending)
    with client, server:
        fill(server)
        server.close()
        assert ended(ending.server) == 0


def test_a_sidecar_with_idle_connections_ends(ending: Road) -> None:
    client, server = talking(ending)
    with client, server:
        assert ended(ending.server) == 0
        assert client.recv(1) == b""
