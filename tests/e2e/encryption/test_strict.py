"""Strict on a real cluster: what is refused, dropped, and ended by a withdrawal, and the way back to other modes."""

import contextlib
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.install import KEYS, NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core.kubernetes.mirror_pod import MIRROR_ANNOTATION
from sovereign_operator.core.sidecar.contract import CONTAINER, REDIRECTED_PORT
from tests.e2e.support.certificates import FORGE, trusted
from tests.e2e.support.estate import set_status
from tests.e2e.support.guards import force, without_bindings
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import events
from tests.e2e.support.peers import peer_pod
from tests.e2e.support.sidecars import encrypted, refusal, sidecar_of, without_agent, without_injector
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import ASK, PORT, change, encrypting_policy, knows_names, python, ready, run, said

POLICY = "hospital-strict"
NAMED, UNNAMED, DNS = 5004, 5005, 53

SERVE = f"""
import socket, threading

def echo(connection):
    with connection:
        while said := connection.recv(1000):
            connection.sendall(said)

def hear(port):
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("", port))
    while True:
        print(port, datagrams.recv(1000).decode(), flush=True)

for port in ({NAMED}, {UNNAMED}, {DNS}):
    threading.Thread(target=hear, args=(port,), daemon=True).start()
listener = socket.create_server(("", {PORT}))
while True:
    threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()
"""

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

SEND = """
import socket, sys
for port in map(int, sys.argv[3:]):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind(("", port))
    try:
        sender.sendto(sys.argv[2].encode(), (sys.argv[1], port))
    except PermissionError as error:
        print(error)
"""
"""Sends each datagram with equal source and target ports. The sender gets an error for a dropped datagram."""


def named(cluster: Cluster) -> Json:
    """Return a plainDatagrams entry."""
    return {"network": estate.network(cluster), "port": NAMED, "reason": "a test"}


@pytest.fixture(scope="module")
def policy(admin: Kubectl, cluster: Cluster) -> Iterator[str]:
    with encrypting_policy(admin, cluster, POLICY, plainDatagrams=[named(cluster)]) as name:
        yield name


@pytest.fixture
def ward(admin: Kubectl, policy: str, space: Space) -> tuple[str, str]:
    """A namespace in Strict with a server in Brest and a client in Lyon, and the server's address."""
    namespace = space(policy)
    admin.apply(python("server", "brest-1", SERVE), python("client", "lyon-1"), namespace=namespace)
    host = ready(admin, namespace, "client", "server")
    eventually(lambda: run(admin, namespace, "client", ASK, host) == "answered", what="a first answer")
    eventually(lambda: encrypted(admin, policy)["status"] == "True", what="Strict")
    return namespace, host


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


@pytest.mark.usefixtures("changed_estate")
def test_a_withdrawal_ends_what_is_open_within_half_a_minute(admin: Kubectl, ward: tuple[str, str]) -> None:
    hold(admin, ward)
    set_status(admin, "hexa-gouv", "Suspended")
    lyon_is_cut_off_and_brest_connects_again(admin, ward)


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


def test_a_connection_of_the_last_moment_holds_up_strict(admin: Kubectl, ward: tuple[str, str]) -> None:
    """Without a pending step the controller polls sidecars once a minute; such an old answer must not count."""
    namespace, host = ward
    change(admin, POLICY, mode="Preferred")
    try:
        eventually(lambda: preferred_for(admin) > timedelta(seconds=5), what="a quiet while in Preferred")
        with socket.create_connection((host, PORT), 5) as connection:
            connection.sendall(b"word")
            assert connection.recv(4) == b"word"
            change(admin, POLICY, mode="Strict")
            said = (
                "1 pod(s) have open plaintext connections, maybe from before Preferred: have these end (roll their "
                f"clients out again) or name them in plainPorts or plainPeers: {namespace}/server"
            )
            eventually(lambda: said in encrypted(admin, POLICY)["message"], what="word of it")
            # After forced the controller no longer waits for the connection, and Strict ends it.
            change(admin, POLICY, forced={"to": "Strict", "reason": "a test"})
            connection.settimeout(90)
            with contextlib.suppress(ConnectionError):
                assert connection.recv(1) == b""
    finally:
        change(admin, POLICY, mode="Strict", forced=None)
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", what="Strict again")


def alone(admin: Kubectl) -> None:
    """Wait until the pods of earlier tests are gone; messages would name them beside the ward's pods."""
    eventually(lambda: admin.get("spol", POLICY)["status"]["encryption"]["pods"] == 2, seconds=90, what="two pods")


