"""What LimitRanges and quotas demand of containers, as an API server has them."""

from decimal import Decimal
from typing import Any

import pytest

from sovereign_operator.core.kubernetes.limit_range import Demand, Limit, Of, counts, demanded_of, limits_of, tightest

MIB = 1024**2


def limit_range(*entries: dict[str, Any], name: str = "all") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"limits": [*entries]}}


def test_a_limit_range_is_read_by_resource() -> None:
    found = limits_of(
        limit_range(
            {
                "type": "Container",
                "min": {"cpu": "10m"},
                "max": {"memory": "1Gi", "ephemeral-storage": "1Gi"},
                "default": {"memory": "256Mi"},
                "maxLimitRequestRatio": {"cpu": "1.5"},
            },
            {"type": "Pod", "max": {"memory": "2Gi"}},
            {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}},
        )
    )
    assert found == (
        Limit("all", Of.CONTAINER, "cpu", least=Decimal("0.01"), ratio=Decimal("1.5")),
        Limit("all", Of.CONTAINER, "memory", most=Decimal(1024 * MIB), default=Decimal(256 * MIB)),
        Limit("all", Of.POD, "memory", most=Decimal(2048 * MIB)),
    )


@pytest.mark.parametrize("spec", [None, {}, {"limits": None}, {"limits": [{"type": "Container", "max": None}]}])
def test_one_that_demands_nothing(spec: Any) -> None:
    assert limits_of({"metadata": {"name": "all"}, "spec": spec}) == ()


def test_of_a_huge_one_only_the_beginning_counts() -> None:
    entries = [{"type": "Container", "max": {"cpu": "1"}}] * 10_000
    assert len(limits_of(limit_range(*entries))) == 100


def test_the_tightest_of_several_counts() -> None:
    both = (
        *limits_of(limit_range({"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1m"}}, name="wide")),
        *limits_of(limit_range({"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "2m"}}, name="narrow")),
        *limits_of(limit_range({"type": "Container", "maxLimitRequestRatio": {"cpu": "3"}}, name="a ratio")),
    )
    expected = Limit("narrow", Of.CONTAINER, "cpu", Decimal("0.002"), Decimal(1), Decimal(3))
    assert tightest(both, Of.CONTAINER, "cpu") == tightest(reversed(both), Of.CONTAINER, "cpu") == expected
    assert tightest(both, Of.POD, "cpu") == Limit("", Of.POD, "cpu")


@pytest.mark.parametrize(
    ("hard", "demanded"),
    [
        ({}, set()),
        ({"pods": "5", "requests.storage": "1Gi", "limits.ephemeral-storage": "1Gi"}, set()),
        ({"cpu": "5"}, {("requests", "cpu")}),
        ({"requests.memory": "5Gi", "limits.cpu": "5"}, {("requests", "memory"), ("limits", "cpu")}),
    ],
)
def test_a_quota_demands_what_it_counts_of_cpu_and_memory(hard: dict[str, str], demanded: set[tuple[str, str]]) -> None:
    assert demanded_of({"spec": {"hard": hard}}) == {Demand(*each) for each in demanded}


def test_a_quota_with_scopes_demands_it_of_the_pods_that_it_counts() -> None:
    spec = {
        "hard": {"limits.cpu": "5"},
        "scopes": ["Terminating", "NotBestEffort"],
        "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]},
    }
    (demand,) = demanded_of({"spec": spec})
    assert counts(demand.scopes, {"activeDeadlineSeconds": 60, "priorityClassName": "high"})
    assert not counts(demand.scopes, {"activeDeadlineSeconds": 60, "priorityClassName": "low"})
    assert not counts(demand.scopes, {"activeDeadlineSeconds": 60})
    assert not counts(demand.scopes, {"priorityClassName": "high"})


@pytest.mark.parametrize(
    ("scope", "pod", "counted"),
    [
        ("BestEffort", {}, False),
        ("NotBestEffort", {}, True),
        ("NotTerminating", {}, True),
        ("NotTerminating", {"activeDeadlineSeconds": 1}, False),
        ("PriorityClass", {"priorityClassName": "x"}, True),
        ("PriorityClass", {}, False),
        ("CrossNamespacePodAffinity", {}, False),
    ],
)
def test_a_quota_counts_the_pods_of_its_scope(scope: str, pod: dict[str, Any], *, counted: bool) -> None:
    assert counts([(scope, "Exists", ())], pod) is counted
