import json
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.core.encryption.traffic_rules import Destination, Reach, datagrams, inbound, outbound
from sovereign_operator.core.encryption.wire import Wire
from sovereign_operator.core.sidecar.contract import PEER_PORT
from sovereign_operator.dataplane.envoy import INLINE
from sovereign_operator.dataplane.listeners import AFTER_HANDSHAKE, discovery, former

# Few networks, close together, so that some contain others.
NETWORKS = ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "10.2.0.0/16", "fd00::/8", "fd00:1::/32")
ADDRESSES = ("10.1.2.3", "10.1.2.4", "10.1.9.9", "10.2.0.1", "10.9.0.1", "192.0.2.1", "fd00:1::1", "fd01::1")
PORTS = (53, 443, 5432)

DNS = Destination(ip_network("10.2.0.10/32"), (53,))

networks = st.sampled_from(NETWORKS)
ports = st.lists(st.sampled_from(PORTS), unique=True, max_size=2)
destinations = st.lists(st.tuples(networks, ports), max_size=4, unique_by=lambda named: named[0])


def wanted(mode: EncryptionMode, **fields: Any) -> EncryptionInTransit:
    return EncryptionInTransit.model_validate({"mode": mode, **fields})


def sent(reaches: Iterable[Reach], address: str, port: int) -> Wire:
    """Return what Envoy sends: only the smallest network that contains the address decides."""
    holding = [reach for reach in reaches if ip_address(address) in reach.network]
    if not holding:
        return Wire.PLAIN
    smallest = max(holding, key=lambda reach: reach.network.prefixlen)
    return Wire.PLAIN if port in smallest.plain_ports else smallest.wire


@given(
    st.lists(networks, min_size=1, max_size=3, unique=True),
    destinations,
    st.sampled_from(ADDRESSES),
    st.sampled_from(PORTS),
)
def test_what_lies_in_the_cluster_is_encrypted_unless_an_exception_names_it(
    cluster: list[str], plain: list[tuple[str, list[int]]], address: str, port: int
) -> None:
    named = [{"network": network, "ports": ports, "reason": "as said"} for network, ports in plain]
    policy = wanted(EncryptionMode.STRICT, clusterNetworks=cluster, plainDestinations=named)
    target = ip_address(address)
    excepted = any(target in ip_network(network) and (not ports or port in ports) for network, ports in plain)
    inside = any(target in ip_network(network) for network in cluster)
    expected = Wire.MUTUAL_TLS if inside and not excepted else Wire.PLAIN
    assert sent(outbound(policy, ()), address, port) is expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (EncryptionMode.OFF, Wire.PLAIN),
        (EncryptionMode.PERMISSIVE, Wire.PLAIN),
        (EncryptionMode.PREFERRED, Wire.MUTUAL_TLS),
        (EncryptionMode.STRICT, Wire.MUTUAL_TLS),
    ],
)
def test_modes_send_by_steps(mode: EncryptionMode, expected: Wire) -> None:
    reaches = outbound(wanted(mode, clusterNetworks=["10.0.0.0/8"]), [DNS])
    assert sent(reaches, "10.2.0.10", 5432) is expected
    assert sent(reaches, "10.2.0.10", 53) is Wire.PLAIN
    assert sent(reaches, "192.0.2.1", 443) is Wire.PLAIN


@pytest.mark.parametrize("mode", EncryptionMode)
def test_only_strict_refuses_plaintext(mode: EncryptionMode) -> None:
    assert inbound(wanted(mode, clusterNetworks=["10.0.0.0/8"])).anything is (mode is not EncryptionMode.STRICT)


def files(**fields: Any) -> list[dict[str, Any]]:
    policies = [wanted(mode, clusterNetworks=list(NETWORKS[:2]), **fields) for mode in EncryptionMode]
    return [json.loads(discovery(outbound(policy, [DNS]), inbound(policy))) for policy in policies]


EXCEPTIONS = {
    "plainDestinations": [{"network": "10.1.2.0/24", "ports": [5432], "reason": "no sidecar"}],
    "plainPeers": [{"network": "10.1.9.0/24", "reason": "ingress"}],
    "plainPorts": [{"port": 9090, "reason": "metrics"}],
}


