"""Services that pods reach without mutual TLS in every mode, and Services that claim the addresses of pods.

The first are the API server's, which has TLS of its own, and that of DNS. The second matter because a user who may
create Services in any namespace can redirect traffic to any address: Kubernetes does not check who owns the addresses
in ``spec.externalIPs``.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from sovereign_operator.core.encryption.traffic_rules import DNS_PORT, Destination
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.mirror import Mirror, ObjectKey, key_of

API_SERVER: Final = ("default", "kubernetes")

LINGER_SECONDS: Final = 30.0
"""How long nodes may go on sending traffic to a Service that no longer claims an address: kube-proxy syncs all of its
rules this often."""
MOST_CLAIMS: Final = 100
"""A Service that claims more addresses counts as if it claimed every address: its author could do that as well."""
ANY: Final = ""
"""Stands for every address."""


@dataclass(frozen=True)
class ObservedService:
    """The fields of a Service that matter here."""

    destinations: tuple[Destination, ...] = ()
    """Where clients reach it by TCP."""
    claims: frozenset[str] = frozenset()
    """The addresses besides its cluster IPs that lead to it."""


WORST: Final = ObservedService(claims=frozenset({ANY}))
"""What a Service counts as that cannot be read."""


class Services:
    """The Services that matter, as last observed."""

    def __init__(
        self, api: Api, dns: ObjectKey, changed: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._dns = dns
        self._changed = changed
        self._clock = clock
        self._claims: dict[str, set[str]] = {}
        """By address, the Services that claim it."""
        self._given_up: dict[str, tuple[float, str]] = {}
        """By address: until when traffic may still reach a Service that gave it up, and its name; oldest first."""
        self.mirror: Mirror[ObservedService] = Mirror(
            api, resource.SERVICES, partial(see_service, dns=dns), self._take, worst=lambda _: WORST
        )

    @property
    def known(self) -> bool:
        """Whether all Services have been listed."""
        return self.mirror.synced.is_set()

    def always_plain(self) -> list[Destination]:
        """Return the destinations to which sidecars always send plaintext, by TCP."""
        seen = (self.mirror.get(key, ObservedService()) for key in (API_SERVER, self._dns))
        return [found for service in seen for found in service.destinations]

    def missing_dns(self) -> str:
        """Return the DNS Service if it has no TCP address, as it does not exist or is headless; empty if it has one."""
        return "" if self.mirror.get(self._dns, ObservedService()).destinations else "/".join(self._dns)

    def claimant(self, addresses: Iterable[str]) -> str:
        """Return a Service that traffic to one of these addresses may reach; empty if none."""
        for address in (ANY, *map(plain_address, addresses)):
            for service in self._claims.get(address, ()):
                return service
            until, service = self._given_up.get(address, (-math.inf, ""))
            if until > self._clock():
                return service
        return ""

    def _take(self, key: ObjectKey, old: ObservedService | None, new: ObservedService | None) -> None:
        now, name = self._clock(), "/".join(key)
        before, after = (seen.claims if seen else frozenset() for seen in (old, new))
        for address in before - after:
            self._claims[address].remove(name)
            if not self._claims[address]:
                del self._claims[address]
            self._given_up.pop(address, None)
            self._given_up[address] = now + LINGER_SECONDS, name
        for address in after - before:
            self._claims.setdefault(address, set()).add(name)
        # From the oldest on, so that a change costs no more than it changes.
        while self._given_up and next(iter(self._given_up.values()))[0] <= now:
            del self._given_up[next(iter(self._given_up))]
        self._changed()


def see_service(obj: Json, dns: ObjectKey) -> ObservedService | None:
    """Keep the fields of a Service that matter. ``dns``: the namespace and name of the DNS Service."""
    key, seen = key_of(obj), ObservedService(claims=see_claims(obj))
    if key in {API_SERVER, dns}:
        # Only port 53: a user who may write the DNS Service must not get other ports sent in plaintext.
        seen = replace(seen, destinations=see_destinations(obj, DNS_PORT if key == dns else None))
    return None if seen == ObservedService() else seen


def see_destinations(obj: Json, only: int | None = None) -> tuple[Destination, ...]:
    """Keep the TCP destinations of a Service; none if it is headless or lacks the port. ``only``: this port alone."""
    spec = obj["spec"]
    addresses = (address for address in spec.get("clusterIPs") or () if address != "None")
    ports = {port["port"] for port in spec.get("ports") or () if port.get("protocol", "TCP") == "TCP"}
    kept = tuple(sorted(port for port in ports if only in (None, port)))
    # A destination without ports would mean all ports.
    return tuple(Destination(ip_network(address), kept) for address in addresses) if kept else ()


def see_claims(obj: Json) -> frozenset[str]:
    """Keep the addresses that lead to a Service, besides its cluster IPs."""
    balancer = (obj.get("status") or {}).get("loadBalancer") or {}
    given = [ingress.get("ip") for ingress in balancer.get("ingress") or ()]
    named = [address for address in (*(obj["spec"].get("externalIPs") or ()), *given) if address]
    return frozenset(map(plain_address, named)) if len(named) <= MOST_CLAIMS else WORST.claims


def plain_address(text: str) -> str:
    """Return an address in its canonical form. Kubernetes accepts leading zeros, and IPv4 mapped into IPv6."""
    before, colon, last = text.rpartition(":")
    if "." in last:
        last = ".".join(part.lstrip("0") or "0" for part in last.split("."))
    try:
        address = ip_address(before + colon + last)
    except ValueError:
        # No traffic is sent to text that is not an address.
        return text or "none"
    within = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(within or address)
