"""What the operator writes into workloads."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind, WorkloadTemplate
from sovereign_operator.core.names import POLICY_LABEL, RENDERED_ANNOTATION
from sovereign_operator.core.workload import manifests

LABEL = {POLICY_LABEL: "secnumcloud"}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def at(obj: Any, *path: str) -> Any:
    """Return the value at a path."""
    for key in path:
        obj = obj[key]
    return obj


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Return every leaf of an object by its path."""
    if not isinstance(value, dict):
        return {path: value}
    return {found: leaf for key, inner in value.items() for found, leaf in leaves(inner, (*path, key)).items()}


@pytest.mark.parametrize("kind", WorkloadKind)
def test_adoption_writes_one_label_twice_and_nothing_else(kind: WorkloadKind) -> None:
    body = manifests.adoption(kind, "hospital", "app", "uid", "secnumcloud")
    template = manifests.pod_template_path(kind)
    assert {path: value for path, value in leaves(body).items() if path[-1] == POLICY_LABEL} == {
        ("metadata", "labels", POLICY_LABEL): "secnumcloud",
        (*template, "metadata", "labels", POLICY_LABEL): "secnumcloud",
    }
    assert len(leaves(body)) == len(["apiVersion", "kind", "name", "namespace", "uid"]) + 2


@pytest.mark.parametrize("kind", WorkloadKind)
def test_giving_back_names_nothing_that_was_applied(kind: WorkloadKind) -> None:
    body = manifests.release(kind, "hospital", "app", "uid")
    assert set(leaves(body)) == {
        ("apiVersion",),
        ("kind",),
        *(("metadata", key) for key in ("name", "namespace", "uid")),
    }


@pytest.mark.parametrize("kind", WorkloadKind)
def test_taking_our_marks_off_says_nothing_else_and_leaves_a_job_its_template(kind: WorkloadKind) -> None:
    said = {
        ("metadata", "uid"): "uid",
        ("metadata", "labels", POLICY_LABEL): None,
        ("metadata", "annotations", RENDERED_ANNOTATION): None,
    }
    if kind is not WorkloadKind.JOB:
        said[(*manifests.pod_template_path(kind), "metadata", "labels", POLICY_LABEL)] = None
    assert leaves(manifests.unlabelled(kind, "uid")) == said


KEYS = st.sampled_from(["jobTemplate", "spec", "template", "metadata", "labels", POLICY_LABEL, "x"])
MALFORMED = st.recursive(
    JSON, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)


@given(st.sampled_from(WorkloadKind), st.dictionaries(KEYS, MALFORMED))
@example(WorkloadKind.DEPLOYMENT, {"template": {"metadata": "text"}})
@example(WorkloadKind.DEPLOYMENT, {"template": {"metadata": {"labels": ["app=a"]}}})
def test_an_owned_workload_carries_the_label_whatever_is_malformed_in_it(
    kind: WorkloadKind, spec: dict[str, Any]
) -> None:
    template = WorkloadTemplate(kind=kind, spec=spec)
    body = manifests.owned(template, namespace="hospital", name="app", owner_uid="u", policy="secnumcloud")
    assert at(body, *manifests.pod_template_path(kind), "metadata", "labels", POLICY_LABEL) == "secnumcloud"
    assert at(body, "metadata", "labels", POLICY_LABEL) == "secnumcloud"
    (owner,) = body["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == ("u", True)


def test_an_owned_workload_cannot_choose_another_policy() -> None:
    spec = {"template": {"metadata": {"labels": {POLICY_LABEL: "hds", "app": "a"}}}}
    template = WorkloadTemplate.model_validate(
        {"kind": "Deployment", "metadata": {"labels": {POLICY_LABEL: "hds"}}, "spec": spec}
    )
    body = manifests.owned(template, namespace="hospital", name="app", owner_uid="u", policy="secnumcloud")
    assert body["metadata"]["labels"] == LABEL
    assert body["spec"]["template"]["metadata"]["labels"] == {**LABEL, "app": "a"}


@given(st.dictionaries(st.sampled_from("abc"), JSON), st.dictionaries(st.sampled_from("abc"), JSON))
@example({"a": 1, "b": 2}, {"a": 1})
def test_a_live_object_holds_no_other_rendering(before: dict[str, Any], after: dict[str, Any]) -> None:
    """A field that was removed from the template is still in the live object; the change must still be noticed."""

    def rendered(spec: dict[str, Any]) -> dict[str, Any]:
        template = WorkloadTemplate(kind=WorkloadKind.DEPLOYMENT, spec=spec)
        return manifests.owned(template, namespace="hospital", name="app", owner_uid="u", policy="secnumcloud")

    one, other = (json.dumps(rendered(spec)["spec"], sort_keys=True) for spec in (before, after))
    assert manifests.holds(rendered(before), rendered(after)) is (one == other)


@given(JSON)
def test_an_object_holds_itself(value: Any) -> None:
    assert manifests.holds(value, value)


@pytest.mark.parametrize(
    ("live", "wanted", "held"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": None}, False),
        ({"a": [{"x": 1, "y": 2}]}, {"a": [{"x": 1}]}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": "b"}, {"a": {"b": 1}}, False),
        ([1], {"a": 1}, False),
    ],
)
def test_what_others_added_does_not_count(live: Any, wanted: Any, held: bool) -> None:
    assert manifests.holds(live, wanted) is held
