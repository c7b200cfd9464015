"""Which address an application sees as its peer's: that of the client, as without a sidecar."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from hack.dataplane.netns import Capture, Listener, Net
from hack.dataplane.pods import PATIENCE, Pod, Road
from hack.kubectl import eventually
from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.dataplane.peers import PRIORITY
from tests.dataplane.links import APP_PORT, APP_USER, Addresses, Link
from tests.dataplane.roads import EXCEPTED_PORT, OFF, PERMISSIVE, PREFERRED, SECRET, STRICT, start
from tests.dataplane.talk import Echo, exchange, refused, said

FAMILIES = pytest.mark.parametrize("six", [False, True], ids=["IPv4", "IPv6"])
COUNT = """
table inet asked {{
    counter asked {{ }}
    chain count {{
        type filter hook input priority filter
        {} counter name asked
    }}
}}
"""
MANY = "fd99::"
"""A network outside, with many clients."""
IPV6_FREEBIND = 78
OTHER = "10.77.2.9"
"""Another address of the server."""


def of(pod: Pod, *, six: bool) -> str:
    return pod.address6 if six else pod.address


def gateway(number: int, *, six: bool) -> str:
    """Return the node's address in the network of a pod."""
    return f"fd77:0:{number}::1" if six else f"10.77.{number}.1"


@contextmanager
def serving(net: Net, port: int = APP_PORT, address: str = "::") -> Iterator[Listener]:
    """Listen as an application does, for both families unless an address is named."""
    listener = net.listen(address, port, uid=APP_USER)
    listener.bound.settimeout(PATIENCE)
    try:
        yield listener
    finally:
        listener.bound.close()


def ends(connection: socket.socket) -> tuple[str, str]:
    """Return the addresses of the other and of this end, as the application reads them."""
    peer, own = (name[0].removeprefix("::ffff:") for name in (connection.getpeername(), connection.getsockname()))
    return peer, own


def seen(listener: Listener, client: Net, address: str, port: int = APP_PORT) -> tuple[str, str]:
    """Connect, and return what the application sees of the two ends of the connection. Bytes pass both ways."""
    with client.connect(address, port, uid=APP_USER, wait=PATIENCE) as connection, listener.accept() as found:
        exchange(connection, found)
        return ends(found)


@FAMILIES
@pytest.mark.parametrize("mode", [OFF, PREFERRED, STRICT])
def test_the_application_sees_the_address_of_the_client(pods: Road, mode: EncryptionMode, *, six: bool) -> None:
    start(pods, mode, plainPeers=[{"network": "10.77.2.1/32", "reason": "ingress"}])
    client, server = (of(pod, six=six) for pod in (pods.client, pods.server))
    for address in ("::", server):
        with serving(pods.server.net, address=address) as listener:
            assert seen(listener, pods.client.net, server) == (client, server)
            if mode is not STRICT or not six:
                assert seen(listener, pods.node, server) == (gateway(2, six=six), server)


@FAMILIES
def test_two_pods_that_connect_to_the_same_port_of_each_other_are_kept_apart(pods: Road, *, six: bool) -> None:
    """As the nodes of a cluster do: the two connections of a sidecar have the same addresses and port."""
    start(pods, STRICT)
    one, other = (of(pod, six=six) for pod in (pods.client, pods.server))
    with ExitStack() as open_here:
        here, there = (open_here.enter_context(serving(pod.net)) for pod in (pods.client, pods.server))
        for _ in range(3):
            going = open_here.enter_context(pods.client.net.connect(other, APP_PORT, uid=APP_USER, wait=PATIENCE))
            coming = open_here.enter_context(pods.server.net.connect(one, APP_PORT, uid=APP_USER, wait=PATIENCE))
            reached, arrived = (open_here.enter_context(listener.accept()) for listener in (there, here))
            assert ends(reached) == (one, other)
            assert ends(arrived) == (other, one)
            exchange(going, reached)
            exchange(coming, arrived)


