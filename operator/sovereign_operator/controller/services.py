"""The Services that pods reach without mutual TLS in every mode: the API server, which has TLS of its own, and DNS."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final

from sovereign_operator.core.transit import Datagrams, Destination, Network
from sovereign_operator.kube import resource
from sovereign_operator.kube.api import Api, Json
from sovereign_operator.kube.mirror import Mirror

API_SERVER: Final = ("default", "kubernetes")


@dataclass(frozen=True)
class Service:
    """Where a Service is asked."""

    addresses: tuple[Network, ...]
    """Its ClusterIPs, each a network of one address."""
    tcp: tuple[int, ...]
    udp: tuple[int, ...]


class Services:
    """Both of them, as last seen."""

    def __init__(self, api: Api, dns: tuple[str, str], changed: Callable[[], None]) -> None:
        self._dns = dns
        self.mirrors = [
            Mirror(
                api,
                resource.SERVICES,
                see_service,
                lambda *_: changed(),
                namespace=namespace,
                field_selector=f"metadata.name={name}",
            )
            for namespace, name in (API_SERVER, dns)
        ]

    def always_plain(self) -> list[Destination]:
        """Return where plaintext is sent by TCP."""
        return [Destination(address, found.tcp) for found in self._found() for address in found.addresses]

    def dns(self) -> tuple[Datagrams, ...]:
        """Return the datagrams that ask for names and answer; none if there is no such Service."""
        found = self.mirrors[-1].get(self._dns)
        if found is None:
            return ()
        return tuple(Datagrams(address, range(port, port + 1)) for address in found.addresses for port in found.udp)

    def missing_dns(self) -> str:
        """Return which Service does not answer for DNS, as it is not there; empty if it is."""
        return "" if self.dns() else "/".join(self._dns)

    def _found(self) -> Iterator[Service]:
        for mirror in self.mirrors:
            yield from mirror.values()


def see_service(obj: Json) -> Service:
    """Keep where a Service is asked. A headless one is asked nowhere."""
    spec = obj["spec"]
    addresses = (address for address in spec.get("clusterIPs") or () if address != "None")
    return Service(tuple(map(ip_network, addresses)), _ports(spec, "TCP"), _ports(spec, "UDP"))


def _ports(spec: dict[str, Any], protocol: str) -> tuple[int, ...]:
    ports = spec.get("ports") or ()
    return tuple(sorted({port["port"] for port in ports if port.get("protocol", "TCP") == protocol}))
