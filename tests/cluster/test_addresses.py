from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path

import pytest

from hack.cluster.errors import ClusterError
from hack.cluster.network.addresses import INDICES, Addresses, choose_index
from hack.cluster.network.links import render_bridge_port, render_cluster, render_machine, render_node
from hack.cluster.spec import LARGEST_CLUSTER

ADDRESSES = Addresses(2)


def test_ranges_of_a_cluster_lie_in_its_block_and_do_not_overlap() -> None:
    link = IPv4Network((int(ADDRESSES.machine) - 1, 30))
    ranges = [ADDRESSES.nodes, link, ADDRESSES.services, ADDRESSES.pods]
    assert ADDRESSES.uplink in link
    assert all(part.subnet_of(ADDRESSES.block) for part in ranges)
    assert not any(one.overlaps(other) for one, other in combinations(ranges, 2))


def test_every_node_has_an_address_and_pods_of_its_own() -> None:
    numbers = range(LARGEST_CLUSTER)
    assert all(ADDRESSES.node(number) in ADDRESSES.nodes for number in numbers)
    assert all(ADDRESSES.pods_of(number).subnet_of(ADDRESSES.pods) for number in numbers)
    assert len({ADDRESSES.pods_of(number) for number in numbers}) == LARGEST_CLUSTER


def test_clusters_do_not_overlap_and_have_short_interface_names() -> None:
    clusters = [Addresses(index) for index in INDICES]
    assert len({cluster.block for cluster in clusters}) == len(clusters)
    assert all(len(cluster.link) <= 15 for cluster in clusters)


def test_services_with_fixed_addresses() -> None:
    assert str(ADDRESSES.kubernetes_service) == "10.130.16.1"
    assert str(ADDRESSES.dns_service) == "10.130.16.10"


@pytest.mark.parametrize(
    ("taken", "routes", "index"),
    [
        ([], [], 0),
        ([0, 1], [], 2),
        ([1], ["10.128.3.0/24"], 2),
        ([], ["0.0.0.0/0"], 0),
        ([], ["10.128.0.0/12"], 16),
        ([], ["192.168.0.0/16", "10.128.0.7/32"], 1),
    ],
)
def test_the_lowest_free_index_is_chosen(taken: list[int], routes: list[str], index: int) -> None:
    assert choose_index(taken, map(IPv4Network, routes)) == index


@pytest.mark.parametrize(("taken", "routes"), [(list(INDICES), []), ([], ["10.0.0.0/8"])])
def test_no_free_index_is_an_error(taken: list[int], routes: list[str]) -> None:
    with pytest.raises(ClusterError, match="no free addresses"):
        choose_index(taken, map(IPv4Network, routes))


def test_only_the_clusters_own_addresses_are_routed_on_the_machine() -> None:
    commands = render_machine(ADDRESSES, 17, Path("/state/demo"))
    assert [command for command in commands if command.startswith("route")] == [
        "route replace 10.130.0.0/16 via 10.130.1.2 dev sovereign2",
        "route replace unreachable 10.130.0.0/16 metric 4294967295",
    ]


def test_the_cluster_has_no_default_route() -> None:
    routes = [command for command in render_cluster(ADDRESSES) if command.startswith("route")]
    assert routes == ["route add unreachable 10.130.0.0/16"]


def test_the_other_family_is_routed_within_the_cluster_alone() -> None:
    both = Addresses(2, dual_stack=True)
    assert not any("fd73" in command for command in render_machine(both, 17, Path("/state/demo")))
    assert "address add fd73:6f76:82::1/64 dev nodes nodad" in render_cluster(both)
    assert "route add unreachable fd73:6f76:82::/48" in render_cluster(both)
    assert "route replace fd73:6f76:82:101::/64 via fd73:6f76:82::b" in render_bridge_port(both, 1, 17)
    assert [command for command in render_node(both, 1, 3) if "route" in command and "fd73" in command] == [
        "route add default via fd73:6f76:82::1",
        "route add fd73:6f76:82:100::/64 via fd73:6f76:82::a",
        "route add fd73:6f76:82:102::/64 via fd73:6f76:82::c",
    ]
    other = both.families[1]
    assert all(part.subnet_of(other.block) for part in (other.nodes, other.services, other.pods))  # type: ignore[arg-type]
    assert not any(one.overlaps(two) for one, two in combinations((other.nodes, other.services, other.pods), 2))
    assert len({other.pods_of(number) for number in range(LARGEST_CLUSTER)}) == LARGEST_CLUSTER


def test_a_node_reaches_the_others_pods_through_them() -> None:
    assert [command for command in render_node(ADDRESSES, 1, 3) if command.startswith("route")] == [
        "route add default via 10.130.0.1",
        "route add 10.130.128.0/24 via 10.130.0.10",
        "route add 10.130.130.0/24 via 10.130.0.12",
    ]
    assert "route replace 10.130.129.0/24 via 10.130.0.11" in render_bridge_port(ADDRESSES, 1, 17)
