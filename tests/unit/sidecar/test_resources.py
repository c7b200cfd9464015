"""Which resources a sidecar gets: its pod keeps its class, quotas and LimitRanges let it in, people may set them."""

from decimal import Decimal

import pytest

from sovereign_operator.core.kubernetes.quality import is_guaranteed
from sovereign_operator.core.kubernetes.quantity import parse
from sovereign_operator.core.sidecar.injection import inject
from sovereign_operator.core.sidecar.namespace_facts import NO_NAMESPACE_FACTS, NamespaceFacts
from sovereign_operator.core.sidecar.probes import CannotInjectError
from tests.unit.sidecar.injected_pods import Json, app, pod, sidecar_of
from tests.unit.sidecar.sized_pods import (
    BURSTABLE,
    CHART,
    GUARANTEED,
    MIB,
    PREFIX,
    SETTINGS,
    WITHOUT,
    quota,
    ranges,
    resources,
    sized,
)


def test_nobody_says_anything() -> None:
    assert resources(pod()) == CHART
    assert resources(pod(app(resources=BURSTABLE))) == CHART
    assert resources(pod(), settings=WITHOUT) == {}
    assert resources(pod(app(resources=BURSTABLE)), settings=WITHOUT) == {}


CLASSES: dict[str, tuple[list[Json], Json]] = {
    "small": ([app(resources=GUARANTEED)], sized("100m", "512Mi")),
    "limits alone": ([app(resources={"limits": {"cpu": "1", "memory": "1Gi"}})], sized("250m", "512Mi")),
    "several": (
        [app(resources=sized("1500m", "64Mi")), app("b", resources=sized("0.5", "1G"))],
        sized("500m", "512Mi"),
    ),
    # A whole number of CPUs would be taken from others for the sidecar alone.
    "large": ([app(resources=sized("8", "64Gi"))], sized("1999m", "512Mi")),
    "written otherwise": (
        [app(resources={"requests": {"cpu": "0.1", "memory": "1Gi"}, "limits": {"cpu": "100m", "memory": "1024Mi"}})],
        sized("100m", "512Mi"),
    ),
}


@pytest.mark.parametrize(("containers", "expected"), CLASSES.values(), ids=CLASSES.keys())
@pytest.mark.parametrize("around", [NO_NAMESPACE_FACTS, quota(("limits", "cpu"), ("requests", "memory"))])
def test_a_guaranteed_pod_stays_one(containers: list[Json], expected: Json, around: NamespaceFacts) -> None:
    before = pod(*containers)
    found = resources(before, around)
    assert {kind: {key: parse(text) for key, text in amounts.items()} for kind, amounts in found.items()} == {
        kind: {key: parse(text) for key, text in amounts.items()} for kind, amounts in expected.items()
    }
    assert is_guaranteed(before["spec"])
    assert is_guaranteed(inject(before, "hds", SETTINGS, around)["spec"])
    assert is_guaranteed(inject(before, "hds", WITHOUT, around)["spec"])


@pytest.mark.parametrize(
    "other",
    [
        app("b"),
        app("b", resources={"limits": {"cpu": "1"}}),
        app("b", resources={"limits": {"cpu": "0", "memory": "0"}}),
        app("b", resources=BURSTABLE),
        app("b", resources={"limits": {"cpu": "1e999", "memory": "1e999"}}),
    ],
)
def test_one_container_that_is_not_reserved_and_the_pod_is_not_guaranteed(other: Json) -> None:
    for before in (pod(app(resources=GUARANTEED), other), pod(app(resources=GUARANTEED), initContainers=[other])):
        assert not is_guaranteed(before["spec"])
        assert resources(before) == CHART


def test_a_pod_with_a_limit_as_a_whole_grows_by_what_its_sidecar_may_use() -> None:
    """Else the sidecar would use what the application is given."""
    whole: Json = {"requests": {"cpu": "500m"}, "limits": {"cpu": "2"}}
    before = pod(resources=whole)
    assert resources(before) == CHART
    grown = inject(before, "hds", SETTINGS)["spec"]["resources"]
    assert grown == {"requests": {"cpu": "520m"}, "limits": {"cpu": "2500m"}}
    assert inject(before, "hds", WITHOUT)["spec"]["resources"] == whole
    said = pod(resources=whole)
    said["metadata"]["annotations"] = {f"{PREFIX}cpu-limit": "300m"}
    assert inject(said, "hds", SETTINGS)["spec"]["resources"]["limits"] == {"cpu": "2300m"}


