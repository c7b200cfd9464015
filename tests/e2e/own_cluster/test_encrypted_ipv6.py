"""IPv6 traffic is encrypted as well. The test needs a dual-stack cluster: the shared cluster is IPv4 only."""

from collections.abc import Iterator

import pytest

from hack import estate
from hack.capture import captured
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.sidecars import encrypted
from tests.e2e.support.spaces import Space
from tests.e2e.support.strict_pods import ECHO, PORT, change, encrypting_policy, python, ready, run

POLICY = "hospital-six"
SECRET = "the-patient-has-measles"

ASK = f"""
import socket, sys
for host in sys.argv[1:]:
    ((_, _, _, _, address),) = socket.getaddrinfo(host, {PORT}, socket.AF_INET6, socket.SOCK_STREAM)
    try:
        with socket.create_connection(address[:2], 5) as connection:
            connection.sendall(b"{SECRET}")
            print("answered" if connection.recv(100) == b"{SECRET}" else "refused")
    except OSError:
        print("refused")
"""
"""Connects by IPv6 only, even if a name also has IPv4 addresses."""


@pytest.fixture(scope="module")
def policy(admin: Kubectl, cluster: Cluster) -> Iterator[str]:
    """A policy whose clusterNetworks contain no IPv6 network."""
    with encrypting_policy(admin, cluster, POLICY, "Permissive") as name:
        yield name


def service(name: str, **spec: object) -> Json:
    """Return a dual-stack Service for the server."""
    ports = [{"port": PORT}]
    wanted = {"ipFamilyPolicy": "RequireDualStack", "selector": {"app": "server"}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": wanted}


def test_it_comes_to_strict_and_nothing_can_be_read(
    admin: Kubectl, cluster: Cluster, policy: str, space: Space
) -> None:
    namespace, outside = space(policy), space(None)
    server = python("server", "brest-1", ECHO, app="server")
    server["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
    admin.apply(
        server,
        python("client", "lyon-1"),
        service("by-address"),
        service("by-name", clusterIP="None"),
        namespace=namespace,
    )
    admin.apply(python("stranger", "paris-1"), namespace=outside)
    ready(admin, namespace, "client", "server")
    ready(admin, outside, "stranger")
    hosts = (
        admin.get("pod", "server", namespace)["status"]["podIPs"][1]["ip"],
        admin.get("service", "by-address", namespace)["spec"]["clusterIPs"][1],
        f"by-name.{namespace}",
    )

    def ask() -> list[str]:
        return run(admin, namespace, "client", ASK, *hosts).split()

    eventually(lambda: ask() == ["answered"] * 3, what="answers by every way")
    with captured(cluster, SECRET) as seen:
        assert ask() == ["answered"] * 3
    assert seen.bare >= 6
    assert run(admin, outside, "stranger", ASK, *hosts).split() == ["answered"] * 3

    # The status reports the missing IPv6 network before Strict takes effect.
    change(admin, policy, mode="Strict")
    eventually(
        lambda: "2 pod(s) have addresses outside of clusterNetworks" in encrypted(admin, policy)["message"],
        what="word of the other addresses",
    )
    change(admin, policy, clusterNetworks=[estate.network(cluster), estate.IPV6_NETWORK])
    eventually(lambda: encrypted(admin, policy)["status"] == "True", seconds=90, what="Strict")
    with captured(cluster, SECRET) as seen:
        assert ask() == ["answered"] * 3
    assert not seen.bare, seen.bare_bytes
    assert seen.encrypted
    assert run(admin, outside, "stranger", ASK, *hosts).split() == ["refused"] * 3
