"""One side has closed, and the other takes longer than conntrack remembers to send the rest, or to close as well.

As reported of other sidecars: https://github.com/istio/istio/issues/43297, https://github.com/linkerd/linkerd2/issues/8033
"""

import socket

import pytest

from hack.dataplane.netns import Net
from hack.dataplane.pods import PATIENCE, Road
from hack.kubectl import eventually
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.sidecar import contract as sidecar
from tests.dataplane.links import APP_PORT, APP_USER
from tests.dataplane.roads import EXCEPTED_PORT, PREFERRED, STRICT, start
from tests.dataplane.talk import Echo, exchange

FORGETS_SECONDS = 12
"""When conntrack forgets: by default after a minute, for which no test should wait."""
ASKED = f"""
table inet asked {{
    counter asked {{ }}
    chain count {{
        type filter hook output priority filter
        oifname "lo" tcp sport {sidecar.OUTBOUND_PORT} tcp flags == ack counter name asked
    }}
}}
"""


def until_asked_twice(net: Net) -> None:
    """Wait until the sidecar has asked its application twice whether it is there, however long that takes."""
    net.nft(ASKED)

    def asked() -> int:
        return int(net.nft("list counters").partition("packets ")[2].split()[0])

    eventually(lambda: asked() >= 2, seconds=PATIENCE, what="two questions")


@pytest.mark.parametrize("first", ["client", "server"])
def test_the_side_that_closes_last_is_heard(pods: Road, first: str) -> None:
    start(pods, PREFERRED)
    for state in ("close_wait", "fin_wait"):
        pods.client.net.sysctl(f"net.netfilter.nf_conntrack_tcp_timeout_{state}", FORGETS_SECONDS)
    listener = pods.server.net.listen("", APP_PORT, uid=APP_USER)
    client = pods.client.net.connect(pods.server.address, APP_PORT, uid=APP_USER)
    with listener.bound, client, listener.accept() as server:
        exchange(client, server)
        early, late = (client, server) if first == "client" else (server, client)
        early.shutdown(socket.SHUT_WR)
        assert late.recv(1) == b""
        until_asked_twice(pods.client.net)
        if late is server:
            server.sendall(b"late")
            assert client.recv(4, socket.MSG_WAITALL) == b"late"
        late.close()
        assert early.recv(1) == b""


@pytest.mark.parametrize("mode", [PREFERRED, STRICT])
def test_who_has_said_everything_at_once_gets_an_answer_by_mutual_tls_and_where_tls_is_not_looked_for(
    pods: Road, mode: EncryptionMode
) -> None:
    """Where Envoy (1.40) looks for TLS, it takes a client that has closed its side for one that is gone."""
    start(pods, mode, plainPorts=[{"port": EXCEPTED_PORT, "serverFirst": True, "reason": "asked by everybody"}])
    for net, port in ((pods.client.net, APP_PORT), (pods.node, EXCEPTED_PORT)):
        with Echo(pods.server.net, port, late=True):
            for words in (b"?", b"a whole question"):
                with net.connect(pods.server.address, port, uid=APP_USER) as client:
                    client.sendall(words)
                    client.shutdown(socket.SHUT_WR)
                    assert client.recv(100, socket.MSG_WAITALL) == words