@FAMILIES
def test_clients_with_the_same_port_reach_what_they_asked_for(pods: Road, *, six: bool) -> None:
    """An attacker in Strict could otherwise come in by an exception, and go on to a port without."""
    start(pods, STRICT, plainPorts=[{"port": EXCEPTED_PORT, "reason": "metrics"}])
    server = of(pods.server, six=six)
    with serving(pods.server.net) as closed, Echo(pods.server.net, EXCEPTED_PORT, address="::"):
        for source in range(40123, 40128):
            with ExitStack() as stack:
                both = [
                    stack.enter_context(pods.node.connect(server, port, source=source, wait=PATIENCE))
                    for port in (EXCEPTED_PORT, APP_PORT)
                ]
                for connection in both:
                    connection.sendall(SECRET)
                assert both[0].recv(len(SECRET), socket.MSG_WAITALL) == SECRET
                with suppress(ConnectionResetError):
                    assert both[1].recv(1) == b""
            assert closed.hears_nothing()


@FAMILIES
def test_no_packet_for_the_application_leaves_the_pod(pods: Road, *, six: bool) -> None:
    """The sidecar connects to the address of the client. The rules have to keep this connection in the pod."""
    start(pods, STRICT)
    server = of(pods.server, six=six)
    with serving(pods.client.net) as listener, Echo(pods.server.net, APP_PORT, address="::"):
        wire = Capture(pods.server.net)
        assert said(pods.client.net, server, APP_PORT, SECRET) == SECRET
        assert not any(SECRET in packet for packet in wire.all())
        assert listener.hears_nothing()
    # Nor does it go back to the client if the application does not listen, or only on localhost.
    with serving(pods.client.net) as listener:
        assert refused(pods.client.net, server, APP_PORT)
        with serving(pods.server.net, address="::1" if six else "127.0.0.1"):
            assert refused(pods.client.net, server, APP_PORT)
        assert listener.hears_nothing()


@pytest.mark.parametrize("mode", [PERMISSIVE, STRICT])
def test_agents_and_sidecars_of_earlier_versions_go_on_together(pods: Road, mode: EncryptionMode) -> None:
    """The application sees its own address then. A replaced agent loads its rules while connections are open."""
    pods.server.agent_keeps_peers = False
    start(pods, mode)
    server = pods.server.address
    with (
        serving(pods.server.net) as listener,
        pods.client.net.connect(server, APP_PORT, uid=APP_USER) as early,
        listener.accept() as found,
    ):
        assert ends(found) == (server, server)
        for keeps, expected in ((True, pods.client.address), (False, server), (True, pods.client.address)):
            pods.server.agent_keeps_peers = keeps
            pods.server.tell(mode)
            assert seen(listener, pods.client.net, server) == (expected, server)
            exchange(early, found)
    pods.server.stop()
    pods.server.before_keepalive = True
    pods.server.tell(mode)
    pods.server.start()
    pods.until_ready(pods.server)
    with serving(pods.server.net) as listener:
        assert seen(listener, pods.client.net, server) == (server, server)


def test_another_address_of_the_pod_is_reached_as_such(pods: Road) -> None:
    """Such as that of a further network. The application sees its own address as the peer's."""
    pods.server.net.ip("address", "add", f"{OTHER}/24", "dev", "eth0")
    start(pods, STRICT)
    with serving(pods.server.net, address=OTHER) as other, serving(pods.server.net, address=pods.server.address) as own:
        assert seen(other, pods.client.net, OTHER) == (pods.server.address, OTHER)
        assert seen(own, pods.client.net, pods.server.address) == (pods.client.address, pods.server.address)


def test_a_pod_that_reaches_itself_through_its_service_sees_the_node(pods: Road) -> None:
    """As kube-proxy does it: the node translates the address of the Service, and takes the place of the client."""
    service = "10.77.200.1"
    pods.node.nft(
        f"""table ip services {{
            chain to {{ type nat hook prerouting priority dstnat; ip daddr {service} dnat to {pods.server.address}; }}
            chain from {{ type nat hook postrouting priority srcnat;
                ip saddr {pods.server.address} ip daddr {pods.server.address} masquerade; }}
        }}"""
    )
    start(pods, STRICT)
    with serving(pods.server.net) as listener:
        assert seen(listener, pods.server.net, service) == (gateway(2, six=False), pods.server.address)
        assert seen(listener, pods.client.net, service) == (pods.client.address, pods.server.address)
        assert seen(listener, pods.server.net, pods.server.address) == (pods.server.address,) * 2


