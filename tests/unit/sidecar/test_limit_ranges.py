"""Whatever LimitRanges demand: a pod that they admit, they admit with a sidecar, or its owner is told why not."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.kubernetes.limit_range import Limit
from sovereign_operator.core.kubernetes.quality import is_guaranteed
from sovereign_operator.core.kubernetes.quantity import parse
from sovereign_operator.core.kubernetes.requests import requests_of
from sovereign_operator.core.sidecar.injection import inject
from sovereign_operator.core.sidecar.probes import CannotInjectError
from tests.unit.sidecar.injected_pods import Json, app, pod, sidecar_of
from tests.unit.sidecar.sized_pods import MIB, SETTINGS, ranges

CPUS = st.sampled_from(["1m", "20m", "100m", "1", "1500m", "4"])
MEMORIES = st.sampled_from(["64Mi", "128Mi", "200M", "512Mi", "2Gi"])
RATIOS = st.sampled_from(["1", "1.5", "2", "3", "10"])


@st.composite
def limit_ranges(draw: st.DrawFn) -> Json:
    """Return an entry of a LimitRange that the API server accepts."""
    entry: Json = {"type": draw(st.sampled_from(["Container", "Pod"]))}
    for name, amounts in (("cpu", CPUS), ("memory", MEMORIES)):
        least, most = sorted([draw(amounts), draw(amounts)], key=parse)
        if draw(st.booleans()):
            entry.setdefault("min", {})[name] = least
        if draw(st.booleans()):
            entry.setdefault("max", {})[name] = most
        if draw(st.booleans()):
            entry.setdefault("maxLimitRequestRatio", {})[name] = draw(RATIOS)
    return entry


@st.composite
def containers(draw: st.DrawFn, name: str) -> Json:
    made: Json = {"requests": {}, "limits": {}}
    for resource, amounts in (("cpu", CPUS), ("memory", MEMORIES)):
        request, limit = sorted([draw(amounts), draw(amounts)], key=parse)
        made["requests"][resource], made["limits"][resource] = request, limit
        if draw(st.booleans()):
            made["requests"][resource] = limit
    return app(name, resources=made)


@given(limit_ranges(), containers("a"), containers("b"), st.booleans())
def test_what_a_limit_range_admits_it_admits_with_a_sidecar_or_there_are_words(
    entry: Json, first: Json, second: Json, initial: bool
) -> None:
    before = pod(first, initContainers=[second]) if initial else pod(first, second)
    around = ranges(entry)
    admitted = not faults(before["spec"], around.limits)
    try:
        made = inject(before, "hds", SETTINGS, around)
    except CannotInjectError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert "LimitRange small allows" in said
        return
    assert is_guaranteed(made["spec"]) is is_guaranteed(before["spec"])
    sidecar = sidecar_of(made)["resources"]
    for name, limit in sidecar["limits"].items():
        assert parse(sidecar["requests"][name]) <= parse(limit)
    assert parse(sidecar["limits"]["memory"]) >= 128 * MIB
    if admitted:
        assert faults(made["spec"], around.limits) == []


def faults(spec: Json, limits: tuple[Limit, ...]) -> list[str]:
    """Return what the plugin LimitRanger finds wrong with a pod once it has set its defaults: a second version."""
    found: list[str] = []
    every = [*spec.get("initContainers", ()), *spec["containers"]]
    for limit in limits:
        name = limit.resource
        amounts = [
            {kind: (each.get("resources") or {}).get(kind, {}).get(name) for kind in ("requests", "limits")}
            for each in every
        ]
        if limit.of == "Pod":
            amounts = [{kind: total(spec, kind, name) for kind in ("requests", "limits")}]
        for each in amounts:
            most = each["limits"]
            if most is None and limit.default is not None:
                most = str(limit.default)
            request = each["requests"] if each["requests"] is not None else most
            found += [f"{limit}: {each}" for wrong in (_wrong(limit, request, most),) if wrong]
    return found


def _wrong(limit: Limit, request: str | None, most: str | None) -> bool:
    if limit.least is not None and (request is None or parse(request) < limit.least):
        return True
    if limit.most is not None and (most is None or parse(most) > limit.most):
        return True
    if limit.ratio is None:
        return False
    return request is None or most is None or parse(request) == 0 or parse(most) / parse(request) > limit.ratio


def total(spec: Json, kind: str, name: str) -> str | None:
    def only(each: Json) -> Any:
        amounts = each["resources"].get(kind, {})
        return each | {"resources": {"requests": {name: amounts[name]} if name in amounts else {}}}

    fields = ("initContainers", "containers")
    counted = requests_of({field: [only(each) for each in spec.get(field, ())] for field in fields})
    return str(counted[name]) if name in counted else None