def agents_word(admin: Kubectl) -> Json | None:
    """Return the condition if it is True, or if it says that exactly one node's agent has not loaded rules."""
    found = encrypted(admin, POLICY)
    return (
        found if found["status"] == "True" or "the agents of 1 node(s) have not reported" in found["message"] else None
    )


def test_strict_waits_for_the_agent_of_each_node_and_names_the_one_that_is_silent(
    admin: Kubectl, ward: tuple[str, str]
) -> None:
    namespace, host = ward
    alone(admin)
    change(admin, POLICY, mode="Preferred")
    try:
        eventually(lambda: preferred_for(admin), what="Preferred")
        with without_agent(admin, "lyon-1"):
            change(admin, POLICY, mode="Strict")
            said = eventually(lambda: agents_word(admin), seconds=60, what="word of the agent")
            # The agent on lyon-1 has loaded no rules that drop, so plaintext leaves the node.
            assert "not permitted" not in run(admin, namespace, "client", SEND, host, "on the way", str(UNNAMED))
            assert (said["status"], said["reason"]) == ("False", "StepPending")
            assert f"lyon-1 ({namespace}/client)" in said["message"]
            assert "brest-1" not in said["message"]
            assert f"kubectl -n {NAMESPACE} get pods -o wide -l app.kubernetes.io/component=agent" in said["message"]
            assert admin.get("spol", POLICY)["status"]["encryption"]["mode"] == "Preferred"
    finally:
        change(admin, POLICY, mode="Strict")
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", what="Strict again")
    assert "not permitted" in run(admin, namespace, "client", SEND, host, "in Strict", str(UNNAMED))


def test_in_strict_rules_that_an_agent_has_not_loaded_are_reported(
    admin: Kubectl, cluster: Cluster, ward: tuple[str, str]
) -> None:
    namespace, _ = ward
    alone(admin)
    with without_agent(admin, "lyon-1"):
        change(admin, POLICY, plainDatagrams=None)
        try:
            said = eventually(
                lambda: (found := encrypted(admin, POLICY))["reason"] == "AgentsSilent" and found, what="word of it"
            )
            assert f"lyon-1 ({namespace}/client)" in said["message"]
            assert admin.get("spol", POLICY)["status"]["encryption"]["mode"] == "Strict"
        finally:
            change(admin, POLICY, plainDatagrams=[named(cluster)])
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", what="Strict again")


def preferred_for(admin: Kubectl) -> timedelta:
    """Return for how long all pods have been in Preferred. Raises AssertionError if they are not."""
    found = encrypted(admin, POLICY)
    assert found["reason"] == "PlaintextAccepted", found
    assert admin.get("spol", POLICY)["status"]["encryption"]["mode"] == "Preferred"
    return datetime.now(UTC) - datetime.fromisoformat(found["lastTransitionTime"])


def test_on_the_way_to_off_new_pods_get_a_sidecar_until_it_is_reached(admin: Kubectl, ward: tuple[str, str]) -> None:
    namespace, host = ward
    change(admin, POLICY, mode="Off")
    try:
        # At the same time all others are in Strict, and would refuse a pod without a sidecar.
        admin.apply(python("newcomer", "lyon-1"), namespace=namespace)
        assert sidecar_of(admin.get("pod", "newcomer", namespace))
        ready(admin, namespace, "newcomer")
        assert run(admin, namespace, "newcomer", ASK, host) == "answered"
        eventually(lambda: encrypted(admin, POLICY)["reason"] == "NotEncrypted", seconds=60, what="Off")
        bare = python("bare", "lyon-1")
        eventually(lambda: not refusal(admin, bare, namespace), what="a pod that needs none")
        admin.apply(bare, namespace=namespace)
        assert sidecar_of(admin.get("pod", "bare", namespace)) is None
        ready(admin, namespace, "bare")
        for name in ("bare", "newcomer", "client"):
            assert run(admin, namespace, name, ASK, host) == "answered"
        admin.delete("pod", "bare", namespace=namespace)
    finally:
        change(admin, POLICY, mode="Strict")
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", seconds=90, what="Strict again")
    assert run(admin, namespace, "client", ASK, host) == "answered"


