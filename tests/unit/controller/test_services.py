"""What Services mean for encryption."""

from ipaddress import ip_network

import pytest

from sovereign_operator.controller.observed.services import (
    ANY,
    LINGER_SECONDS,
    MOST_CLAIMS,
    Services,
    plain_address,
    see_claims,
    see_destinations,
)
from sovereign_operator.kube.client.api import Json
from tests.unit.controller.objects import service
from tests.unit.states import CLOCK_ALONE

ALL = [{"port": 53, "protocol": "UDP"}, {"port": 9153}, {"port": 53, "protocol": "TCP"}]
DNS = ("kube-system", "kube-dns")


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
    found = [(found.network, found.ports) for found in see_destinations({"spec": spec})]
    assert found == [(ip_network(address), ports) for address, ports in destinations]


class Cluster:
    """All Services as a controller observes them, and a clock."""

    def __init__(self) -> None:
        self.now, self.changes = 0.0, 0
        self.services = Services(CLOCK_ALONE, DNS, self._changed, lambda: self.now)

    def _changed(self) -> None:
        self.changes += 1

    def show(self, obj: Json, kind: str = "ADDED") -> None:
        self.services.mirror._take(kind, obj)  # noqa: SLF001 - called by its watch


def test_of_all_services_two_are_reached_in_plaintext_and_of_dns_its_port_alone() -> None:
    cluster = Cluster()
    spec = {"clusterIPs": ["10.96.0.10"], "ports": [*ALL, {"port": 5432}]}
    cluster.show(service(spec, DNS))
    cluster.show(service({"clusterIPs": ["10.96.0.1"], "ports": [{"port": 443}]}, ("default", "kubernetes")))
    cluster.show(service(spec))
    assert [(str(found.network), found.ports) for found in cluster.services.always_plain()] == [
        ("10.96.0.1/32", (443,)),
        ("10.96.0.10/32", (53,)),
    ]
    assert cluster.services.missing_dns() == ""
    cluster.show(service(spec | {"ports": [{"port": 5432}]}, DNS))
    assert cluster.services.missing_dns() == "kube-system/kube-dns"
    assert len(cluster.services.mirror) == 1


CLAIMS: dict[str, tuple[Json, str]] = {
    "external": ({"spec": {"externalIPs": ["10.0.0.9", "10.0.0.1"]}}, "10.0.0.1"),
    "of a load balancer": (
        {"spec": {}, "status": {"loadBalancer": {"ingress": [{"hostname": "x"}, {"ip": "10.0.0.1"}]}}},
        "10.0.0.1",
    ),
    "with zeros in front": ({"spec": {"externalIPs": ["010.000.00.001"]}}, "10.0.0.1"),
    "within IPv6": ({"spec": {"externalIPs": ["::ffff:10.0.0.01"]}}, "10.0.0.1"),
    "in another form": ({"spec": {"externalIPs": ["FD00:0:0::0001"]}}, "fd00::1"),
    "in still another form": ({"spec": {"externalIPs": ["fd00::1"]}}, "fd00:0::1"),
    "more than anybody needs": (
        {"spec": {"externalIPs": [f"10.1.1.{last}" for last in range(101)]}},
        "10.0.0.1",
    ),
}


@pytest.mark.parametrize(("obj", "address"), CLAIMS.values(), ids=CLAIMS.keys())
def test_who_claims_an_address_is_named_while_it_does_and_for_a_moment_longer(obj: Json, address: str) -> None:
    cluster = Cluster()
    claimant, made = cluster.services.claimant, service(obj["spec"], **obj.get("status", {}))
    assert claimant([address]) == ""
    cluster.show(made)
    assert claimant(["10.9.9.9", address]) == "tenant-b/ext"
    assert claimant([]) == ("tenant-b/ext" if see_claims(obj) == {ANY} else "")
    cluster.now = 10**6
    assert claimant([address]) == "tenant-b/ext"
    cluster.show(made, "DELETED")
    cluster.now += LINGER_SECONDS - 1
    assert claimant([address]) == "tenant-b/ext"
    cluster.now += 2
    assert claimant([address]) == ""
    assert cluster.changes == 2


def test_a_claim_that_comes_back_lasts() -> None:
    cluster = Cluster()
    made = service({"externalIPs": ["10.0.0.1"]})
    for kind in ("ADDED", "DELETED", "ADDED"):
        cluster.show(made, kind)
    cluster.now = 10**6
    assert cluster.services.claimant(["10.0.0.1"]) == "tenant-b/ext"


def test_what_claims_nothing_is_not_kept() -> None:
    cluster = Cluster()
    cluster.show(service({"clusterIPs": ["10.96.0.77"], "ports": ALL, "externalIPs": None}, loadBalancer={}))
    assert not cluster.services.mirror
    assert not cluster.changes
    for number in range(10):
        cluster.now += 2 * LINGER_SECONDS
        made = service({"externalIPs": [f"10.0.{number}.{last}" for last in range(MOST_CLAIMS)]})
        cluster.show(made)
        cluster.show(made, "DELETED")
    assert not cluster.services._claims  # noqa: SLF001 - what is kept of it
    assert len(cluster.services._given_up) == MOST_CLAIMS  # noqa: SLF001


def test_who_of_several_is_left_is_named() -> None:
    cluster = Cluster()
    one, other = (service({"externalIPs": ["10.0.0.1"]}, ("tenant-b", name)) for name in ("one", "other"))
    for made in (one, other):
        cluster.show(made)
    cluster.show(one, "DELETED")
    assert cluster.services.claimant(["10.0.0.1"]) == "tenant-b/other"
    cluster.show(service({"externalIPs": ["10.0.0.2"]}, ("tenant-b", "other")), "MODIFIED")
    assert cluster.services.claimant(["10.0.0.2"]) == "tenant-b/other"
    cluster.now = LINGER_SECONDS + 1
    assert cluster.services.claimant(["10.0.0.1"]) == ""


@pytest.mark.parametrize("text", ["", "nonsense", "1.2.3", "fe80::1%eth0", ":", "....", "256.1.1.1", "1.2.3.4.5"])
def test_what_is_no_address_is_none(text: str) -> None:
    assert plain_address(text) != ANY
