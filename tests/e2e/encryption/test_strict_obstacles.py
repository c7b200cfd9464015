"""What keeps a policy from Strict besides its own pods is named: calls of the API server, and NetworkPolicies."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core.sidecar.contract import REDIRECTED_PORT, SIGNER_PORT
from tests.e2e.support.client import Client
from tests.e2e.support.sidecars import encrypted
from tests.e2e.support.strict_pods import PORT, change, python, ready
from tests.e2e.support.strict_ward import POLICY, preferred_for

HOOK = "hook.sovereignty.test"
RULE = {"apiGroups": ["sovereignty.test"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothing"]}


@pytest.fixture
def hooked(admin: Kubectl, ward: tuple[str, str]) -> Iterator[str]:
    """The ward's namespace, with a webhook that the API server would call in the ward's server."""
    namespace, _ = ward
    admin.run("-n", namespace, "label", "pod", "server", "app=hook")
    ports = [{"name": "https", "port": 443, "targetPort": PORT}, {"name": "other", "port": 9999, "targetPort": 9999}]
    spec = {"selector": {"app": "hook"}, "ports": ports}
    admin.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook"}, "spec": spec}, namespace)
    webhook = {
        "name": HOOK,
        "clientConfig": {"service": {"namespace": namespace, "name": "hook"}},
        "rules": [RULE],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    admin.create(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": HOOK},
            "webhooks": [webhook],
        }
    )
    yield namespace
    admin.delete("validatingwebhookconfiguration", HOOK)
    change(admin, POLICY, mode="Strict", plainPorts=None)
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", seconds=60, what="Strict again")


def message(admin: Kubectl) -> str:
    """Return the message of the condition."""
    return str(encrypted(admin, POLICY)["message"])


def test_strict_waits_while_the_api_server_calls_a_pod_and_everybody_who_asks_is_told(
    admin: Kubectl, hooked: str
) -> None:
    named = f"{hooked}/server (port {PORT}, called for ValidatingWebhookConfiguration {HOOK})"
    # In Strict the policy stays there, and names what the API server cannot call.
    eventually(lambda: f"cannot call {named}" in message(admin), seconds=90, what="word of it in Strict")
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", what="Strict")

    change(admin, POLICY, mode="Preferred")
    eventually(lambda: preferred_for(admin), what="Preferred")
    change(admin, POLICY, mode="Strict")
    held = "1 pod(s) are called by the API server, which has no certificate: name the ports in plainPorts, or the "
    eventually(lambda: held in message(admin) and named in message(admin), what="word of it before Strict")
    assert admin.get("spol", POLICY)["status"]["encryption"]["mode"] == "Preferred"

    client = Client(admin.kubeconfig)
    checked = {item["check"]: item for item in client.ask("check", code=1)["items"]}["webhooks reached"]
    assert checked["result"] == "bad"
    assert named in checked["found"]
    explained = client.text("explain", "pod/server", "-n", hooked, code=1)
    assert f"Encryption: Strict refuses the API server, which calls it (port {PORT}, called for" in explained
    previewed = client.ask("preview", "--policy", POLICY, "-n", hooked, code=1)
    assert f"pod {hooked}/server would refuse the API server in Strict" in previewed["called"][0]

    change(admin, POLICY, plainPorts=[{"port": PORT, "reason": "a webhook, which has TLS of its own"}])
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", seconds=60, what="Strict, with the port")
    assert named not in message(admin)


@contextmanager
def closed(cluster: Cluster, node: str, port: int, *hosts: str) -> Iterator[None]:
    """Drop what a node forwards to a port of pods: this cluster's network plugin enforces no NetworkPolicy."""
    table = "sovereign_test_wall"
    drops = "\n".join(f"{'ip6' if ':' in host else 'ip'} daddr {host} tcp dport {port} drop" for host in hosts)
    rules = f"""
        table inet {table} {{
          chain forward {{
            type filter hook forward priority -10;
            {drops}
          }}
        }}
    """
    done = cluster.node_exec(node, ["nft", rules])
    assert not done.returncode, done.stderr
    try:
        yield
    finally:
        cluster.node_exec(node, ["nft", "delete", "table", "inet", table])


