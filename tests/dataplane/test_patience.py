"""The sidecar waits for a destination for as long as the kernel would, and serves kubelets whatever else it refuses."""

import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from hack.dataplane.pods import PATIENCE, Road, memory_cgroup
from hack.kubectl import eventually
from sovereign_operator.core.sidecar.contract import LEAST_MEMORY, READY_PATH, Probe, ProbeKind
from sovereign_operator.dataplane.memory import Budget
from sovereign_operator.sidecar.envoy_files import command
from tests.dataplane.links import APP_PORT, APP_USER
from tests.dataplane.probes import FIRST
from tests.dataplane.roads import PERMISSIVE, PREFERRED, start
from tests.dataplane.talk import Echo, refused

FULL_PORTS = (8081, 8082)
"""A port for each client. If two find room in one queue at the same moment, the kernel takes one of them, drops the
packets of the other, and resets that one if it is ended halfway.
"""
LONG = 11.0
"""Longer than the usual timeout of a proxy, and than a client may take for its handshake, in seconds."""
AWAY = f"""
table inet away {{
    chain forward {{
        type filter hook forward priority 0
        ip daddr 10.77.2.2 tcp dport {APP_PORT} drop
    }}
}}
"""
"""As if the way to the server were not there yet, or not any more."""


def first_words(listener: socket.socket) -> bytes:
    """Accept connections until a client has sent something, and return that."""
    with ExitStack() as stack:
        open_ones = [listener]
        while True:
            ready, _, _ = select.select(open_ones, [], [], PATIENCE)
            assert ready, "nobody was heard"
            for one in ready:
                if one is not listener:
                    return one.recv(5)
                open_ones.append(stack.enter_context(listener.accept()[0]))


def test_who_is_away_for_a_while_or_too_busy_to_accept_is_waited_for(pods: Road) -> None:
    """A Service fails over, a NetworkPolicy takes a while to be loaded, a server starts up: clients do not notice."""
    start(pods, PREFERRED)
    with ExitStack() as stack:
        full = [pods.server.net.listen("", port, uid=APP_USER).bound for port in FULL_PORTS]
        for port, listener in zip(FULL_PORTS, full, strict=True):
            listener.listen(0)
            # It takes this one, and no more until that is accepted.
            stack.enter_context(pods.server.net.connect(pods.server.address, port))
        pods.node.nft(AWAY)
        client = stack.enter_context(pods.client.net.connect(pods.server.address, APP_PORT, uid=APP_USER, wait=LONG))
        client.sendall(b"hello")
        # The first one has a sidecar and speaks mutual TLS, the second one has none.
        nets = (pods.client.net, pods.node)
        waiting = [
            net.connect(pods.server.address, port, uid=APP_USER) for net, port in zip(nets, FULL_PORTS, strict=True)
        ]
        for one, words in zip(waiting, (b"keys!", b"plain"), strict=True):
            stack.enter_context(one).sendall(words)
        # By plaintext, this may reset the connection: see crds/tcp.md.
        waiting[0].shutdown(socket.SHUT_WR)
        with pytest.raises(TimeoutError):
            client.recv(5)
        stack.enter_context(Echo(pods.server.net, APP_PORT))
        pods.node.nft("delete table inet away")
        assert [first_words(listener) for listener in full] == [b"keys!", b"plain"]
        client.settimeout(PATIENCE)
        assert client.recv(5, socket.MSG_WAITALL) == b"hello"


@pytest.fixture
def group() -> Iterator[Path]:
    with memory_cgroup(LEAST_MEMORY) as made:
        yield made


def test_the_controller_sees_the_state_of_a_sidecar_that_accepts_no_more(group: Path, pods: Road) -> None:
    pods.client.cgroup = group
    start(pods, PERMISSIVE)
    most = Budget(LEAST_MEMORY).connections
    with Echo(pods.server.net, APP_PORT), Echo(pods.client.net, APP_PORT), ExitStack() as stack:
        ways = ((pods.client.net, pods.server.address, APP_USER), (pods.node, pods.client.address, 0))
        opened = 0
        for net, address, uid in ways:
            for _ in range(most):
                connection = stack.enter_context(net.connect(address, APP_PORT, uid=uid, wait=PATIENCE))
                with suppress(ConnectionError):
                    connection.sendall(b"hello")
                    opened += connection.recv(5, socket.MSG_WAITALL) == b"hello"
        assert opened == most
        assert pods.state(pods.client)["cluster.inbound-plain.upstream_cx_active"] > 0


def test_probes_are_answered_while_a_sidecar_refuses_connections_for_memory(pods: Road) -> None:
    """Otherwise a kubelet would kill the application, and with it the connections that go on."""
    pod = pods.server
    pod.tell(PERMISSIVE)
    pod.start([Probe(ProbeKind.HTTP, APP_PORT)])
    pods.until_ready(pod)
    pod.stop()
    path = pod.folder / "run" / "bootstrap.json"
    bootstrap = json.loads(path.read_text())
    full = {
        "name": "envoy.resource_monitors.fixed_heap",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
            "max_heap_size_bytes": 1,
        },
    }
    refuse = {"name": full["name"], "threshold": {"value": 0.9}}
    bootstrap["overload_manager"]["resource_monitors"].append(full)
    bootstrap["overload_manager"]["actions"] = [
        {"name": "envoy.overload_actions.reject_incoming_connections", "triggers": [refuse]}
    ]
    path.write_text(json.dumps(bootstrap))
    pod.run(command())
    pods.until_ready(pod)
    with Echo(pod.net, APP_PORT, answer=b"HTTP/1.0 200 OK\r\n\r\n"):
        eventually(lambda: refused(pods.node, pod.address, APP_PORT), seconds=PATIENCE, what="refusal")
        assert pods.ask(pod, "/", FIRST) == (200, b"")
        assert pods.ask(pod, READY_PATH)[0] == 200
        assert refused(pods.node, pod.address, APP_PORT)
