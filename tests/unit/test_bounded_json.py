"""JSON of any depth can be read, and the result can be copied, compared and written."""

import copy
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.bounded_json import _TOKEN, DEEPEST, cut, read_json

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


def nested(levels: int, leaf: str = "1") -> bytes:
    """Return alternating objects and lists, nested this deep."""
    pairs = [('{"a":', "}"), ("[", "]")]
    opened = "".join(pairs[level % 2][0] for level in range(levels))
    return (opened + leaf + "".join(pairs[level % 2][1] for level in reversed(range(levels)))).encode()


def depth_of(value: Any) -> int:
    """Return the depth of a value, without recursion."""
    depth, level = 0, [value]
    while level := [inner for inner in level if isinstance(inner, dict | list)]:
        depth += 1
        level = [item for inner in level for item in (inner.values() if isinstance(inner, dict) else inner)]
    return depth


@given(VALUES)
def test_what_is_not_deep_is_read_as_it_is(value: Any) -> None:
    text = json.dumps(value).encode()
    assert read_json(text) == value == json.loads(cut(text))


@pytest.mark.parametrize("levels", [1, DEEPEST - 1, DEEPEST])
def test_all_levels_that_are_read_are_read(levels: int) -> None:
    assert read_json(nested(levels)) == json.loads(nested(levels))


@pytest.mark.parametrize("levels", [DEEPEST + 1, DEEPEST + 2, 1_000, 10_000, 100_000])
def test_what_lies_deeper_is_empty(levels: int) -> None:
    found = read_json(nested(levels))
    # The empty object or list in place of the part that was cut off is a level of its own.
    assert depth_of(found) == DEEPEST + 1 if levels > DEEPEST else levels
    assert copy.deepcopy(found) == found == json.loads(json.dumps(found))


@pytest.mark.parametrize("opened", [b'{"a":', b"["])
def test_one_kind_alone_is_cut_likewise(opened: bytes) -> None:
    closed = b"}" if opened.startswith(b"{") else b"]"
    assert depth_of(read_json(opened * 5_000 + b"1" + closed * 5_000)) == DEEPEST + 1


def test_what_stands_beside_and_after_is_kept() -> None:
    deep = nested(10_000).decode()
    text = f'{{"metadata":{{"name":"a","managedFields":[{deep},{deep}],"resourceVersion":"7"}},"kind":"Pod"}}'
    found = read_json(text.encode())
    assert found["metadata"]["name"] == "a"
    assert found["metadata"]["resourceVersion"] == "7"
    assert len(found["metadata"]["managedFields"]) == 2
    assert found["kind"] == "Pod"


def test_brackets_in_text_are_no_levels() -> None:
    said = '[{"\\' * 1_000
    text = json.dumps({"deep": json.loads(nested(DEEPEST - 1)), "said": said})
    assert read_json(text.encode())["said"] == said
    text = json.dumps({"said": said})[:-1] + ',"deep":' + nested(3_000).decode() + "}"
    assert read_json(text.encode())["said"] == said


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a":"\\ud800"}', {"a": "\ud800"}),
        (b'{"a":"\xff"}', {"a": "\N{REPLACEMENT CHARACTER}"}),
        (b'{"a":' + b"1" * 5_000 + b"}", {"a": float("inf")}),
        (b'{"a":1e400}', {"a": float("inf")}),
        (b'{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_odd_values_are_read(text: bytes, value: Any) -> None:
    assert read_json(text) == value


@given(st.binary() | st.text(alphabet='{}[]",:\\a1 ').map(str.encode))
def test_anything_else_is_a_value_error(text: bytes) -> None:
    try:
        read_json(text)
    except ValueError:
        return


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, b"]" * 1_000, b"[" * 300 + b"]" * 500])
def test_brackets_that_do_not_match_are_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(text)


@pytest.mark.parametrize("text", [b'"' + b'\\"' * 1_000, b'"' + b"\\" * 1_001, b'"' + b"x" * 1_000])
def test_a_string_without_an_end_is_read_once(text: bytes) -> None:
    """If each quote were taken for the start of another string, reading one megabyte would take hours."""
    assert len(list(_TOKEN.finditer(text))) == 1


def test_the_limit_is_far_from_that_of_python() -> None:
    """A copy takes two frames per level, and the stack has others below."""
    assert sys.getrecursionlimit() - 2 * DEEPEST > 500
