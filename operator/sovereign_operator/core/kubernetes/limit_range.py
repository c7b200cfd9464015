"""What LimitRanges and ResourceQuotas of a namespace demand of the CPU and memory of containers.

The API server fills in a LimitRange's defaults before it calls webhooks, and checks the rest afterwards:
https://kubernetes.io/docs/concepts/policy/limit-range/
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sovereign_operator.core.kubernetes.quantity import parse
from sovereign_operator.core.kubernetes.selector import holds

Json = Mapping[str, Any]

Scope = tuple[str, str, tuple[str, ...]]
"""A term of a quota's scopes: the name of the scope, an operator, and values."""


class Demand(NamedTuple):
    """What each container of some pods has to set."""

    kind: str
    """One of KINDS."""
    resource: str
    """One of JUDGED."""
    scopes: tuple[Scope, ...] = ()
    """Which pods these are; without terms all."""


Demanded = frozenset[Demand]

JUDGED: Final = ("cpu", "memory")
"""The resources that are looked at."""
KINDS: Final = ("requests", "limits")
MOST_ENTRIES: Final = 100
"""How many entries of an object are looked at. Nobody needs more, and anybody may write more."""


class Of(StrEnum):
    """What a limit is for: each container, or all containers of a pod together."""

    CONTAINER = "Container"
    POD = "Pod"


@dataclass(frozen=True)
class Limit:
    """What LimitRanges demand of one resource."""

    source: str
    """The name of a LimitRange that demands it."""
    of: Of
    resource: str
    """cpu, in cores, or memory, in bytes."""
    least: Decimal | None = None
    """The lowest request."""
    most: Decimal | None = None
    """The highest limit."""
    ratio: Decimal | None = None
    """How many times its request a limit may be."""
    default: Decimal | None = None
    """The limit of a container that sets none."""


def limits_of(limit_range: Json) -> tuple[Limit, ...]:
    """Return what a LimitRange demands; of quantities that cannot be parsed nothing."""
    entries = (limit_range.get("spec") or {}).get("limits") or ()
    name = limit_range["metadata"]["name"]
    found = (
        Limit(
            name,
            Of(entry["type"]),
            resource,
            _amount(entry, "min", resource),
            _amount(entry, "max", resource),
            _amount(entry, "maxLimitRequestRatio", resource),
            _amount(entry, "default", resource),
        )
        for entry in entries[:MOST_ENTRIES]
        if entry.get("type") in {*Of}
        for resource in JUDGED
    )
    return tuple(limit for limit in found if (limit.least, limit.most, limit.ratio, limit.default) != (None,) * 4)


def demanded_of(quota: Json) -> Demanded:
    """Return what a ResourceQuota has each container set of the pods that it counts.

    A quota of CPU or memory is the only one for which an API server demands it.
    """
    spec = quota.get("spec") or {}
    hard, scopes = spec.get("hard") or {}, tuple(_scopes(spec))
    demanded = {Demand("requests", name, scopes) for name in JUDGED if name in hard or f"requests.{name}" in hard}
    return frozenset(demanded | {Demand("limits", name, scopes) for name in JUDGED if f"limits.{name}" in hard})


def _scopes(spec: Json) -> Iterator[Scope]:
    for name in (spec.get("scopes") or ())[:MOST_ENTRIES]:
        yield name, "Exists", ()
    for term in ((spec.get("scopeSelector") or {}).get("matchExpressions") or ())[:MOST_ENTRIES]:
        yield term["scopeName"], term["operator"], tuple(term.get("values") or ())[:MOST_ENTRIES]


def counts(scopes: Iterable[Scope], pod: Json) -> bool:
    """Return whether a quota with these scopes counts a pod that has a sidecar, given the pod's spec.

    A sidecar has requests, so the pod is not of the class BestEffort. Of pods with affinity to other namespaces it is
    not known: False. Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/#quota-scopes
    """
    terminating = "NotTerminating" if pod.get("activeDeadlineSeconds") is None else "Terminating"
    labels = {"NotBestEffort": "", terminating: ""}
    if pod.get("priorityClassName"):
        labels["PriorityClass"] = pod["priorityClassName"]
    terms = ({"key": name, "operator": operator, "values": values} for name, operator, values in scopes)
    return all(holds(term, labels) for term in terms)


def tightest(limits: Iterable[Limit], of: Of, resource: str) -> Limit:
    """Return all limits of one resource as one, whose source is the LimitRange with the lowest ``most``."""
    found = [limit for limit in limits if (limit.of, limit.resource) == (of, resource)]
    found.sort(key=lambda limit: (limit.most is None, limit.most or 0))
    return Limit(
        found[0].source if found else "",
        of,
        resource,
        max((each.least for each in found if each.least is not None), default=None),
        min((each.most for each in found if each.most is not None), default=None),
        min((each.ratio for each in found if each.ratio), default=None),
        min((each.default for each in found if each.default is not None), default=None),
    )


def _amount(entry: Json, field: str, resource: str) -> Decimal | None:
    text = (entry.get(field) or {}).get(resource)
    try:
        return None if text is None else parse(text)
    except ValueError:
        return None
