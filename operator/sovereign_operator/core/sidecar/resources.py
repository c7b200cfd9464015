"""The resources of a sidecar: those of the chart's values, as far as its pod and namespace leave them so.

A pod of the class Guaranteed stays one, a quota that has each container set a limit finds one, and what a LimitRange
demands of each container it finds, too. The annotations below set them for a pod, or for all pods of a namespace.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from sovereign_operator.core.kubernetes.limit_range import JUDGED, KINDS, Limit, Of, counts, tightest
from sovereign_operator.core.kubernetes.quality import is_guaranteed
from sovereign_operator.core.kubernetes.quantity import parse, render
from sovereign_operator.core.kubernetes.requests import amount, requests_of
from sovereign_operator.core.sidecar.annotated_amounts import LEAST_LIMIT, AnnotatedAmount, annotated_amounts, in_words
from sovereign_operator.core.sidecar.namespace_facts import NamespaceFacts
from sovereign_operator.core.sidecar.probes import CannotInjectError

Json = dict[str, Any]

USUAL: Final = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
"""The chart's defaults. They also count where a request or a memory limit is demanded, and nobody sets one."""
LEAST_USUAL_CPU: Final = Decimal("0.1")
CPU_SHARE: Final = Decimal("0.25")
"""Where a CPU limit is demanded: this share of what the pod may use without the sidecar, LEAST_USUAL_CPU or more."""
MILLI: Final = Decimal("0.001")
FINEST: Final = {"cpu": MILLI, "memory": Decimal(1)}
"""What amounts are rounded to."""

ALLOWED: Final = ("cpu", "memory", "ephemeral-storage")
"""The resources that a sidecar may have besides those of the chart's values: any other may bring devices and files into
it. The guard has the same list (``resourcesOfSidecar`` in the chart's ``_sidecar.tpl``)."""


@dataclass(frozen=True)
class Need:
    """One resource of one sidecar, and what decides about it."""

    resource: str
    annotated: Mapping[str, AnnotatedAmount]
    """By kind: requests, limits."""
    chart: Mapping[str, Decimal]
    """By kind, those of the chart's values."""
    guaranteed: bool
    """Whether the pod is of the class Guaranteed without the sidecar."""
    demanded: frozenset[str]
    """The kinds that a quota demands."""
    container_limits: Limit
    """What LimitRanges demand of a container."""
    pod_limits: Limit
    """What LimitRanges demand of a pod."""
    containers_use: Mapping[str, Decimal]
    """By kind, the amounts of the pod without the sidecar."""


def choose(pod: Json, values: Mapping[str, Any], around: NamespaceFacts) -> Json:
    """Return the resources of a sidecar that a pod does not have yet.

    ``values``: the chart's, as in a container. Raises CannotInjectError, which says what to change.
    """
    chosen: Json = {kind: dict(values.get(kind) or {}) for kind in KINDS}
    for need in _needs(pod, values, around):
        limit = _limit(need)
        request = _request(need, limit)
        for kind, found in (("requests", request), ("limits", limit)):
            if found is None:
                chosen[kind].pop(need.resource, None)
            elif need.chart.get(kind) != found:
                chosen[kind][need.resource] = render(found)
    return {kind: amounts for kind, amounts in chosen.items() if amounts}


def share(spec: Json, chosen: Mapping[str, Any]) -> Json:
    """Return by how much the resources of a pod as a whole grow, if it has any, given those of its sidecar.

    A sidecar without a CPU limit counts as if it had one: it would use what the application is given.
    """
    whole = (spec.get("resources") or {}).get("limits") or {}
    if "cpu" not in whole or "cpu" in (chosen.get("limits") or {}) or "cpu" not in (chosen.get("requests") or {}):
        return dict(chosen)
    limits = {**(chosen.get("limits") or {}), "cpu": render(_usual_cpu(amount(whole["cpu"])))}
    return {**chosen, "limits": limits}


def keep(found: Mapping[str, Any], values: Mapping[str, Any]) -> Json:
    """Return the resources of a sidecar that a pod has already, without those that no sidecar has.

    A LimitRange may have set them, and refuses a pod that changes them back. ``values``: the chart's.
    """
    allowed = {*ALLOWED, *(name for kind in KINDS for name in values.get(kind) or ())}
    kept = {kind: {name: text for name, text in (found.get(kind) or {}).items() if name in allowed} for kind in KINDS}
    return {kind: amounts for kind, amounts in kept.items() if amounts}


def _needs(pod: Json, values: Mapping[str, Any], around: NamespaceFacts) -> Iterator[Need]:
    spec, guaranteed = pod["spec"], is_guaranteed(pod["spec"])
    annotated = annotated_amounts(pod["metadata"].get("annotations") or {}, around.annotations)
    whole = spec.get("resources") or {}
    used = {kind: _total(spec, kind) for kind in KINDS}
    demanded = {(each.kind, each.resource) for each in around.demanded if counts(each.scopes, spec)}
    for resource in JUDGED:
        given = {kind: values[kind][resource] for kind in KINDS if resource in (values.get(kind) or {})}
        yield Need(
            resource,
            {kind: annotated[kind, resource] for kind in KINDS if (kind, resource) in annotated},
            {kind: parse(text) for kind, text in given.items()},
            guaranteed,
            frozenset(kind for kind in KINDS if (kind, resource) in demanded and not whole),
            tightest(around.limits, Of.CONTAINER, resource),
            tightest(around.limits, Of.POD, resource),
            {kind: used[kind].get(resource, Decimal(0)) for kind in KINDS},
        )


