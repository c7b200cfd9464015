"""What the injector keeps of objects that decide about sidecars: little, whatever others write into them."""

from typing import Any

import pytest

from sovereign_operator.kube.objects.sidecar_facts import (
    NamespaceSeen,
    see_handler,
    see_limits,
    see_namespace,
    see_quota,
)

WISH = "sovereignty.dev/sidecar-cpu-limit"


@pytest.mark.parametrize(
    ("metadata", "seen"),
    [
        ({}, None),
        ({"labels": None, "annotations": {"a": "b" * 10_000}}, None),
        ({"labels": {"sovereignty.dev/enforce": "hds"}}, NamespaceSeen("hds")),
        ({"annotations": {WISH: "1", "a": "b"}}, NamespaceSeen(None, {WISH: "1"})),
    ],
)
def test_a_namespace_is_kept_for_its_policy_and_for_what_sidecars_get(
    metadata: dict[str, Any], seen: NamespaceSeen | None
) -> None:
    assert see_namespace({"metadata": {"name": "a"} | metadata}) == seen


def test_no_annotation_is_kept_that_is_longer_than_any_quantity() -> None:
    seen = see_namespace({"metadata": {"name": "a", "annotations": {WISH: "1" * 100_000}}})
    assert seen
    assert len(seen.annotations[WISH]) < 2000


def test_what_demands_nothing_of_containers_is_not_kept() -> None:
    assert see_limits({"metadata": {"name": "a"}, "spec": {"limits": [{"type": "PersistentVolumeClaim"}]}}) is None
    assert see_quota({"metadata": {"name": "a"}, "spec": {"hard": {"pods": "5"}}}) is None
    assert see_handler({"metadata": {"name": "a"}, "handler": "runsc" + "x" * 1000}).startswith("runsc")
