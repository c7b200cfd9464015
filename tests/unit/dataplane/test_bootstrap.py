"""The bootstrap overrides Envoy's defaults that would end connections or need too much memory."""

import pytest

from sovereign_operator.core.sidecar.contract import IDENTITY_FOLDER, LEAST_MEMORY, OWN_FOLDER, Probe, ProbeKind
from sovereign_operator.dataplane.bootstrap import bootstrap, secrets
from sovereign_operator.dataplane.envoy import CHAINS, INLINE, cluster
from sovereign_operator.dataplane.keepalive import GIVE_UP_SOONER, KEEP_TRYING, LOST_SECONDS
from sovereign_operator.dataplane.memory import (
    BASE,
    BESIDE_ENVOY,
    CONNECTION,
    FAR,
    KUBELET_BUFFER,
    KUBELET_CONNECTION,
    MIB,
    NEAR,
    UNLIMITED,
    Budget,
    kernel_buffers,
)

REQUEST_KINDS = [kind for kind in ProbeKind if kind is not ProbeKind.TCP]


@pytest.mark.parametrize("kind", REQUEST_KINDS)
def test_nothing_ends_a_hook_but_the_grace_period_of_its_pod(kind: ProbeKind) -> None:
    """By default, Envoy ends streams that are idle for five minutes."""
    listeners = bootstrap("pod", {15100: Probe(kind, 8080)})["static_resources"]["listeners"]
    (listener,) = (each for each in listeners if each["name"] == "probe-15100")
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    (host,) = manager["route_config"]["virtual_hosts"]
    assert manager["stream_idle_timeout"] == "0s"
    assert {route["route"]["timeout"] for route in host["routes"]} == {"0s"}


@pytest.mark.parametrize("give_up_sooner", [False, True])
def test_every_connection_that_leaves_the_pod_detects_a_dead_peer(*, give_up_sooner: bool) -> None:
    clusters = bootstrap("pod", {}, give_up_sooner=give_up_sooner)["static_resources"]["clusters"]
    asking = {one["name"]: one for one in clusters if "upstream_connection_options" in one}
    leaving = {cluster("outbound", chain): asking.pop(cluster("outbound", chain)) for chain in CHAINS["outbound"]}
    # Within the pod, the question has conntrack remember the address of the client.
    assert set(asking) == {cluster("inbound", chain) for chain in CHAINS["inbound"]}
    for one in (*asking.values(), *leaving.values()):
        assert one["upstream_connection_options"] == {
            "tcp_keepalive": {"keepalive_time": 10, "keepalive_interval": 5, "keepalive_probes": 2}
        }
    for one in leaving.values():
        assert one["upstream_bind_config"]["socket_options"] == [
            *([GIVE_UP_SOONER, KEEP_TRYING] if give_up_sooner else []),
            *kernel_buffers(FAR),
            INLINE,
        ]
    assert LOST_SECONDS == 20


@pytest.mark.parametrize("reserved", [0, BESIDE_ENVOY])
def test_all_connections_fit_into_the_memory(reserved: int) -> None:
    assert 2 * 2 * (NEAR + FAR) < CONNECTION, "the kernel doubles the sizes that it is given, each way"
    for memory in (LEAST_MEMORY + reserved, 256 * MIB, 512 * MIB):
        budget = Budget(memory, 3, reserved)
        for_kubelets = budget.ports * budget.kubelet_connections * KUBELET_CONNECTION
        assert reserved + BASE + budget.connections * CONNECTION + for_kubelets <= memory
        assert budget.heap
        assert budget.heap < memory - reserved
    assert Budget(None).connections == Budget(1 << 50).connections == UNLIMITED


@pytest.mark.parametrize("memory", [None, 512 * MIB])
def test_no_listener_and_no_cluster_buffers_more_than_the_budget_assumes(memory: int | None) -> None:
    """By default, Envoy buffers 1 MiB each way, and the kernel several MiB."""
    made = bootstrap("pod", {15100: Probe(ProbeKind.HTTP, 8080)}, Budget(memory))
    resources = made["static_resources"]
    for one in (*resources["listeners"], *(one for one in resources["clusters"] if one["name"] != "admin")):
        assert one["per_connection_buffer_limit_bytes"] == 32768, one["name"]
    limits = made["layered_runtime"]["layers"][0]["static_layer"]
    assert len(limits) == 4
    for asked in (*resources["listeners"], *(one for one in resources["clusters"] if "probe" in one["name"])):
        options = asked.get("socket_options") or asked["upstream_bind_config"]["socket_options"]
        assert options == kernel_buffers(KUBELET_BUFFER)
    monitors = [one["name"] for one in made["overload_manager"]["resource_monitors"]]
    assert ("envoy.resource_monitors.fixed_heap" in monitors) is (memory is not None)


def test_each_port_for_kubelets_gets_its_share_of_connections() -> None:
    assert [Budget(512 * MIB, ports=ports).kubelet_connections for ports in (1, 3, 64)] == [100, 33, 8]
    assert Budget(128 * MIB, ports=64).connections == 1


def test_with_the_least_memory_there_is_a_connection_and_seldom_more_beside_other_processes() -> None:
    """The pages of programs that are read again when needed make up for the last MiB."""
    assert Budget(LEAST_MEMORY).connections == 19
    assert Budget(LEAST_MEMORY, reserved=BESIDE_ENVOY).connections == 1
    assert Budget(512 * MIB).connections - Budget(512 * MIB, reserved=BESIDE_ENVOY).connections == 20


@pytest.mark.parametrize(("arguments", "folder"), [((), IDENTITY_FOLDER), ((OWN_FOLDER,), OWN_FOLDER)])
def test_envoy_watches_the_folder_of_its_key_and_that_of_its_trust_bundle(arguments: tuple[str], folder: str) -> None:
    certificate, trust = ((file["resources"][0]) for file in secrets(*arguments).values())
    pair, trusted = certificate["tls_certificate"], trust["validation_context"]
    assert pair["private_key"] == pair["certificate_chain"] == {"filename": f"{folder}/credentials.pem"}
    assert pair["watched_directory"] == {"path": folder}
    assert trusted["trusted_ca"] == {"filename": f"{IDENTITY_FOLDER}/trusted.pem"}
    assert trusted["watched_directory"] == {"path": IDENTITY_FOLDER}
