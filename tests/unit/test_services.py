"""Where a Service is asked, from what the API server says of it."""

from ipaddress import ip_network

import pytest

from sovereign_operator.controller.services import see_service
from sovereign_operator.kube.api import Json

ALL = [{"port": 53, "protocol": "UDP"}, {"port": 9153}, {"port": 53, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("spec", "destinations"),
    [
        ({"clusterIPs": ["10.96.0.10"], "ports": ALL}, [("10.96.0.10", (53, 9153))]),
        (
            {"clusterIPs": ["10.96.0.10", "fd00::a"], "ports": ALL[1:]},
            [("10.96.0.10", (53, 9153)), ("fd00::a", (53, 9153))],
        ),
        ({"clusterIPs": ["10.96.0.10"], "ports": ALL[:1]}, []),
        ({"clusterIPs": ["None"], "ports": ALL}, []),
        ({"type": "ExternalName", "externalName": "dns.example"}, []),
    ],
    ids=["one family", "both families", "by UDP alone", "headless", "a name elsewhere"],
)
def test_it_is_asked_at_its_addresses(spec: Json, destinations: list[tuple[str, tuple[int, ...]]]) -> None:
    found = [(found.network, found.ports) for found in see_service({"spec": spec})]
    assert found == [(ip_network(address), ports) for address, ports in destinations]


def test_of_dns_nothing_but_its_port_counts() -> None:
    spec = {"clusterIPs": ["10.96.0.10"], "ports": [*ALL, {"port": 5432}]}
    assert [found.ports for found in see_service({"spec": spec}, only=53)] == [(53,)]
    assert not see_service({"spec": spec | {"ports": [{"port": 5432}]}}, only=53)