@pytest.mark.parametrize("uid", [APP_USER, 0])
def test_an_application_cannot_take_the_address_of_a_client(link: Link, addresses: Addresses, uid: int) -> None:
    """Only the sidecar's packets are translated."""
    link.redirect(keep_peers=True)
    taken = link.listen(addresses, sidecar.OUTBOUND_PORT)
    with serving(link.pod) as listener:
        forger = link.pod.open(socket.AF_INET6 if ":" in addresses.pod else socket.AF_INET, uid=uid)
        forger.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, PRIORITY)
        forger.connect((addresses.remote, APP_PORT))
        with taken.accept() as found:
            exchange(forger, found)
        assert listener.hears_nothing()


def test_what_was_not_translated_does_not_leave_the_pod(link: Link, addresses: Addresses) -> None:
    """For example because the pod has no address of that family as far as its agent knows."""
    own = link.outside.listen(addresses.remote, APP_PORT)
    for keep_peers in (False, True):
        link.redirect(keep_peers=keep_peers)
        sender = link.pod.open(socket.AF_INET6 if ":" in addresses.pod else socket.AF_INET, uid=sidecar.UID, wait=1)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, PRIORITY)
        with pytest.raises((TimeoutError, ConnectionRefusedError)):
            sender.connect((addresses.remote, APP_PORT))
        assert own.hears_nothing()


def test_a_client_that_has_sent_everything_may_wait_for_longer_than_conntrack_remembers(pods: Road) -> None:
    """Conntrack forgets such a connection within a minute, unless it is asked whether it is there."""
    start(pods, OFF)
    for state in ("close_wait", "fin_wait"):
        pods.server.net.sysctl(f"net.netfilter.nf_conntrack_tcp_timeout_{state}", 12)
    with serving(pods.server.net) as listener:
        client = pods.client.net.connect(pods.server.address, APP_PORT, uid=APP_USER)
        with client, listener.accept() as server:
            exchange(client, server)
            client.shutdown(socket.SHUT_WR)
            assert server.recv(1) == b""
            # A rule counts the questions, so that the test need not know how much time has passed.
            question = f'iifname "lo" tcp dport {APP_PORT} tcp flags == ack'
            pods.server.net.nft(COUNT.format(question))
            eventually(lambda: asked(pods.server.net) >= 2, seconds=PATIENCE, what="two questions")
            server.sendall(b"late")
            assert client.recv(4, socket.MSG_WAITALL) == b"late"


def test_clients_with_an_address_each_do_not_fill_the_memory(pods: Road) -> None:
    """Whoever has a network of IPv6 has an address for each connection. Envoy remembers each for a moment."""
    start(pods, OFF)
    pods.node.ip("route", "add", "local", f"{MANY}/64", "dev", "lo")
    pods.server.net.ip("route", "add", f"{MANY}/64", "via", gateway(2, six=True))
    assert pods.server.envoy
    status = Path(f"/proc/{pods.server.envoy.pid}/status")

    def kept() -> int:
        """Return the memory of the sidecar that is not its program, in KiB."""
        return int(status.read_text().partition("RssAnon:")[2].split()[0])

    def connect_from(number: int) -> None:
        with socket.socket(socket.AF_INET6) as client:
            client.settimeout(PATIENCE)
            client.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            client.bind((f"{MANY}{number:x}", 0))
            client.connect((pods.server.address6, APP_PORT))
            client.sendall(SECRET)
            assert client.recv(len(SECRET), socket.MSG_WAITALL) == SECRET

    def connect_from_all() -> None:
        for number in range(2, 3000):
            connect_from(number)

    with Echo(pods.server.net, APP_PORT, address="::"):
        pods.node.within(lambda: connect_from(1))
        before = kept()
        pods.node.within(connect_from_all)
        assert kept() - before < 20 * 1024


def asked(net: Net) -> int:
    """Return how many packets were counted."""
    return int(net.nft("list counters").partition("packets ")[2].split()[0])
