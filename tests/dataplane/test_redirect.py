"""Where connections go once the rules are loaded, with real sockets in real network namespaces."""

import socket
import threading
from contextlib import ExitStack
from typing import Any, Final

import pytest

from hack.dataplane.netns import IMPATIENCE, hears_nothing, original_destination
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.core.sidecar.local_ports import RANGE, reserve
from sovereign_operator.dataplane import redirect
from tests.dataplane.links import (
    APP_PORT,
    APP_USER,
    DATABASE_PORT,
    DEAD_PROBE,
    GRPC_PROBE,
    HTTP_PROBE,
    LIVE_PROBE,
    Addresses,
    Link,
)
from tests.dataplane.talk import exchange

REMOTE_PORT: Final = 80


def test_what_the_application_sends_goes_to_the_sidecar(link: Link, addresses: Addresses) -> None:
    taken = link.listen(addresses, sidecar.OUTBOUND_PORT)
    remote = link.outside.listen(addresses.remote, REMOTE_PORT)
    for user in (APP_USER, 0):
        with link.pod.connect(addresses.remote, REMOTE_PORT, uid=user) as app, taken.accept() as found:
            assert original_destination(found) == (addresses.remote, REMOTE_PORT)
            exchange(app, found)
    assert remote.hears_nothing()


def test_what_the_sidecar_sends_leaves_the_pod(link: Link, addresses: Addresses) -> None:
    taken = link.listen(addresses, sidecar.OUTBOUND_PORT)
    remote = link.outside.listen(addresses.remote, REMOTE_PORT)
    # Also from a port that is closed to connections from outside.
    for source in (0, sidecar.RESERVED_PORTS[50]):
        with (
            link.pod.connect(addresses.remote, REMOTE_PORT, uid=sidecar.UID, source=source) as own,
            remote.accept() as found,
        ):
            assert found.getpeername()[0] == addresses.pod
            exchange(own, found)
    assert taken.hears_nothing()


def test_what_stays_within_the_pod_is_left_alone(link: Link, addresses: Addresses) -> None:
    taken = [link.listen(addresses, port) for port in (sidecar.OUTBOUND_PORT, sidecar.INBOUND_PORT)]
    app = link.listen(addresses, APP_PORT, APP_USER)
    for address in (addresses.own, addresses.pod):
        with link.pod.connect(address, APP_PORT, uid=APP_USER) as client, app.accept() as found:
            exchange(client, found)
    assert all(listener.hears_nothing() for listener in taken)


@pytest.mark.parametrize("keep_peers", [False, True])
def test_a_client_may_use_one_of_its_ports_for_two_servers(
    link: Link, addresses: Addresses, *, keep_peers: bool
) -> None:
    """The kernel does so, too. Once redirected, the two would be one: https://github.com/istio/istio/issues/38982."""
    link.redirect(keep_peers=keep_peers)
    entering = sidecar.PEER_PORT if keep_peers else sidecar.INBOUND_PORT
    for served in (APP_PORT, DATABASE_PORT):
        link.serve(served)
    for client, port, places in (
        (link.pod, sidecar.OUTBOUND_PORT, ((addresses.remote, REMOTE_PORT), (addresses.outside, REMOTE_PORT))),
        (link.outside, entering, ((addresses.pod, APP_PORT), (addresses.pod, DATABASE_PORT))),
    ):
        taken = link.listen(addresses, port)
        with ExitStack() as open_ones:
            for place in places:
                end = open_ones.enter_context(client.connect(*place, uid=APP_USER, source=50_000))
                found = open_ones.enter_context(taken.accept())
                assert original_destination(found) == place
                exchange(end, found)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("port", [sidecar.OUTBOUND_PORT, sidecar.INBOUND_PORT, sidecar.PEER_PORT])
def test_a_client_within_the_pod_may_have_the_number_of_a_port_of_the_sidecar(
    link: Link, addresses: Addresses, port: int, *, strict: bool
) -> None:
    """The kernel chooses it where the pod sets net.ipv4.ip_local_port_range, as busy servers do."""
    link.redirect(strict=strict)
    link.pod.sysctl("net.ipv4.ip_local_port_range", f"{port} {port}")
    app = link.listen(addresses, APP_PORT, APP_USER)
    with link.pod.connect(addresses.own, APP_PORT, uid=APP_USER) as client, app.accept() as found:
        assert client.getsockname()[1] == port
        exchange(client, found)


