"""A transit config is read as it was written; a ConfigMap that the controller did not write is ignored or harmless."""

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit, EncryptionMode
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core import names
from sovereign_operator.core.encryption.disconnects import Disconnects, TrustedAnchor
from sovereign_operator.core.encryption.traffic_rules import Datagrams
from sovereign_operator.kube.objects.transit_config import (
    TransitConfig,
    data_of,
    policy_needs_sidecar,
    see_transit_config,
)

OFF, PERMISSIVE, PREFERRED, STRICT = EncryptionMode

ports = st.integers(1, 65535)
datagrams = st.builds(
    lambda network, first, last: Datagrams(ip_network(network), range(min(first, last), max(first, last) + 1)),
    st.sampled_from(["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"]),
    ports,
    ports,
)
anchors = st.builds(
    TrustedAnchor.parse, st.sampled_from(["hds/brest", "hds/lyon", "hds/lyon/0123456789abcdef/2027-03-01T12:00:00Z"])
)
configs = st.builds(
    TransitConfig,
    policy=st.just("hds"),
    mode=st.sampled_from(EncryptionMode),
    listeners=st.just('{"version_info": "v1"}'),
    former_listeners=st.just(("{}", "", "")),
    datagrams=st.none() | st.lists(datagrams, max_size=3).map(tuple),
    disconnects=st.builds(Disconnects, st.integers(0, 9), st.frozensets(anchors)),
    rules=st.integers(0, 10**18 - 1),
)


def config_map(data: dict[str, str], name: str = "sovereignty-transit.hds") -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {names.TRANSIT_LABEL: "hds"}}, "data": data}


@given(configs)
def test_it_is_read_as_it_was_written(config: TransitConfig) -> None:
    assert see_transit_config(config_map(data_of(config))) == config


def test_listeners_of_an_earlier_version_still_have_their_version() -> None:
    """Otherwise sidecars that do not answer would count as having loaded them."""
    seen = see_transit_config(config_map({"mode": "Strict", "listeners-with-keepalive.json": '{"version_info": "v1"}'}))
    assert seen is not None
    assert seen.version == "v1"


def test_a_config_map_with_the_label_and_another_name_is_ignored() -> None:
    assert see_transit_config(config_map({"mode": "Off"}, "mine")) is None


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.0.0.0/8 0-5", "10.0.0.0/8 7-5", "10.0.0.1/8 1-2", "x 1-2", "any\n"])
def test_no_udp_passes_if_the_datagrams_cannot_be_parsed(text: str) -> None:
    seen = see_transit_config(config_map({"datagrams": text}))
    assert seen is not None
    assert seen.datagrams == ()
    assert seen.encryption_mode is OFF


@pytest.mark.parametrize(
    ("wanted", "mode", "needed"),
    [
        (None, None, False),
        (OFF, None, False),
        (PERMISSIVE, None, True),
        (STRICT, OFF, True),
        # On the way down, other pods still send mutual TLS.
        (OFF, STRICT, True),
        (OFF, PERMISSIVE, True),
        (None, PREFERRED, True),
        (OFF, OFF, False),
    ],
)
def test_pods_need_a_sidecar_until_both_the_spec_and_the_transit_config_are_off(
    wanted: EncryptionMode | None, mode: EncryptionMode | None, *, needed: bool
) -> None:
    encryption = EncryptionInTransit(mode=wanted, cluster_networks=("10.0.0.0/8",)) if wanted else None
    config = TransitConfig("hds", mode, "", (), None, Disconnects()) if mode else None
    assert policy_needs_sidecar(SovereigntyPolicySpec(encryption_in_transit=encryption), config) is needed