def test_a_label_on_a_config_map_tells_nobody_anything(
    admin: Kubectl, mallory: Kubectl, ward: tuple[str, str], space: Space
) -> None:
    """A forged transit config with mode Off would otherwise take the whole policy back."""
    elsewhere = space(None)
    forged = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mine", "labels": {"sovereignty.dev/transit-of": POLICY}},
        "data": {"mode": "Off", "cuts": "99", "datagrams": "any", "listeners.json": "{}"},
    }
    namespace, host = ward
    with without_bindings(admin, "sovereignty-guard-transit"):
        for where in (elsewhere, namespace):
            eventually(lambda where=where: mallory.create(forged, where), what="no guard")  # type: ignore[misc]
    # A later change has arrived once the controller has also processed the forged ConfigMap.
    change(admin, POLICY, longestConnectionSeconds=86400)
    try:
        told = f"sovereignty-transit.{POLICY}"
        eventually(lambda: "86400s" in admin.get("configmap", told, namespace)["data"]["listeners.json"], what="it")
        found = admin.get("configmap", told, namespace)["data"]
        assert (found["mode"], found["datagrams"]) == ("Strict", found["datagrams"])
        assert int(found["cuts"]) < 99
        assert admin.get("spol", POLICY)["status"]["encryption"]["mode"] == "Strict"
    finally:
        change(admin, POLICY, longestConnectionSeconds=None)
    eventually(lambda: run(admin, namespace, "client", ASK, host) == "answered", what="an answer")


def test_a_namespace_that_takes_no_config_map_holds_up_nobody_else(
    admin: Kubectl, ward: tuple[str, str], space: Space
) -> None:
    namespace, _ = ward
    full = space(POLICY)
    # The namespace has its own ConfigMaps by now, so the quota leaves no room for more.
    eventually(lambda: admin.list("configmaps", full), what="the namespace's own")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}}
    admin.create(quota | {"spec": {"hard": {"count/configmaps": "0"}}}, full)
    eventually(lambda: admin.get("resourcequota", "full", full)["status"]["used"], what="a quota that counts")
    admin.create(python("waiting", "lyon-1"), full)
    change(admin, POLICY, longestConnectionSeconds=7200)
    try:
        for where in (namespace, NAMESPACE):
            eventually(
                lambda where=where: (  # type: ignore[misc]
                    "7200s" in admin.get("configmap", f"sovereignty-transit.{POLICY}", where)["data"]["listeners.json"]
                ),
                what=f"what is told in {where}",
            )
        assert admin.attempt("-n", full, "get", "configmap", f"sovereignty-transit.{POLICY}").returncode
    finally:
        change(admin, POLICY, longestConnectionSeconds=None)


def test_what_an_admin_forces_onto_a_refused_node_is_alone_and_reported(admin: Kubectl, ward: tuple[str, str]) -> None:
    namespace, host = ward
    forced = python("forced", "paris-1")
    forced["spec"]["nodeName"] = "paris-1"
    force(admin, forced, namespace)
    # It has a sidecar, which gets no certificate: none of its containers ever starts.
    assert sidecar_of(admin.get("pod", "forced", namespace))
    eventually(
        lambda: "paris-1" in events(admin, namespace, "forced")["NodeNotAccepted"],
        seconds=60,
        what="word of the missing certificate",
    )
    states = admin.get("pod", "forced", namespace)["status"]["initContainerStatuses"]
    assert all("waiting" in state["state"] for state in states)

    bare = python("bare", "paris-1")
    bare["spec"]["nodeName"] = "paris-1"
    guards = "sovereignty-guard-sidecars-by-namespace"
    with without_injector(admin, namespace, python("look", "lyon-1")), without_bindings(admin, guards):
        force(admin, bare, namespace)
    ready(admin, namespace, "bare")
    assert run(admin, namespace, "bare", ASK, host).startswith("refused")
    said = eventually(
        lambda: (found := encrypted(admin, POLICY))["reason"] == "PodsWithoutSidecar" and found, what="a report"
    )
    assert said["status"] == "False"
    admin.delete("pod", "bare", namespace=namespace)
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", what="Strict again")


