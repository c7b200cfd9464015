"""Which name servers a resolv.conf names."""

from ipaddress import ip_network

import pytest

from sovereign_operator.agent import name_servers


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 10.96.0.10\nnameserver fd00::a # second\n", ["10.96.0.10", "fd00::a"]),
        ("nameserver\t169.254.20.10", ["169.254.20.10"]),
        ("nameserver fe80::1%eth0", ["fe80::1"]),
        ("nameserver 10.0.0.2#53\nnameserver dns.example\n\nnameserver 10.0.0.3", ["10.0.0.3"]),
        ("#nameserver 10.0.0.1\nsearch nameserver 10.0.0.1\nnameserver\n", []),
        ("", []),
    ],
)
def test_name_servers_are_those_of_the_pod(text: str, servers: list[str]) -> None:
    assert name_servers.parse(text) == tuple(map(ip_network, servers))
