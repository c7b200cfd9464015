"""The way to Strict on a real cluster, and from it to Off: what holds up a step, and how the policy reports it."""

import contextlib
import socket
from datetime import timedelta

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.sidecars import encrypted, refusal, sidecar_of, without_agent
from tests.e2e.support.strict_pods import ASK, PORT, change, python, ready, run
from tests.e2e.support.strict_ward import POLICY, SEND, UNNAMED, named, preferred_for


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
        # The condition does not wait for agents that still have rules of Strict.
        eventually(
            lambda: "not permitted" not in run(admin, namespace, "client", SEND, host, "before", str(UNNAMED)),
            what="datagrams in Preferred",
        )
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
