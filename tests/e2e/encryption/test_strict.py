"""Strict on a real cluster: what it refuses, drops, and ends when a datacentre or an authority is withdrawn."""

import json

import pytest

from hack.cluster import Cluster
from hack.install import KEYS
from hack.kubectl import Kubectl, eventually
from sovereign_operator.core.sidecar.contract import CONTAINER
from tests.e2e.support.certificates import FORGE, trusted
from tests.e2e.support.estate import set_status
from tests.e2e.support.peers import peer_pod
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import ASK, PORT, change, knows_names, python, ready, run, said
from tests.e2e.support.strict_ward import DNS, NAMED, POLICY, SEND, UNNAMED

HOLD = f"""
import socket, sys, time

def talk():
    with socket.create_connection((sys.argv[1], {PORT}), 5) as connection:
        while True:
            connection.sendall(b"word")
            if not connection.recv(4):
                return "ended"
            print("held", flush=True)
            time.sleep(0.1)

while True:
    try:
        print(talk(), flush=True)
    except OSError as error:
        print("ended", error, flush=True)
    time.sleep(0.5)
"""
"""Holds one connection, and connects again when it ends. The last line shows the current state."""


def test_who_has_no_certificate_that_counts_is_refused(
    admin: Kubectl, cluster: Cluster, ward: tuple[str, str], space: Space
) -> None:
    namespace, host = ward
    outside, other = space(None), space("secnumcloud")
    admin.apply(python("stranger", "paris-1"), namespace=outside)
    admin.apply(peer_pod("peer", "lyon-1"), namespace=other)
    admin.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "peer"}}, namespace=other)
    ready(admin, outside, "stranger")
    ready(admin, other, "peer")
    forged = cluster.node_exec("lyon-1", ["sh", "-c", FORGE]).stdout
    admin.run("-n", outside, "exec", "-i", "stranger", "--", "sh", "-c", "cat > /tmp/forged.pem", stdin=forged)

    def refused(*who: str) -> bool:
        # The reason is lost where the server closes first.
        namespace, name, *how = who
        return run(admin, namespace, name, ASK, host, *how).startswith("refused")

    assert refused(outside, "stranger")
    assert refused(other, "peer")
    # Root may become the sidecar's user, whose traffic is not redirected. The server refuses it all the same.
    assert refused(namespace, "client", "past")
    assert refused(outside, "stranger", "tls")
    assert refused(outside, "stranger", "tls", "/tmp/forged.pem")

    listed = ("patch", "spol", POLICY, "--type=merge", "-p")
    assert refused(other, "peer", "tls", "/identity/tls.pem")
    admin.run(*listed, '{"spec": {"trustedPolicies": ["secnumcloud"]}}')
    try:
        eventually(
            lambda: run(admin, other, "peer", ASK, host, "tls", "/identity/tls.pem") == "answered",
            seconds=60,
            what="trust in the other policy",
        )
        # Trust is only in certificates: plaintext stays refused.
        assert refused(other, "peer")
    finally:
        admin.run(*listed, '{"spec": {"trustedPolicies": null}}')


def hold(admin: Kubectl, ward: tuple[str, str]) -> None:
    """Run a pod in each datacentre that holds a connection."""
    namespace, host = ward
    holders = {"lyon": "lyon-1", "brest": "brest-1"}
    admin.apply(*(python(name, node, HOLD, host) for name, node in holders.items()), namespace=namespace)
    ready(admin, namespace, *holders)
    for name in holders:
        eventually(lambda name=name: said(admin, namespace, name)[-1] == "held", what="an open connection")  # type: ignore[misc]


