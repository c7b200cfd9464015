"""The Services that pods reach without mutual TLS in every mode: the API server, which has TLS of its own, and DNS."""

from collections.abc import Callable
from ipaddress import ip_network
from typing import Final

from sovereign_operator.core.transit import Destination
from sovereign_operator.kube import resource
from sovereign_operator.kube.api import Api, Json
from sovereign_operator.kube.mirror import Mirror

API_SERVER: Final = ("default", "kubernetes")


class Services:
    """Both of them, as last seen."""

    def __init__(self, api: Api, dns: tuple[str, str], changed: Callable[[], None]) -> None:
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
        """Return where plaintext is sent."""
        return [found for mirror in self.mirrors for seen in mirror.values() for found in seen]


def see_service(obj: Json) -> tuple[Destination, ...]:
    """Keep where a Service is asked by TCP: nowhere, if it is headless or has no such port."""
    spec = obj["spec"]
    addresses = (address for address in spec.get("clusterIPs") or () if address != "None")
    ports = {port["port"] for port in spec.get("ports") or () if port.get("protocol", "TCP") == "TCP"}
    return tuple(Destination(ip_network(address), tuple(sorted(ports))) for address in addresses) if ports else ()
