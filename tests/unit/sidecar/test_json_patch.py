"""JSON patches, applied with the jsonpatch library, which kopf depends on."""

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.sidecar.json_patch import patch

NAMED = st.fixed_dictionaries({"name": st.sampled_from("abcd")}, optional={"x": st.integers(0, 2), "y": st.booleans()})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.floats(0, 1) | st.text("a/~0", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(NAMED, max_size=5)
        | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=4)
    ),
    max_leaves=12,
)


def canonical(value: Any) -> str:
    """Return a text that distinguishes true from 1."""
    return repr(value) if not isinstance(value, dict | list) else repr(sorted_keys(value))


def sorted_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sorted_keys(value[key]) for key in sorted(value)}
    return [sorted_keys(item) for item in value] if isinstance(value, list) else value


@given(JSON, JSON)
def test_a_patch_makes_the_one_of_the_other(before: Any, after: Any) -> None:
    kept = copy.deepcopy((before, after))
    made = jsonpatch.apply_patch(before, patch(before, after))
    assert canonical(made) == canonical(after)
    assert canonical((before, after)) == canonical(kept)


@given(JSON)
def test_nothing_to_change_is_no_patch(value: Any) -> None:
    assert patch(value, copy.deepcopy(value)) == []


MINIMAL: dict[str, tuple[Any, Any, list[dict[str, Any]]]] = {
    "a named element put first, another changed": (
        {"c": [{"name": "a", "port": 1, "image": "x"}, {"name": "b"}]},
        {"c": [{"name": "s"}, {"name": "a", "port": 2, "image": "x"}, {"name": "b"}]},
        [
            {"op": "add", "path": "/c/0", "value": {"name": "s"}},
            {"op": "replace", "path": "/c/1/port", "value": 2},
        ],
    ),
    "an element removed, one after it changed": (
        [{"name": "a"}, {"name": "b", "x": 1}],
        [{"name": "b", "x": 2}],
        [{"op": "remove", "path": "/0"}, {"op": "replace", "path": "/0/x", "value": 2}],
    ),
    "a new list": ({}, {"v": [1]}, [{"op": "add", "path": "/v", "value": [1]}]),
    "a key with a slash": ({"a/b~c": 1}, {"a/b~c": 2}, [{"op": "replace", "path": "/a~1b~0c", "value": 2}]),
    "true for one": ({"a": 1}, {"a": True}, [{"op": "replace", "path": "/a", "value": True}]),
    "nothing for something": ({"a": 1}, {"a": None}, [{"op": "replace", "path": "/a", "value": None}]),
}


@pytest.mark.parametrize(("before", "after", "expected"), MINIMAL.values(), ids=MINIMAL.keys())
def test_a_patch_says_no_more_than_what_changed(before: Any, after: Any, expected: list[dict[str, Any]]) -> None:
    assert patch(before, after) == expected


def test_many_elements_that_are_the_same_take_no_time() -> None:
    """A generic sequence matcher would take minutes, in which no other review gets an answer."""
    many = ["a"] * 14_000
    assert patch({"args": many}, {"args": many}) == []
    assert patch({"args": many}, {"args": [*many, "b"]}) == [{"op": "replace", "path": "/args", "value": [*many, "b"]}]
