"""A sidecar on a node whose kernel has no IPv6, as after a boot with ``ipv6.disable=1``.

A seccomp filter takes IPv6 from the sidecar. The packet filter of this machine's kernel keeps it: what the redirect
needs is in test_node_check.py.
"""

import signal
from pathlib import Path
from typing import Any, Final

import pytest

from hack.dataplane.pods import NETWORK, PATIENCE, Road
from hack.kubectl import eventually
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from tests.dataplane.links import APP_PORT
from tests.dataplane.roads import OFF, PERMISSIVE, PREFERRED, SECRET, STRICT, start
from tests.dataplane.talk import Echo, Steady, refused, said

DUAL: Final[dict[str, Any]] = {
    "clusterNetworks": [NETWORK, "fd00::/8"],
    "plainPeers": [{"network": "fd00:1::/32", "reason": "ingress"}, {"network": "10.99.0.1/32", "reason": "ingress"}],
    "plainDestinations": [{"network": "fd00:2::1/128", "reason": "database"}],
}
"""A policy for both families, as dual-stack clusters have it."""


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("without", ["client", "server"])
def test_it_speaks_with_one_that_has_it_in_every_mode(pods: Road, without: str) -> None:
    """The copy of the listeners follows the file in the ConfigMap, and no change of mode disconnects."""
    getattr(pods, without).ipv6 = False
    start(pods, OFF, **DUAL)
    with Steady(pods.client.net, pods.server.address, APP_PORT) as traffic:
        for mode in (PERMISSIVE, PREFERRED):
            for pod in (pods.server, pods.client):
                pods.until_loaded(pod, pod.tell(mode, **DUAL))
                traffic.goes_on()
    assert traffic.failures == []
    for pod in (pods.server, pods.client):
        pods.until_loaded(pod, pod.tell(STRICT, **DUAL))
    assert said(pods.client.net, pods.server.address, APP_PORT, SECRET) == SECRET
    assert pods.state(pods.server)["cluster.inbound-mtls.upstream_cx_total"] > 0
    # Envoy names the listeners by their addresses, which are others then.
    counted = [
        name.rsplit("_", 3)[0] for name in pods.state(getattr(pods, without)) if name.endswith("global_cx_overflow")
    ]
    assert len(counted) == len({"inbound", "outbound"})
    assert refused(pods.node, pods.server.address, APP_PORT)


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("setting", ["bindv6only", "conf.all.disable_ipv6", "conf.default.disable_ipv6"])
def test_what_a_node_may_set_about_ipv6_makes_no_difference(pods: Road, setting: str) -> None:
    for pod in (pods.server, pods.client):
        pod.net.sysctl(f"net.ipv6.{setting}", 1)
    start(pods, STRICT)
    assert said(pods.client.net, pods.server.address, APP_PORT, SECRET) == SECRET


def test_probes_reach_the_application(pods: Road) -> None:
    server = pods.server
    server.ipv6 = False
    server.tell(STRICT)
    server.start([Probe(ProbeKind.HTTP, APP_PORT, "/healthz")])
    pods.until_ready(server)
    with Echo(server.net, APP_PORT, answer=b"HTTP/1.0 200 OK\r\n\r\nfine"):
        assert pods.ask(server, "/healthz", sidecar.PROBE_PORTS[0]) == (200, b"")


def test_nothing_stays_behind_when_its_envoy_ends(pods: Road) -> None:
    """Even where no process namespace ends with it, as in a pod whose containers share processes."""
    server = pods.server
    server.ipv6 = False
    server.tell(OFF)
    server.start()
    pods.until_ready(server)
    assert server.envoy
    (follower,) = children(server.envoy.pid)
    assert b"sovereign_operator.sidecar.ipv4" in Path(f"/proc/{follower}/cmdline").read_bytes()
    server.envoy.send_signal(signal.SIGKILL)
    server.envoy.wait(PATIENCE)
    server.envoy = None
    eventually(lambda: not Path(f"/proc/{follower}").exists(), seconds=PATIENCE, what="the end of the process")


def children(process: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
