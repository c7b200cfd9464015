"""All kinds of configuration that this code writes for Envoy."""

import json
from collections.abc import Iterator
from ipaddress import ip_network
from itertools import product

from sovereign_operator.core.encryption.traffic_rules import Inbound, Reach
from sovereign_operator.core.encryption.wire import Wire
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.dataplane.bootstrap import bootstrap, secrets
from sovereign_operator.dataplane.envoy import Json
from sovereign_operator.dataplane.listeners import discovery
from sovereign_operator.dataplane.memory import MIB, Budget

PROBES = {15100 + number: Probe(kind, 8080, "/healthz?verbose") for number, kind in enumerate(ProbeKind)}
CLUSTER = ip_network("10.244.0.0/16")
REACHES: tuple[list[Reach], ...] = (
    [],
    [Reach(CLUSTER, Wire.MUTUAL_TLS, (80,)), Reach(ip_network("10.244.7.0/24"), Wire.PLAIN)],
)
DISCOVERY = "envoy.service.discovery.v3.DiscoveryResponse"


def samples() -> Iterator[tuple[str, Json]]:
    """Yield configurations, each with the name of its message; together, they have whatever is ever written."""
    for probes, budget, sooner in product(({}, PROBES), (Budget(None), Budget(512 * MIB)), (False, True)):
        yield "envoy.config.bootstrap.v3.Bootstrap", bootstrap("pod", probes, budget, give_up_sooner=sooner)
    for secret in secrets().values():
        yield DISCOVERY, secret
    ports: tuple[tuple[int, ...], ...] = ((), (80,), (80, 443))
    accepted = product(ports, ((), (CLUSTER,)), (False, True), ports, (None, 60))
    for reaches, (plain, peers, anything, unlooked, longest) in product(REACHES, accepted):
        yield DISCOVERY, json.loads(discovery(reaches, Inbound(plain, peers, anything, unlooked, longest)))