def _total(spec: Json, kind: str) -> dict[str, Decimal]:
    """Return what a pod requests, or its limits, counted as the scheduler counts requests."""

    def only(resources: Mapping[str, Any] | None) -> Json:
        return {"requests": (resources or {}).get(kind) or {}}

    fields = ("initContainers", "containers")
    containers = {
        field: [each | {"resources": only(each.get("resources"))} for each in spec.get(field) or ()] for field in fields
    }
    return requests_of({**containers, "resources": only(spec.get("resources"))})


def _limit(need: Need) -> Decimal | None:
    """Return the limit of one resource; None if the sidecar has none, or the API server fills it in."""
    annotation = need.annotated.get("limits") or (need.annotated.get("requests") if need.guaranteed else None)
    limit = max(annotation.amount, LEAST_LIMIT[need.resource]) if annotation else need.chart.get("limits")
    if limit is None:
        if not _needs_limit(need):
            return None
        limit = _usual_limit(need)
    asked = need.annotated.get("requests")
    if asked and not annotation:
        limit = max(limit, asked.amount)
    for most, said, remedy in _highest(need):
        if limit > most:
            if annotation:
                raise CannotInjectError(f"{annotation.source}, and {said}: lower the annotation")
            if most < LEAST_LIMIT[need.resource]:
                needed = f"the sidecar needs {in_words(LEAST_LIMIT[need.resource])} or more"
                raise CannotInjectError(f"{said}, and {needed}: {remedy}")
            limit = most
    if need.container_limits.least is not None and limit < need.container_limits.least:
        _refuse_less(annotation, need.container_limits.least, need.container_limits)
        limit = need.container_limits.least
    return limit


def _needs_limit(need: Need) -> bool:
    """Whether a sidecar needs a limit that nobody has set."""
    if need.guaranteed or need.container_limits.ratio is not None:
        return True
    if need.container_limits.default is not None:
        # The API server sets this one, unless it is too low.
        return need.container_limits.default < LEAST_LIMIT[need.resource]
    return "limits" in need.demanded or need.container_limits.most is not None


def _usual_limit(need: Need) -> Decimal:
    if need.resource == "memory":
        return parse(USUAL["limits"]["memory"])
    return _usual_cpu(need.containers_use["limits"])


def _usual_cpu(used: Decimal) -> Decimal:
    """Return the CPU limit of a sidecar, given that of its pod without it, in cores."""
    usual = max(LEAST_USUAL_CPU, _rounded_up(used * CPU_SHARE, "cpu"))
    # A container of a Guaranteed pod that requests whole CPUs has them to itself where the kubelet's CPU manager is
    # static, and some nodes give these away in pairs.
    return usual - MILLI if usual == usual.to_integral_value() else usual


def _highest(need: Need) -> Iterator[tuple[Decimal, str, str]]:
    """Yield how high the limit may be, why, and what to do if that is too low."""
    remedy = "raise the LimitRange"
    if need.container_limits.most is not None:
        most = need.container_limits.most
        allowed = f"LimitRange {need.container_limits.source} allows a container {_of(need, most)} at most"
        yield most, allowed, remedy
    if need.pod_limits.most is not None:
        used = need.containers_use["limits"]
        allowed = f"LimitRange {need.pod_limits.source} allows a pod {_of(need, need.pod_limits.most)} at most"
        taken = f"{allowed}, of which its containers have {in_words(used)}"
        yield need.pod_limits.most - used, taken, f"{remedy}, or lower the limits of the containers"


def _request(need: Need, limit: Decimal | None) -> Decimal | None:
    """Return the request of one resource, given its limit; None if the sidecar has none."""
    annotation = need.annotated.get("requests")
    if annotation:
        request: Decimal | None = annotation.amount
    elif need.guaranteed:
        request = limit
    else:
        request = need.chart.get("requests")
    if request is None and limit is None and ("requests" in need.demanded or need.container_limits.least is not None):
        request = parse(USUAL["requests"][need.resource])
    if request is None:
        return None
    highest = need.container_limits.default if limit is None else limit
    if highest is not None and request > highest:
        if annotation:
            limited = f"the limit is {in_words(highest)}"
            raise CannotInjectError(f"{annotation.source}, and {limited}: lower the annotation, or raise the limit")
        request = highest
    for least, limits in _lowest(need, limit):
        if request < least:
            _refuse_less(annotation, least, limits)
            request = least
    return request


def _lowest(need: Need, limit: Decimal | None) -> Iterator[tuple[Decimal, Limit]]:
    """Yield how high the request has to be, and by which LimitRange."""
    if need.container_limits.least is not None:
        yield need.container_limits.least, need.container_limits
    if limit is not None and need.container_limits.ratio:
        yield min(limit, _rounded_up(limit / need.container_limits.ratio, need.resource)), need.container_limits
    if limit is not None and need.pod_limits.ratio:
        all_limits = need.containers_use["limits"] + limit
        wanted = _rounded_up(all_limits / need.pod_limits.ratio, need.resource) - need.containers_use["requests"]
        yield min(limit, wanted), need.pod_limits


def _refuse_less(annotation: AnnotatedAmount | None, least: Decimal, limits: Limit) -> None:
    if annotation:
        demanded = f"LimitRange {limits.source} demands {in_words(least)} or more"
        raise CannotInjectError(f"{annotation.source}, and {demanded}: raise the annotation")


def _rounded_up(exact: Decimal, resource: str) -> Decimal:
    finest = FINEST[resource]
    return (exact / finest).to_integral_value(ROUND_CEILING) * finest


def _of(need: Need, most: Decimal) -> str:
    return f"{in_words(most)} of {need.resource}"