def test_a_change_of_mode_or_exceptions_changes_only_which_chain_is_taken() -> None:
    """Envoy keeps connections only if nothing else of their listener changes, and only those of chains that stay."""
    fixed, chains = [], []
    for file in (*files(), *files(**EXCEPTIONS)):
        for listener in file["resources"]:
            del listener["filter_chain_matcher"]
        chains.append([chain for listener in file["resources"] for chain in listener.pop("filter_chains")])
        fixed.append(file["resources"])
    assert all(listeners == fixed[0] for listeners in fixed)
    leads = {chain["name"]: chain["filters"][0]["typed_config"]["cluster"] for chain in chains[4][2:]}
    exceptions = dict.fromkeys(("excepted-9090", "excepted-10.1.9.0/24"), "inbound-excepted")
    assert leads == {"mtls": "inbound-mtls", "plain": "inbound-plain", **exceptions}
    accepted = chains[0].pop()
    assert accepted["name"] == "plain"
    # Only Strict lacks the plaintext chain. Each exception adds a chain that does not depend on the mode.
    assert all(found == [*chains[0], accepted] for found in chains[1:3])
    assert chains[3] == chains[0]
    excepted = chains[4][-2:]
    assert all(found == [*chains[0], accepted, *excepted] for found in chains[4:7])
    assert chains[7] == [*chains[0], *excepted]


def test_an_exception_that_is_named_twice_counts_once() -> None:
    """Envoy rejects a listener with two chains of the same name."""
    named = {"plainPorts": [{"port": 9090, "reason": why} for why in ("metrics", "traces")]}
    for file in files(**named):
        names = [chain["name"] for chain in file["resources"][1]["filter_chains"]]
        assert len(set(names)) == len(names)


def test_settings_that_differ_have_other_versions() -> None:
    versions = [file["version_info"] for file in (*files(), *files(**EXCEPTIONS))]
    assert versions[0] == versions[1]
    assert versions[4] == versions[5]
    assert len(set(versions)) == 6


def test_pods_of_before_are_told_the_same_but_for_what_they_do_not_know() -> None:
    """Envoy rejects a changed socket option of an existing listener, together with all other changes."""
    told = discovery(outbound(wanted(EncryptionMode.STRICT), [DNS]), inbound(wanted(EncryptionMode.STRICT)))
    now, at_once, without_peers, without_limits = map(json.loads, (told, *former(told)))
    outgoing, incoming = now["resources"]
    ours = [chain["filters"][0]["typed_config"] for chain in incoming["filter_chains"] if "transport_socket" in chain]
    assert [{field: told.pop(field) for field in AFTER_HANDSHAKE} for told in ours] == [AFTER_HANDSHAKE]
    assert now == at_once
    keepalive = {"keepalive_time": 10, "keepalive_interval": 5, "keepalive_probes": 2}
    assert outgoing.pop("tcp_keepalive") == keepalive
    (also,) = incoming.pop("additional_addresses")
    assert also["address"]["socket_address"]["port_value"] == PEER_PORT
    names = [one["name"].rpartition(".")[2] for one in incoming["listener_filters"]]
    assert names == ["set_filter_state", "original_dst", "set_filter_state", "tls_inspector"]
    incoming["listener_filters"] = incoming["listener_filters"][1::2]
    assert [one["name"].rpartition(".")[2] for one in outgoing["listener_filters"]] == ["original_dst"]
    for one in now["resources"]:
        assert one["socket_options"].pop() == INLINE
    assert now == without_peers
    for one in now["resources"]:
        assert one.pop("per_connection_buffer_limit_bytes") == 32768
        size = 65536 if one["name"] == "outbound" else 131072
        assert {option["int_value"] for option in one.pop("socket_options")} == {size}
    assert now == without_limits
    assert incoming["tcp_keepalive"] == keepalive


@pytest.mark.parametrize("network", ["10.1.2.3/8", "nonsense", "10.0.0.0/33", "fd00::1/8"])
def test_a_network_with_host_bits_or_none_at_all_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match="clusterNetworks"):
        wanted(EncryptionMode.OFF, clusterNetworks=[network])


def test_only_strict_drops_datagrams_but_those_that_are_named() -> None:
    named = [
        {"network": "10.2.0.0/16", "port": 5004, "endPort": 5104, "reason": "voice"},
        {"network": "10.1.0.0/16", "port": 123, "reason": "time"},
    ]
    for mode in EncryptionMode:
        found = datagrams(wanted(mode, clusterNetworks=["10.0.0.0/8"], plainDatagrams=named))
        if mode is not EncryptionMode.STRICT:
            assert found is None
            continue
        assert found is not None
        assert list(map(str, found)) == ["10.1.0.0/16 123-123", "10.2.0.0/16 5004-5104"]