def lyon_is_cut_off_and_brest_connects_again(admin: Kubectl, ward: tuple[str, str]) -> None:
    """Check what follows within half a minute when Lyon's certificates are no longer trusted."""
    namespace, host = ward

    def heard(name: str) -> list[str]:
        return said(admin, namespace, name)

    eventually(lambda: heard("lyon")[-1].startswith("ended"), seconds=30, what="the end of Lyon's connection")
    # All connections end, because nobody can tell which are Lyon's; a client that is still trusted connects again.
    eventually(lambda: any(line.startswith("ended") for line in heard("brest")), seconds=30, what="the end of Brest's")
    ends = len(heard("brest"))
    eventually(lambda: heard("brest")[-1] == "held" and len(heard("brest")) > ends + 5, what="a connection of Brest's")
    tries = heard("lyon").index(next(line for line in heard("lyon") if line.startswith("ended")))
    eventually(lambda: len(heard("lyon")) > tries + 3, what="more tries from Lyon")
    assert all(line.startswith("ended") for line in heard("lyon")[tries:])
    assert run(admin, namespace, "client", ASK, host).startswith("refused")


@pytest.mark.every_kubernetes
@pytest.mark.usefixtures("changed_estate")
def test_a_withdrawal_ends_what_is_open_within_half_a_minute(admin: Kubectl, ward: tuple[str, str]) -> None:
    hold(admin, ward)
    set_status(admin, "hexa-gouv", "Suspended")
    lyon_is_cut_off_and_brest_connects_again(admin, ward)


@pytest.mark.every_kubernetes
def test_so_does_the_retirement_of_an_authority_whose_key_may_be_known(admin: Kubectl, ward: tuple[str, str]) -> None:
    """The datacentre gets a new authority at once, but connections under certificates of the old one end."""
    hold(admin, ward)
    numbers = trusted(admin, POLICY)["lyon"]
    secret = f"authority.{POLICY}.lyon.{numbers[-1]}"
    admin.run("-n", KEYS, "label", "--overwrite", "secret", secret, "sovereignty.dev/authority=retired")
    lyon_is_cut_off_and_brest_connects_again(admin, ward)
    assert trusted(admin, POLICY)["lyon"] > numbers


def test_a_sidecar_is_not_resized_until_it_has_too_little_memory(admin: Kubectl, ward: tuple[str, str]) -> None:
    namespace, _ = ward

    def resize(memory: str) -> str:
        limited = {"name": CONTAINER, "resources": {"limits": {"memory": memory}}}
        change = json.dumps({"spec": {"initContainers": [limited]}})
        asked = ("patch", "pod", "server", "--subresource=resize", "--dry-run=server", "-p", change)
        return admin.attempt("-n", namespace, *asked).stderr

    assert "the memory limit of sovereignty-sidecar is not 128Mi or more" in resize("100Mi")
    # The sidecar restarts for a new limit, so a smaller limit than its present one is accepted.
    assert [resize(memory) for memory in ("256Mi", "1Gi")] == ["", ""]


def test_datagrams_are_dropped_but_those_that_are_named(admin: Kubectl, ward: tuple[str, str]) -> None:
    namespace, host = ward

    def send(words: str) -> bool:
        """Return whether the datagrams to other ports arrived before that to the named port, which always arrives."""
        told = run(admin, namespace, "client", SEND, host, words, *map(str, (UNNAMED, DNS, NAMED)))
        eventually(lambda: f"{NAMED} {words}" in said(admin, namespace, "server"), what=f"datagram {words}")
        came = [f"{port} {words}" in said(admin, namespace, "server") for port in (UNNAMED, DNS)]
        assert came[0] == came[1]
        assert told.count("not permitted") == came.count(False)
        return all(came)

    assert not send("in Strict")
    assert knows_names(admin, namespace, "client")
    change(admin, POLICY, mode="Preferred")
    try:
        eventually(lambda: send("in Preferred"), what="datagrams in Preferred")
    finally:
        change(admin, POLICY, mode="Strict")
    rounds = iter(range(100))
    eventually(lambda: not send(f"in Strict again {next(rounds)}"), seconds=60, what="Strict again")