def test_a_quota_finds_what_it_has_each_container_set() -> None:
    limited = {"requests": CHART["requests"], "limits": CHART["limits"] | {"cpu": "250m"}}
    assert resources(pod(app(resources=BURSTABLE)), quota(("limits", "cpu"))) == limited
    # Those that have resources as a whole need none for each container.
    assert resources(pod(resources={"requests": {"cpu": "1"}}), quota(("limits", "cpu"))) == CHART
    everything = quota(*((kind, name) for kind in ("limits", "requests") for name in ("cpu", "memory")))
    found = resources(pod(app(resources=BURSTABLE)), everything, WITHOUT)
    assert set(found["limits"]) == {"cpu", "memory"}
    assert parse(found["limits"]["memory"]) == 512 * MIB
    requested = resources(pod(), quota(("requests", "cpu"), ("requests", "memory")), WITHOUT)
    assert {name: parse(text) for name, text in requested["requests"].items()} == {
        "cpu": Decimal("0.02"),
        "memory": 64 * MIB,
    }


FITTED: dict[str, tuple[Json, Json, Json]] = {
    "a lower limit": ({"max": {"memory": "256Mi"}}, {}, {"limits": {"memory": "262144Ki"}}),
    "a higher request": (
        {"min": {"memory": "128Mi", "cpu": "50m"}},
        {},
        {"requests": {"memory": "131072Ki", "cpu": "50m"}},
    ),
    "a higher limit": (
        {"min": {"memory": "1Gi"}},
        {},
        {"limits": {"memory": "1048576Ki"}, "requests": {"memory": "1048576Ki"}},
    ),
    "a ratio": ({"maxLimitRequestRatio": {"memory": "2"}}, {}, {"requests": {"memory": "262144Ki"}}),
    "a ratio of CPU": (
        {"maxLimitRequestRatio": {"cpu": "4"}},
        BURSTABLE,
        {"requests": {"cpu": "63m"}, "limits": {"cpu": "250m"}},
    ),
    "a ratio and a lower limit": (
        {"maxLimitRequestRatio": {"memory": "1.5"}, "max": {"memory": "192Mi"}},
        {},
        {"requests": {"memory": "131072Ki"}, "limits": {"memory": "196608Ki"}},
    ),
    "a quotient that is not whole": (
        {"maxLimitRequestRatio": {"memory": "3"}},
        {},
        {"requests": {"memory": "178956971"}},
    ),
    # The API server sets it, as it did before there was a sidecar.
    "a default": ({"default": {"cpu": "100m"}}, {}, {}),
    "a default that is lower than the request": ({"default": {"cpu": "10m"}}, {}, {"requests": {"cpu": "10m"}}),
    "what the sidecar keeps anyway": ({"min": {"cpu": "1m"}, "max": {"memory": "1Gi"}}, {}, {}),
    "nonsense": ({"max": {"memory": "lots"}}, {}, {}),
    "for the whole pod": (
        {"type": "Pod", "max": {"memory": "600Mi", "cpu": "2"}},
        BURSTABLE,
        {"limits": {"memory": "483328Ki"}},
    ),
    "a ratio of the whole pod": (
        {"type": "Pod", "maxLimitRequestRatio": {"memory": "2"}},
        BURSTABLE,
        {"requests": {"memory": "262144Ki"}},
    ),
}


@pytest.mark.parametrize(("entry", "container", "change"), FITTED.values(), ids=FITTED.keys())
def test_a_sidecar_is_as_a_limit_range_demands(entry: Json, container: Json, change: Json) -> None:
    expected = {kind: CHART[kind] | change.get(kind, {}) for kind in CHART}
    assert resources(pod(app(resources=container)), ranges(entry)) == expected


def test_a_default_that_no_sidecar_can_have_is_not_left_to_the_api_server() -> None:
    small = ranges({"default": {"memory": "64Mi"}})
    assert parse(resources(pod(), small, WITHOUT)["limits"]["memory"]) == 512 * MIB
    assert resources(pod(), ranges({"default": {"memory": "256Mi"}}), WITHOUT) == {}


def test_several_limit_ranges_all_have_their_say() -> None:
    one, other = ranges({"max": {"memory": "1Gi"}}), ranges({"max": {"memory": "256Mi"}}, {"min": {"memory": "96Mi"}})
    both = NamespaceFacts(limits=one.limits + other.limits)
    found = resources(pod(), both)
    assert (found["requests"]["memory"], found["limits"]["memory"]) == ("98304Ki", "262144Ki")


WISHES: dict[str, tuple[dict[str, str], Json, Json]] = {
    "a limit": ({"memory-limit": "1Gi"}, {}, {"limits": {"memory": "1048576Ki"}}),
    "CPU": ({"cpu-limit": "2", "cpu-request": "200m"}, {}, {"limits": {"cpu": "2"}, "requests": {"cpu": "200m"}}),
    "a limit below the usual request": (
        {"cpu-limit": "10m"},
        {},
        {"limits": {"cpu": "10m"}, "requests": {"cpu": "10m"}},
    ),
    "a request above the usual limit": (
        {"memory-request": "1Gi"},
        {},
        {"limits": {"memory": "1048576Ki"}, "requests": {"memory": "1048576Ki"}},
    ),
    "no request": ({"cpu-request": "0"}, {}, {"requests": {"cpu": "0"}}),
    "what a Guaranteed pod gives": (
        {"cpu-limit": "1", "memory-request": "256Mi"},
        GUARANTEED,
        {"requests": {"cpu": "1", "memory": "262144Ki"}, "limits": {"cpu": "1", "memory": "262144Ki"}},
    ),
    "a Guaranteed pod that need not stay one": (
        {"cpu-request": "10m", "cpu-limit": "1"},
        GUARANTEED,
        {"requests": {"cpu": "10m", "memory": "524288Ki"}, "limits": {"cpu": "1", "memory": "512Mi"}},
    ),
}