def closing(name: str, *ingress: Json) -> Json:
    """Return a NetworkPolicy that closes all pods of its namespace but for this."""
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}, *ingress]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}


def test_a_network_policy_that_keeps_the_controller_from_a_sidecar_is_named(
    admin: Kubectl, cluster: Cluster, ward: tuple[str, str]
) -> None:
    namespace, host = ward
    admin.create(closing("default-deny"), namespace)
    with closed(cluster, "brest-1", REDIRECTED_PORT, host):
        change(admin, POLICY, longestConnectionSeconds=7200)
        try:
            named = f"{namespace}/server (NetworkPolicy default-deny)"
            eventually(lambda: named in message(admin), seconds=60, what="word of it")
            assert f"do not admit the controller to TCP port {REDIRECTED_PORT}" in message(admin)
            explained = Client(admin.kubeconfig).text("explain", "pod/server", "-n", namespace, code=1)
            assert f"to TCP port {REDIRECTED_PORT}: default-deny" in explained

            # With a rule for the controller the NetworkPolicy is no reason, although nobody can reach the port here.
            labels = {"kubernetes.io/metadata.name": "sovereign-system"}
            admitting = {"from": [{"namespaceSelector": {"matchLabels": labels}}], "ports": [{"port": REDIRECTED_PORT}]}
            admin.apply(closing("default-deny", admitting), namespace=namespace)
            eventually(lambda: "default-deny" not in message(admin), seconds=60, what="no word of it any more")
            assert encrypted(admin, POLICY)["reason"] == "StepPending"
        finally:
            change(admin, POLICY, longestConnectionSeconds=None)
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", seconds=60, what="Strict again")


def allowing(name: str, *egress: Json) -> Json:
    """Return a NetworkPolicy that lets the pods of its namespace connect to their name servers and to this alone."""
    dns = {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [dns, *egress]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}


@pytest.mark.older_kubernetes
def test_a_network_policy_that_keeps_a_sidecar_from_the_signers_is_named(
    admin: Kubectl, cluster: Cluster, ward: tuple[str, str]
) -> None:
    """The sidecar of a new pod never starts, so neither does its application.

    On the newest Kubernetes, where kubelets ask for certificates, no sidecar connects to a signer.
    """
    namespace, _ = ward
    own = "app.kubernetes.io/component=signer"
    signers = [entry["ip"] for pod in admin.list("pods", NAMESPACE, own) for entry in pod["status"].get("podIPs", ())]
    assert signers
    admin.create(allowing("no-egress"), namespace)
    with closed(cluster, "lyon-1", SIGNER_PORT, *signers):
        admin.apply(python("late", "lyon-1"), namespace=namespace)
        named = f"{namespace}/late (NetworkPolicy no-egress)"
        eventually(lambda: named in message(admin), seconds=90, what="word of it")
        assert f"admit no connection to TCP port {SIGNER_PORT} of the signers" in message(admin)
        explained = Client(admin.kubeconfig).text("explain", "pod/late", "-n", namespace, code=1)
        assert f"to TCP port {SIGNER_PORT} of the signers: no-egress" in explained

        # With the rule of encryption.md the NetworkPolicy is no reason, although nobody can reach the port here.
        labels = {"kubernetes.io/metadata.name": NAMESPACE}
        signer = {"matchLabels": dict([own.split("=")])}
        to = {"namespaceSelector": {"matchLabels": labels}, "podSelector": signer}
        admin.apply(allowing("no-egress", {"to": [to], "ports": [{"port": SIGNER_PORT}]}), namespace=namespace)
        eventually(lambda: "no-egress" not in message(admin), seconds=60, what="no word of it any more")
        assert encrypted(admin, POLICY)["status"] == "False"
    ready(admin, namespace, "late")
    eventually(lambda: encrypted(admin, POLICY)["status"] == "True", seconds=60, what="Strict again")
