"""The Services that pods reach without mutual TLS in every mode: the API server, which has TLS of its own, and DNS."""

from collections.abc import Callable
from functools import partial
from ipaddress import ip_network
from typing import Final

from sovereign_operator.core.transit import DNS_PORT, Destination
from sovereign_operator.kube import resource
from sovereign_operator.kube.api import Api, Json
from sovereign_operator.kube.mirror import Mirror

API_SERVER: Final = ("default", "kubernetes")

Seen = tuple[Destination, ...]


class Services:
    """Both of them, as last seen."""

    def __init__(self, api: Api, dns: tuple[str, str], changed: Callable[[], None]) -> None:
        def watched(namespace: str, name: str, convert: Callable[[Json], Seen]) -> Mirror[Seen]:
            which = f"metadata.name={name}"
            return Mirror(
                api, resource.SERVICES, convert, lambda *_: changed(), namespace=namespace, field_selector=which
            )

        self._dns = dns
        # Whoever may write this Service has no other of its ports sent plaintext.
        self.mirrors = (watched(*API_SERVER, see_service), watched(*dns, partial(see_service, only=DNS_PORT)))

    @property
    def known(self) -> bool:
        """Whether it is known what there is."""
        return all(mirror.synced.is_set() for mirror in self.mirrors)

    def always_plain(self) -> list[Destination]:
        """Return where plaintext is sent by TCP."""
        return [found for mirror in self.mirrors for seen in mirror.values() for found in seen]

    def missing_dns(self) -> str:
        """Return which Service does not answer for DNS by TCP, as it is not there or headless; empty if it does."""
        return "" if self.mirrors[-1].get(self._dns) else "/".join(self._dns)


def see_service(obj: Json, only: int | None = None) -> Seen:
    """Keep where a Service is asked by TCP: nowhere, if it is headless or has no such port. ``only``: on this port."""
    spec = obj["spec"]
    addresses = (address for address in spec.get("clusterIPs") or () if address != "None")
    ports = {port["port"] for port in spec.get("ports") or () if port.get("protocol", "TCP") == "TCP"}
    kept = tuple(sorted(port for port in ports if only in (None, port)))
    # A destination without ports would be one with all of them.
    return tuple(Destination(ip_network(address), kept) for address in addresses) if kept else ()
