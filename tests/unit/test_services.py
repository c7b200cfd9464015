"""Where a Service is asked, from what the API server says of it."""

from ipaddress import ip_network

import pytest

from sovereign_operator.controller.services import Service, see_service
from sovereign_operator.kube.api import Json

BOTH = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}, {"port": 9153}]


@pytest.mark.parametrize(
    ("spec", "service"),
    [
        ({"clusterIPs": ["10.96.0.10"], "ports": BOTH}, Service((ip_network("10.96.0.10"),), (53, 9153), (53,))),
        (
            {"clusterIPs": ["10.96.0.10", "fd00::a"], "ports": BOTH[:1]},
            Service((ip_network("10.96.0.10"), ip_network("fd00::a")), (), (53,)),
        ),
        ({"clusterIPs": ["None"], "ports": BOTH}, Service((), (53, 9153), (53,))),
        ({"type": "ExternalName", "externalName": "dns.example"}, Service((), (), ())),
    ],
    ids=["one family", "both families", "headless", "a name elsewhere"],
)
def test_it_is_asked_at_its_addresses(spec: Json, service: Service) -> None:
    assert see_service({"spec": spec}) == service
