"""Pods that the API server calls: those of webhooks, of aggregated APIs, and of conversions between versions of a kind.

The API server has no certificate of a policy, so Strict refuses it like any other client without a sidecar.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final, TypeVar

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit
from sovereign_operator.core.encryption.traffic_rules import is_within_any

Json = Mapping[str, Any]
T = TypeVar("T")
Targets = Mapping[str, frozenset[int]]
"""By address of a pod, its TCP ports."""

DEFAULT_PORT: Final = 443
"""The port of a Service that a caller means if it names none."""

REMEDY: Final = "name the ports in plainPorts, or the addresses of all API servers in plainPeers"


@dataclass(frozen=True, order=True)
class Call:
    """A Service that the API server calls."""

    namespace: str
    service: str
    port: int
    """Of the Service."""


def calls_of(kind: str, obj: Json) -> frozenset[Call]:
    """Return the Services that an object has the API server call: a webhook configuration, an APIService or a CRD."""
    return frozenset(
        Call(str(service["namespace"]), str(service["name"]), int(service.get("port") or DEFAULT_PORT))
        for service in _services(kind, obj)
    )


def _services(kind: str, obj: Json) -> Iterator[Json]:
    spec = obj.get("spec") or {}
    if kind == "APIService":
        found = [spec.get("service")]
    elif kind == "CustomResourceDefinition":
        webhook = (spec.get("conversion") or {}).get("webhook") or {}
        found = [(webhook.get("clientConfig") or {}).get("service")]
    else:
        found = [(webhook.get("clientConfig") or {}).get("service") for webhook in obj.get("webhooks") or ()]
    yield from filter(None, found)


def of_service(name: str) -> str:
    """Return the label selector of a Service's EndpointSlices."""
    return f"kubernetes.io/service-name={name}"


def targets_of(call: Call, service: Json, slices: Iterable[Json]) -> Targets:
    """Return where such calls arrive. ``slices``: the EndpointSlices of the Service."""
    found: dict[str, frozenset[int]] = {}
    for part in slices:
        add_targets(found, call, service, part)
    return found


def add_targets(found: dict[str, frozenset[int]], call: Call, service: Json, part: Json) -> None:
    """Add where calls arrive by one EndpointSlice."""
    for address, ports in _target_ports(call, service, part).items():
        found[address] = found.get(address, frozenset()) | ports


def _target_ports(call: Call, service: Json, part: Json) -> Targets:
    names = {port.get("name") or "" for port in service["spec"].get("ports") or () if port.get("port") == call.port}
    ports = frozenset(
        port["port"]
        for port in part.get("ports") or ()
        if (port.get("name") or "") in names and port.get("protocol", "TCP") == "TCP" and port.get("port")
    )
    return dict.fromkeys(addresses_of(part), ports) if ports else {}


def addresses_of(part: Json) -> list[str]:
    """Return the IP addresses in an EndpointSlice, which may hold names instead."""
    if part.get("addressType") not in {"IPv4", "IPv6"}:
        return []
    return [address for endpoint in part.get("endpoints") or () for address in endpoint.get("addresses") or ()]


def called_pods(
    wanted: EncryptionInTransit,
    pods: Mapping[tuple[str, str], T],
    calls: Mapping[Call, tuple[Iterable[str], Targets]],
    api_servers: Iterable[str],
) -> dict[T, str]:
    """Return the pods of a policy that the API server calls where Strict would refuse it: on which ports, and for what.

    ``pods``: by namespace and address. ``calls``: what has the API server make each of them, and where it arrives.
    """
    ports: defaultdict[T, set[int]] = defaultdict(set)
    callers: defaultdict[T, set[str]] = defaultdict(set)
    servers = [*api_servers]
    for call, (names, targets) in calls.items():
        for address, ports_there in targets.items():
            pod = pods.get((call.namespace, address))
            if pod is not None and (refused := refused_ports(wanted, ports_there, servers)):
                ports[pod].update(refused)
                callers[pod].update(names)
    return {pod: phrase(sorted(found), callers[pod]) for pod, found in ports.items()}


def refused_ports(wanted: EncryptionInTransit, ports: Iterable[int], api_servers: Iterable[str]) -> list[int]:
    """Return the ports on which Strict would refuse the API servers, in order.

    ``api_servers``: their addresses, as far as known.
    """
    peers = [named.addresses for named in wanted.plain_peers]
    known = [*map(ip_network, api_servers)]
    if known and all(is_within_any(address, peers) for address in known):
        return []
    return sorted({*ports} - {named.port for named in wanted.plain_ports})


def phrase(ports: Iterable[int], callers: Iterable[str]) -> str:
    """Return which ports are called, and what has the API server do so: ``port 8443, called for APIService x``."""
    listed = [str(port) for port in ports]
    return f"{'port' if len(listed) == 1 else 'ports'} {', '.join(listed)}, called for {', '.join(sorted(callers))}"
