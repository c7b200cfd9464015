"""Services: those that pods reach without mutual TLS in every mode, and those that claim addresses of somebody else.

The former are the API server, which has TLS of its own, and DNS. The latter matter as who may create Services, in
any namespace, can have nodes send there what is sent to any address: nobody asks whose ``spec.externalIPs`` are.
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
"""For how long nodes may go on sending something to a Service that has given an address up: so often they look at all
of their rules."""
MOST_CLAIMS: Final = 100
"""A Service that claims more addresses counts as if it claimed every one: its author could do that, too."""
ANY: Final = ""
"""In place of an address: every one."""


@dataclass(frozen=True)
class ObservedService:
    """What matters of a Service."""

    destinations: tuple[Destination, ...] = ()
    """Where it is asked by TCP."""
    claims: frozenset[str] = frozenset()
    """The addresses beside its own that lead to it."""


WORST: Final = ObservedService(claims=frozenset({ANY}))
"""What one counts as that cannot be read."""


class Services:
    """All that matter, as last seen."""

    def __init__(
        self, api: Api, dns: ObjectKey, changed: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._dns = dns
        self._changed = changed
        self._clock = clock
        self._claims: dict[str, set[str]] = {}
        """The Services that claim an address, by address."""
        self._given_up: dict[str, tuple[float, str]] = {}
        """By address, until when a Service may still be reached there that has given it up; the next to pass first."""
        self.mirror: Mirror[ObservedService] = Mirror(
            api, resource.SERVICES, partial(see_service, dns=dns), self._take, worst=lambda _: WORST
        )

    @property
    def known(self) -> bool:
        """Whether it is known what there is."""
        return self.mirror.synced.is_set()

    def always_plain(self) -> list[Destination]:
        """Return where plaintext is sent by TCP."""
        seen = (self.mirror.get(key, ObservedService()) for key in (API_SERVER, self._dns))
        return [found for service in seen for found in service.destinations]

    def missing_dns(self) -> str:
        """Return which Service does not answer for DNS by TCP, as it is not there or headless; empty if it does."""
        return "" if self.mirror.get(self._dns, ObservedService()).destinations else "/".join(self._dns)

    def claimant(self, addresses: Iterable[str]) -> str:
        """Return a Service that may be reached at one of these addresses of a pod; empty if none is."""
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
        # However many there are, each change costs as much as it changes.
        while self._given_up and next(iter(self._given_up.values()))[0] <= now:
            del self._given_up[next(iter(self._given_up))]
        self._changed()


def see_service(obj: Json, dns: ObjectKey) -> ObservedService | None:
    """Keep what matters of a Service. ``dns``: which one that of DNS is."""
    key, seen = key_of(obj), ObservedService(claims=see_claims(obj))
    if key in {API_SERVER, dns}:
        # Whoever may write the Service of DNS has no other of its ports sent plaintext.
        seen = replace(seen, destinations=see_destinations(obj, DNS_PORT if key == dns else None))
    return None if seen == ObservedService() else seen


def see_destinations(obj: Json, only: int | None = None) -> tuple[Destination, ...]:
    """Keep where a Service is asked by TCP: nowhere, if it is headless or has no such port. ``only``: on this port."""
    spec = obj["spec"]
    addresses = (address for address in spec.get("clusterIPs") or () if address != "None")
    ports = {port["port"] for port in spec.get("ports") or () if port.get("protocol", "TCP") == "TCP"}
    kept = tuple(sorted(port for port in ports if only in (None, port)))
    # A destination without ports would be one with all of them.
    return tuple(Destination(ip_network(address), kept) for address in addresses) if kept else ()


def see_claims(obj: Json) -> frozenset[str]:
    """Keep which addresses lead to a Service, beside those that the cluster gave it."""
    balancer = (obj.get("status") or {}).get("loadBalancer") or {}
    given = [ingress.get("ip") for ingress in balancer.get("ingress") or ()]
    named = [address for address in (*(obj["spec"].get("externalIPs") or ()), *given) if address]
    return frozenset(map(plain_address, named)) if len(named) <= MOST_CLAIMS else WORST.claims


def plain_address(text: str) -> str:
    """Return an address in its one usual form. Kubernetes takes zeros in front, and IPv4 within IPv6."""
    before, colon, last = text.rpartition(":")
    if "." in last:
        last = ".".join(part.lstrip("0") or "0" for part in last.split("."))
    try:
        address = ip_address(before + colon + last)
    except ValueError:
        # Nobody is sent to what is no address.
        return text or "none"
    within = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(within or address)