def test_the_kernel_chooses_no_port_that_a_sidecar_needs_when_it_restarts(link: Link, addresses: Addresses) -> None:
    wide: dict[str, Any] = {"securityContext": {"sysctls": [{"name": RANGE, "value": "15190 15205"}]}}
    reserve(wide)
    for each in wide["securityContext"]["sysctls"]:
        link.pod.sysctl(each["name"], each["value"])
    app = link.listen(addresses, APP_PORT, APP_USER)
    chosen = {link.pod.connect(addresses.own, APP_PORT, uid=APP_USER).getsockname()[1] for _ in range(6)}
    assert chosen <= {*range(15200, 15206)}
    app.bound.close()


def test_what_the_pod_is_sent_goes_to_the_sidecar_and_from_there_to_the_application(
    link: Link, addresses: Addresses
) -> None:
    taken = link.listen(addresses, sidecar.INBOUND_PORT)
    app = link.pod.listen(addresses.pod, APP_PORT, uid=APP_USER)
    with link.outside.connect(addresses.pod, APP_PORT) as client, taken.accept() as found:
        assert original_destination(found) == (addresses.pod, APP_PORT)
        assert found.getpeername()[0] == addresses.outside
        exchange(client, found)
        assert app.hears_nothing()
        with (
            link.pod.connect(*original_destination(found), uid=sidecar.UID) as onward,
            app.accept() as reached,
        ):
            exchange(onward, reached)


def test_where_nobody_listens_a_client_is_refused(link: Link, addresses: Addresses) -> None:
    """Only the application decides that: one that listens on localhost alone is not reached from outside either."""
    ports = (sidecar.INBOUND_PORT, sidecar.PEER_PORT)
    taken = [link.listen(addresses, port) for port in ports]
    own = link.pod.listen(addresses.own, APP_PORT, uid=APP_USER)
    for keep_peers in (False, True):
        link.redirect(keep_peers=keep_peers)
        with pytest.raises(ConnectionRefusedError):
            link.outside.connect(addresses.pod, APP_PORT)
    assert all(listener.hears_nothing() for listener in (*taken, own))


def test_a_kernel_that_cannot_look_for_listeners_has_all_connections_go_to_the_sidecar(
    link: Link, addresses: Addresses
) -> None:
    taken = link.listen(addresses, sidecar.INBOUND_PORT)
    link.pod.nft(redirect.without_sockets(redirect.rules_of([], None)))
    with link.outside.connect(addresses.pod, APP_PORT) as client, taken.accept() as found:
        exchange(client, found)


def test_who_asks_for_the_health_learns_that_the_rules_are_there(bare_link: Link, addresses: Addresses) -> None:
    health = bare_link.listen(addresses, sidecar.HEALTH_PORT)
    with pytest.raises(ConnectionRefusedError):
        bare_link.outside.connect(addresses.pod, sidecar.REDIRECTED_PORT)
    bare_link.redirect()
    with bare_link.outside.connect(addresses.pod, sidecar.REDIRECTED_PORT) as kubelet, health.accept() as found:
        exchange(kubelet, found)


@pytest.mark.parametrize("port", [HTTP_PROBE, GRPC_PROBE])
def test_probes_that_the_sidecar_answers_lead_to_it(link: Link, addresses: Addresses, port: int) -> None:
    answering = link.listen(addresses, port)
    with link.outside.connect(addresses.pod, port) as kubelet, answering.accept() as found:
        exchange(kubelet, found)


def test_a_tcp_probe_finds_the_port_open_and_learns_nothing_else(link: Link, addresses: Addresses) -> None:
    taken = link.listen(addresses, sidecar.INBOUND_PORT)
    app = link.pod.listen(addresses.pod, DATABASE_PORT, uid=APP_USER)
    with link.outside.connect(addresses.pod, LIVE_PROBE) as kubelet, app.accept() as found:
        kubelet.shutdown(socket.SHUT_WR)
        assert found.recv(1) == b""
    with link.outside.connect(addresses.pod, LIVE_PROBE) as thief, app.accept() as found:
        thief.sendall(b"give me everything")
        with pytest.raises(ConnectionResetError):
            thief.recv(1)
        assert hears_nothing(found)
    assert taken.hears_nothing()