@pytest.fixture
def shown(admin: Kubectl, cluster: Cluster, ward: tuple[str, str]) -> Iterator[str]:
    """A mirror pod that the kubelet of a refused node creates in the ward's namespace and reports as running."""
    namespace, _ = ward
    node = admin.get("node", "paris-1")
    mirror = pod("static-paris-1", nodeName="paris-1")
    owner = {"apiVersion": "v1", "kind": "Node", "name": "paris-1", "uid": node["metadata"]["uid"], "controller": True}
    mirror["metadata"] |= {"annotations": {MIRROR_ANNOTATION: "x"}, "ownerReferences": [owner]}
    kubelet = Kubectl(cluster.node_kubeconfig("paris-1"))
    running = {"status": {"phase": "Running", "podIP": "192.0.2.1", "podIPs": [{"ip": "192.0.2.1"}]}}
    where = ("-n", namespace)
    # The real kubelet would soon delete a mirror pod for which it has no file.
    cluster.stop_kubelet("paris-1")
    try:
        kubelet.run(*where, "create", "-f", "-", stdin=json.dumps(mirror))
        path = f"/api/v1/namespaces/{namespace}/pods/static-paris-1/status"

        def report() -> str:
            current = admin.get("pod", "static-paris-1", namespace) | running
            return kubelet.run("replace", "--raw", path, "-f", "-", stdin=json.dumps(current))

        eventually(report, what="a report that meets no other write")
        yield f"{namespace}/static-paris-1 on paris-1"
        admin.run(*where, "delete", "pod", "static-paris-1", "--force", "--grace-period=0")
    finally:
        cluster.start_kubelet("paris-1")


def test_a_kubelet_holds_up_nothing_with_a_pod_that_it_only_shows(admin: Kubectl, shown: str) -> None:
    said = eventually(lambda: (found := encrypted(admin, POLICY))["reason"] == "StaticPods" and found, what="a report")
    assert f"static pods, which have no sidecar: {shown}: " in said["message"]
    change(admin, POLICY, mode="Preferred")
    try:
        eventually(lambda: preferred_for(admin), what="Preferred")
    finally:
        change(admin, POLICY, mode="Strict")
    eventually(lambda: encrypted(admin, POLICY)["reason"] == "StaticPods", seconds=60, what="Strict again")


FORGE_STATE = f"""
import http.server, json

STATS = [
    {{"name": "listener_manager.lds.version_text", "value": "forged"}},
    {{"name": "cluster.inbound-plain.upstream_cx_active", "value": 7}},
]

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({{"stats": STATS}}).encode())

http.server.HTTPServer(("", {REDIRECTED_PORT}), Answer).serve_forever()
"""


def test_who_claims_the_address_of_a_pod_does_not_answer_for_its_sidecar(
    admin: Kubectl, cluster: Cluster, ward: tuple[str, str], space: Space
) -> None:
    """With a Service of another namespace, nodes send traffic for a sidecar to a pod of that namespace."""
    namespace, host = ward
    elsewhere = space(None)
    admin.apply(python("forger", "nantes-1", FORGE_STATE, app="forger"), namespace=elsewhere)
    ready(admin, elsewhere, "forger")
    spec = {"selector": {"app": "forger"}, "externalIPs": [host], "ports": [{"port": REDIRECTED_PORT}]}
    admin.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ext"}, "spec": spec}, elsewhere)
    said = eventually(
        lambda: (found := encrypted(admin, POLICY))["reason"] == "AddressClaimed" and found, what="word of it"
    )
    assert f"{namespace}/server (Service {elsewhere}/ext)" in said["message"]
    # A client on a node, such as the controller, now gets the forger's answer.
    asked = ["curl", "--silent", "--max-time", "5", f"http://{host}:{REDIRECTED_PORT}/state"]
    eventually(lambda: "forged" in cluster.node_exec("nantes-1", asked).stdout, what="a Service that leads astray")
    assert encrypted(admin, POLICY)["reason"] == "AddressClaimed"
    admin.delete("service", "ext", namespace=elsewhere)
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", seconds=90, what="Strict again")


def test_an_image_that_runs_as_the_sidecars_user_is_reported_and_gets_nowhere(
    admin: Kubectl, ward: tuple[str, str]
) -> None:
    """No pod spec may set that user, but admission cannot see the user that an image sets."""
    namespace, host = ward
    found = sidecar_of(admin.get("pod", "client", namespace))
    assert found
    past = python("past", "lyon-1", "import signal; signal.pause()")
    # The sidecar's image has Python, and runs as the sidecar's user.
    past["spec"]["containers"][0]["image"] = found["image"]
    admin.apply(past, namespace=namespace)
    ready(admin, namespace, "past")
    assert run(admin, namespace, "past", ASK, host).startswith("refused")
    said = eventually(
        lambda: (seen := encrypted(admin, POLICY))["reason"] == "SidecarBypassed" and seen, what="a report"
    )
    assert f"a container in {namespace}/past bypasses the sidecar" in said["message"]
    admin.delete("pod", "past", namespace=namespace)
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", what="Strict again")
