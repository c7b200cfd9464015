"""Which NetworkPolicies keep a pod and a peer apart, as Kubernetes defines them.

Network plugins have kinds of their own that say more. These are not looked at.

Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import ip_address, ip_network
from typing import Any

from sovereign_operator.core.kubernetes.selector import Selector

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Peer:
    """The pod at the other end of a connection."""

    namespace: str
    namespace_labels: Mapping[str, str]
    labels: Mapping[str, str]
    addresses: tuple[str, ...]


class Direction(Enum):
    """Which connections of a pod a NetworkPolicy is about, by the word in its ``policyTypes``."""

    INGRESS = "Ingress"
    EGRESS = "Egress"

    @property
    def rules(self) -> str:
        """The field of the spec that has the rules."""
        return self.value.lower()

    @property
    def peers(self) -> str:
        """The field of a rule that has the other ends."""
        return "from" if self is Direction.INGRESS else "to"


@dataclass(frozen=True)
class Connection:
    """What a pod needs: that a peer reaches it, or that it reaches a peer, by TCP."""

    direction: Direction
    port: int
    """At the end that accepts."""
    port_name: str = ""
    """What the pod that accepts calls this port; empty if it has no name."""


class Stance(Enum):
    """What one NetworkPolicy means for a connection."""

    NOT_SELECTED = auto()
    """It says nothing of the pod's connections in this direction."""
    ISOLATES = auto()
    """It closes the pod, unless another one admits the connection."""
    ALLOWS = auto()


def stance(policy: Json, labels: Mapping[str, str], peer: Peer, needed: Connection) -> Stance:
    """Return what a NetworkPolicy means for a connection between a peer and a pod with these labels.

    The policy is of the pod's namespace. A port that it names by another name is taken for another one.
    """
    spec = policy.get("spec") or {}
    if needed.direction.value not in _types(spec) or not _selects(spec.get("podSelector"), labels):
        return Stance.NOT_SELECTED
    namespace = policy["metadata"]["namespace"]
    admits = any(_admits(rule, namespace, peer, needed) for rule in spec.get(needed.direction.rules) or ())
    return Stance.ALLOWS if admits else Stance.ISOLATES


def entries_in(policy: Json, most: int) -> int:
    """Return how many entries the lists and maps of a policy's spec have in all; any number above ``most`` if more."""
    found, left = 0, [policy.get("spec") or {}]
    while left and found <= most:
        this = left.pop()
        if isinstance(this, Mapping):
            this = [*this.values()]
        if isinstance(this, list):
            found += len(this)
            left += this[: most + 1]
    return found


def closing(stances: Iterable[tuple[str, Stance]]) -> list[str]:
    """Return the names of the policies that refuse a connection, by what each means for it; none if it is admitted."""
    known = [*stances]
    if any(found is Stance.ALLOWS for _, found in known):
        return []
    return sorted(name for name, found in known if found is Stance.ISOLATES)


def _types(spec: Json) -> Iterable[str]:
    """Return the directions that a policy is about. API servers write them down where a user does not."""
    return spec.get("policyTypes") or ("Ingress", *(("Egress",) if spec.get("egress") else ()))


def _admits(rule: Json, namespace: str, peer: Peer, needed: Connection) -> bool:
    peers, ports = rule.get(needed.direction.peers) or (), rule.get("ports") or ()
    return (not peers or any(_is_peer(entry, namespace, peer) for entry in peers)) and (
        not ports or any(_is_port(entry, needed) for entry in ports)
    )


def _is_peer(entry: Json, namespace: str, peer: Peer) -> bool:
    if "ipBlock" in entry:
        block = entry["ipBlock"]
        within = [address for address in peer.addresses if _is_within(address, block["cidr"])]
        return bool(within) and not any(
            _is_within(address, left_out) for address in within for left_out in block.get("except") or ()
        )
    if "namespaceSelector" in entry:
        if not _selects(entry["namespaceSelector"], peer.namespace_labels):
            return False
    elif namespace != peer.namespace:
        return False
    return _selects(entry.get("podSelector"), peer.labels)


def _is_port(entry: Json, needed: Connection) -> bool:
    if entry.get("protocol", "TCP") != "TCP":
        return False
    first = entry.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        return first == needed.port_name
    return isinstance(first, int) and first <= needed.port <= entry.get("endPort", first)


def _selects(selector: Json | None, labels: Mapping[str, str]) -> bool:
    """Whether a selector holds. Here, one that says nothing selects everything."""
    terms = (selector or {}).get("matchLabels") or {}, tuple((selector or {}).get("matchExpressions") or ())
    return not any(terms) or Selector(*terms).selects(labels)


def _is_within(address: str, network: str) -> bool:
    try:
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        # API servers accept leading zeros.
        return False
