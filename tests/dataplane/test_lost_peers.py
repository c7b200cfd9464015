"""A connection ends if its peer is gone, and stays open if its peer is only silent."""

import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import product

import pytest

from hack.dataplane.netns import Listener
from hack.dataplane.pods import Road
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.dataplane.keepalive import LOST_SECONDS, SILENT_SECONDS
from tests.dataplane.roads import start
from tests.dataplane.talk import TOO_MUCH, fill

LOST_PORT, PLAIN_LOST_PORT, QUIET_PORT = 8080, 9090, 5432
PLAIN = {
    "plainPorts": [{"port": PLAIN_LOST_PORT, "reason": "speaks to everybody"}],
    "plainDestinations": [
        {"network": network, "ports": [PLAIN_LOST_PORT], "reason": "speaks to everybody"}
        for network in ("10.77.2.2/32", "fd77:0:2::2/128")
    ],
}

FORGETFUL = """
table inet firewall {
    chain forward {
        type filter hook forward priority 0
        ct state invalid drop
    }
}
"""
"""Drops packets of connections that it does not track."""
CUT = f"""
table inet cut {{
    chain forward {{
        type filter hook forward priority 0
        tcp dport {{ {LOST_PORT}, {PLAIN_LOST_PORT} }} drop
        tcp sport {{ {LOST_PORT}, {PLAIN_LOST_PORT} }} drop
    }}
}}
"""
"""As if the other node were dead: no reset, no ICMP error."""


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    """Connections to close after the test."""
    with ExitStack() as stack:
        yield stack


def connected(
    pods: Road, ends: ExitStack, listener: Listener, port: int, address: str = ""
) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection on which a request has arrived that is not answered yet."""
    client = pods.client.net.connect(address or pods.server.address, port, uid=1000, wait=LOST_SECONDS + 10)
    client.sendall(b"?")
    server = ends.enter_context(listener.accept())
    server.settimeout(LOST_SECONDS + 10)
    assert server.recv(1) == b"?"
    return client, server


def ended(some: Sequence[socket.socket]) -> None:
    """Wait until all connections have ended, in order: Envoy knows of no other end for it. Raises TimeoutError."""
    with ThreadPoolExecutor(len(some)) as threads:
        assert set(threads.map(lambda end: end.recv(1), some)) == {b""}


def test_who_waits_for_a_dead_node_hears_of_it_and_who_is_silent_lives(pods: Road, ends: ExitStack) -> None:
    """By mutual TLS and in plaintext, IPv4 and IPv6, on both sides: own keepalive ends at the own sidecar."""
    start(pods, EncryptionMode.STRICT, **PLAIN)
    pods.node.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
    pods.node.sysctl("net.netfilter.nf_conntrack_tcp_timeout_established", SILENT_SECONDS + 5)
    pods.node.nft(FORGETFUL)
    listen = {port: pods.server.net.listen("::", port, uid=1000) for port in (LOST_PORT, PLAIN_LOST_PORT, QUIET_PORT)}
    kinds = [*product((LOST_PORT, PLAIN_LOST_PORT), (pods.server.address, pods.server.address6))]
    waiting = [connected(pods, ends, listen[port], port, address) for port, address in kinds]
    sending = [connected(pods, ends, listen[port], port, address) for port, address in kinds]
    idle = connected(pods, ends, listen[QUIET_PORT], QUIET_PORT)
    stalled = connected(pods, ends, listen[QUIET_PORT], QUIET_PORT)
    poured = fill(stalled[1])
    pods.node.nft(CUT)
    begun = time.monotonic()
    for client, _ in sending:
        client.sendall(b"select 1")
    # Both ends of all pairs: if one end has sent something, the other one still waits.
    ended([end for pair in (*waiting, *sending) for end in pair])
    assert LOST_SECONDS - SILENT_SECONDS < time.monotonic() - begun < LOST_SECONDS + 10
    client, server = idle
    client.sendall(b"!")
    assert server.recv(1) == b"!"
    reader, _ = stalled
    while poured:
        got = len(reader.recv(min(poured, TOO_MUCH)))
        assert got, f"{poured} bytes are missing"
        poured -= got


def test_a_pod_that_was_made_before_there_was_keepalive_follows_what_it_is_told(pods: Road, ends: ExitStack) -> None:
    """Envoy refuses to change options of an open socket, and would not load the new mode either."""
    pods.server.before_keepalive = True
    start(pods, EncryptionMode.PERMISSIVE)
    listener = pods.server.net.listen("", QUIET_PORT, uid=1000)
    client, server = connected(pods, ends, listener, QUIET_PORT)
    pods.until_loaded(pods.server, pods.server.tell(EncryptionMode.STRICT))
    server.sendall(b"!")
    assert client.recv(1) == b"!"