@pytest.mark.parametrize(("annotated", "container", "change"), WISHES.values(), ids=WISHES.keys())
def test_people_may_say_what_it_gets(annotated: dict[str, str], container: Json, change: Json) -> None:
    expected = {kind: CHART[kind] | change.get(kind, {}) for kind in CHART}
    found = resources(pod(app(resources=container)), annotated=annotated)
    assert _parsed(found) == _parsed(expected)


def _parsed(found: Json) -> dict[str, dict[str, Decimal]]:
    return {kind: {name: parse(text) for name, text in amounts.items()} for kind, amounts in found.items()}


def test_a_pod_has_the_last_word_on_each_of_them() -> None:
    around = NamespaceFacts({f"{PREFIX}cpu-limit": "1", f"{PREFIX}memory-limit": "1Gi", "other": "x"})
    assert (
        resources(pod(), NamespaceFacts({f"{PREFIX}cpu-limit": "lots"}), annotated={"cpu-limit": "2"})["limits"]["cpu"]
        == "2"
    )
    found = resources(pod(), around, annotated={"cpu-limit": "2"})
    assert found["limits"] == {"cpu": "2", "memory": "1048576Ki"}


REFUSED: dict[str, tuple[Json, NamespaceFacts, dict[str, str], str]] = {
    "not a quantity": ({}, NO_NAMESPACE_FACTS, {"cpu-limit": "lots"}, "cpu-limit of the pod is not a quantity: 'lots'"),
    "hardly any memory": (
        {},
        NamespaceFacts({f"{PREFIX}memory-limit": "64Mi"}),
        {},
        "memory-limit of the namespace is 64Mi, and a sidecar needs 128Mi or more: raise it",
    ),
    "no quantity in the namespace": (
        {},
        NamespaceFacts({f"{PREFIX}memory-limit": "1e999"}),
        {},
        "memory-limit of the namespace is more than any quantity",
    ),
    "hardly any CPU": ({}, NO_NAMESPACE_FACTS, {"cpu-limit": "9m"}, "is 9m, and a sidecar needs 10m or more"),
    "less than nothing": ({}, NO_NAMESPACE_FACTS, {"cpu-request": "-1"}, "is -1, and a sidecar needs 0 or more"),
    "more than the limit": (
        {},
        NO_NAMESPACE_FACTS,
        {"memory-request": "1Gi", "memory-limit": "512Mi"},
        "memory-request of the pod is 1Gi, and the limit is 512Mi: lower the annotation, or raise the limit",
    ),
    "more than a LimitRange allows": (
        {},
        ranges({"max": {"memory": "256Mi"}}),
        {"memory-limit": "1Gi"},
        "memory-limit of the pod is 1Gi, and LimitRange small allows a container 256Mi of memory at most: lower",
    ),
    "less than a LimitRange demands": (
        {},
        ranges({"min": {"cpu": "50m"}}),
        {"cpu-request": "10m"},
        "cpu-request of the pod is 10m, and LimitRange small demands 50m or more: raise the annotation",
    ),
    "a LimitRange for nobody": (
        {},
        ranges({"max": {"memory": "100Mi"}}),
        {},
        "LimitRange small allows a container 100Mi of memory at most, and the sidecar needs 128Mi or more: raise the",
    ),
    "a pod that leaves no room": (
        sized("1", "500Mi"),
        ranges({"type": "Pod", "max": {"memory": "600Mi"}}),
        {},
        "600Mi of memory at most, of which its containers have 500Mi, and the sidecar needs 128Mi or more: raise the",
    ),
}


@pytest.mark.parametrize(("container", "around", "annotated", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_is_refused_with_words(
    container: Json, around: NamespaceFacts, annotated: dict[str, str], says: str
) -> None:
    with pytest.raises(CannotInjectError) as refused:
        resources(pod(app(resources=container)), around, annotated=annotated)
    assert says in str(refused.value)


def test_of_an_existing_sidecar_nothing_stays_that_brings_devices() -> None:
    made = inject(pod(), "hds", SETTINGS)
    kept: Json = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"ephemeral-storage": "1Gi"}}
    found: Json = {
        "limits": kept["limits"] | {"example.org/card": "1"},
        "requests": kept["requests"] | {"hugepages-2Mi": "2Mi"},
        "claims": [{"name": "card"}],
    }
    sidecar_of(made)["resources"] = found
    assert sidecar_of(inject(made, "hds", SETTINGS))["resources"] == kept