def test_a_tcp_probe_hears_no_greeting(link: Link, addresses: Addresses) -> None:
    """Databases and mail servers speak first, and disclose their version."""
    app = link.pod.listen(addresses.any, DATABASE_PORT, uid=APP_USER)
    with link.outside.connect(addresses.pod, LIVE_PROBE, wait=IMPATIENCE) as thief, app.accept() as found:
        found.sendall(b"version 1.2.3")
        # The application's connection is reset at once, so that the kernel does not retransmit for minutes.
        with pytest.raises(ConnectionResetError):
            found.recv(1)
        with pytest.raises(TimeoutError):
            thief.recv(1)


def test_a_tcp_probe_of_a_dead_port_is_refused(link: Link, addresses: Addresses) -> None:
    link.listen(addresses, sidecar.INBOUND_PORT)
    with pytest.raises(ConnectionRefusedError):
        link.outside.connect(addresses.pod, DEAD_PROBE)


def test_the_rules_can_be_loaded_again_and_again_without_harm(link: Link, addresses: Addresses) -> None:
    link.serve()
    taken = {port: link.listen(addresses, port) for port in (sidecar.OUTBOUND_PORT, sidecar.INBOUND_PORT, HTTP_PROBE)}
    remote = link.outside.listen(addresses.remote, REMOTE_PORT)
    pairs = [
        (link.pod.connect(addresses.remote, REMOTE_PORT, uid=APP_USER), taken[sidecar.OUTBOUND_PORT].accept()),
        (link.pod.connect(addresses.remote, REMOTE_PORT, uid=sidecar.UID), remote.accept()),
        (link.outside.connect(addresses.pod, APP_PORT), taken[sidecar.INBOUND_PORT].accept()),
        (link.outside.connect(addresses.pod, HTTP_PROBE), taken[HTTP_PROBE].accept()),
    ]
    stop, loaded = threading.Event(), 0

    def load() -> None:
        nonlocal loaded
        while not stop.is_set():
            link.redirect(strict=loaded % 2 == 0)
            loaded += 1

    loading = threading.Thread(target=load)
    loading.start()
    try:
        while loaded < 10:
            for one, other in pairs:
                exchange(one, other)
            with (
                link.pod.connect(addresses.remote, REMOTE_PORT, uid=APP_USER) as app,
                taken[sidecar.OUTBOUND_PORT].accept() as found,
            ):
                exchange(app, found)
            with (
                link.outside.connect(addresses.pod, APP_PORT) as client,
                taken[sidecar.INBOUND_PORT].accept() as found,
            ):
                exchange(client, found)
    finally:
        stop.set()
        loading.join()
        for pair in pairs:
            for connection in pair:
                connection.close()
    assert remote.hears_nothing()


def test_tables_of_others_stay(bare_link: Link) -> None:
    bare_link.pod.nft("add table inet of_others")
    bare_link.redirect()
    bare_link.redirect()
    tables = bare_link.pod.nft("list tables").split("\n")
    assert tables == ["table inet of_others", f"table inet {redirect.TABLE}", ""]


@pytest.mark.parametrize("port", [0, -1, 65536, sidecar.INBOUND_PORT])
def test_a_probe_of_what_is_no_port_of_an_application_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match=f"no application listens on port {port}"):
        redirect.rules_of([Probe(ProbeKind.TCP, port)], None)


def test_a_pod_without_probes_has_rules_too(bare_link: Link, addresses: Addresses) -> None:
    bare_link.pod.nft(redirect.rules_of([], ()))
    bare_link.serve()
    taken = bare_link.listen(addresses, sidecar.INBOUND_PORT)
    with bare_link.outside.connect(addresses.pod, APP_PORT) as client, taken.accept() as found:
        exchange(client, found)
