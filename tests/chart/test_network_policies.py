"""Which connections to and from the chart's pods its NetworkPolicies allow, evaluated as Kubernetes defines them."""

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import pytest

from sovereign_operator.core.sidecar.contract import SIGNER_PORT, SIGNER_PORT_NAME
from tests.chart.rendering import ENCRYPTION, Json, Render, of_kind, template

PROCESSES = {"controller", "signer", "injector", "agent"}
ADDRESSES = ("--set", "networkPolicies.apiServer={10.0.0.0/28}")


@dataclass(frozen=True)
class Peer:
    """One end of a connection. A pod has labels and a namespace; anything else has an address alone."""

    address: str
    labels: Json | None = None
    namespace: Json = field(default_factory=dict)
    """The labels of its namespace."""


API_SERVER = Peer("10.0.0.5")
ELSEWHERE = Peer("192.0.2.1")
STRANGER = Peer("10.1.0.7", {"app": "stranger"})
PROMETHEUS = Peer("10.1.0.8", {"app.kubernetes.io/name": "prometheus"}, {"kubernetes.io/metadata.name": "monitoring"})
PODS = {"stranger", "Prometheus"}
WHO = {"API server": API_SERVER, "elsewhere": ELSEWHERE, "stranger": STRANGER, "Prometheus": PROMETHEUS}


def selects(selector: Json, labels: Json) -> bool:
    assert set(selector) <= {"matchLabels"}
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def is_meant(clause: Json, peer: Peer) -> bool:
    """Return whether one entry of ``from`` or ``to`` selects a peer."""
    if block := clause.get("ipBlock"):
        return ip_address(peer.address) in ip_network(block["cidr"])
    assert "namespaceSelector" in clause
    if peer.labels is None:
        return False
    return selects(clause["namespaceSelector"], peer.namespace) and selects(clause.get("podSelector", {}), peer.labels)


def admits(objects: list[Json], pod: Json, direction: str, peer: Peer, port: int) -> bool:
    """Return whether a peer may connect to a pod (Ingress), or the pod to the peer (Egress)."""
    policies = [
        policy["spec"]
        for policy in of_kind(objects, "NetworkPolicy").values()
        if selects(policy["spec"]["podSelector"], pod["metadata"]["labels"])
        and direction in policy["spec"]["policyTypes"]
    ]
    ports = (found for container in pod["spec"]["containers"] for found in container.get("ports", ()))
    named = {found["name"]: found["containerPort"] for found in ports}
    peers = {"Ingress": "from", "Egress": "to"}[direction]
    return not policies or any(
        (peers not in rule or any(is_meant(clause, peer) for clause in rule[peers]))
        and ("ports" not in rule or port in {named.get(found["port"], found["port"]) for found in rule["ports"]})
        for policy in policies
        for rule in policy.get(direction.lower(), ())
    )


def pods(objects: list[Json]) -> dict[str, Json]:
    """Return the chart's pod templates, by the name of their Deployment, DaemonSet or Job."""
    makers = of_kind(objects, "Deployment", "DaemonSet", "Job")
    return {name.removeprefix("sovereign-"): maker["spec"]["template"] for name, maker in makers.items()}


@dataclass(frozen=True)
class Port:
    """A port on which processes listen."""

    number: int
    open_at: set[str]
    may: set[str]
    """The peers that may connect."""
    options: tuple[str, ...] = ()


PORTS: dict[str, Port] = {
    "http": Port(8080, PROCESSES, {"Prometheus"}),
    "webhook": Port(8443, {"injector"}, set(WHO)),
    "webhook, by the API server": Port(8443, {"injector"}, {"API server"}, ADDRESSES),
    "certificates": Port(8443, {"signer"}, PODS),
    "certificates, where the API server is known": Port(8443, {"signer"}, PODS, ADDRESSES),
}


def may_ask(process: str, number: int, options: tuple[str, ...]) -> set[str]:
    """Return the peers that may connect to a port of a process. Processes use one number for different ports."""
    ports = [port for port in PORTS.values() if (port.number, port.options) == (number, options)]
    return next((port.may for port in ports if process in port.open_at), set())


@pytest.mark.parametrize("name", PORTS)
def test_nobody_but_those_who_must_may_ask(render: Render, name: str) -> None:
    port = PORTS[name]
    objects = render(*ENCRYPTION, *port.options)
    made = pods(objects)
    assert made.keys() >= PROCESSES
    for process, pod in made.items():
        asked = {who for who, peer in WHO.items() if admits(objects, pod, "Ingress", peer, port.number)}
        assert asked == may_ask(process, port.number, port.options), process
        if process in port.open_at:
            listed = {"name": name.partition(",")[0], "containerPort": port.number}
            assert listed in pod["spec"]["containers"][0]["ports"]


def test_only_the_monitoring_that_is_named_reads_metrics(render: Render) -> None:
    where = "networkPolicies.metricsFrom[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name"
    for namespace, may in (("monitoring", True), ("elsewhere", False)):
        objects = render(*ENCRYPTION, "--set", f"{where}={namespace}")
        for process in PROCESSES:
            assert admits(objects, pods(objects)[process], "Ingress", PROMETHEUS, 8080) is may


def test_all_reach_the_api_server_and_nothing_else_where_it_is_known(render: Render) -> None:
    for options, elsewhere in (((), True), (ADDRESSES, False)):
        objects = render(*ENCRYPTION, "--set", "presets.enabled=true", *options)
        made = pods(objects)
        assert len(made) > len(PROCESSES)
        for name, pod in made.items():
            # No NetworkPolicy applies to a pod in its node's network.
            assert not pod["spec"].get("hostNetwork")
            assert admits(objects, pod, "Egress", API_SERVER, 6443), name
            assert admits(objects, pod, "Egress", ELSEWHERE, 443) is elsewhere, name


def test_the_controller_alone_asks_sidecars(render: Render) -> None:
    objects = render(*ENCRYPTION, *ADDRESSES)
    for name, pod in pods(objects).items():
        assert admits(objects, pod, "Egress", STRANGER, 15022) is (name == "controller"), name
        assert not admits(objects, pod, "Egress", STRANGER, 80), name


def test_sidecars_and_what_is_said_of_network_policies_name_the_ports_of_the_chart(render: Render) -> None:
    (container,) = pods(render(*ENCRYPTION))["signer"]["spec"]["containers"]
    assert {"name": SIGNER_PORT_NAME, "containerPort": SIGNER_PORT} in container["ports"]
    assert f"--certificate-port={SIGNER_PORT}" in container["args"]


def test_they_can_be_left_out(render: Render) -> None:
    assert not of_kind(render(*ENCRYPTION, "--set", "networkPolicies.enabled=false"), "NetworkPolicy")


def test_what_is_no_network_is_refused() -> None:
    refused = template("--set", "networkPolicies.apiServer={api.example.org}")
    assert refused.returncode
    assert "/networkPolicies/apiServer/0" in refused.stderr
