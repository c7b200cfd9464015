"""What to change in a JSON document to make another of it, as a JSON patch (RFC 6902).

The ``jsonpatch`` library finds patches, too, but treats lists by position: with an element put first it rewrites all
that follow. Here elements that have a ``name`` are recognised by it, so that a patch says what was changed.
"""

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

Operation = dict[str, Any]


def patch(before: Any, after: Any) -> list[Operation]:
    """Return the operations, in order, that turn ``before`` into ``after``; none if they are equal."""
    return list(_differences("", before, after))


def _differences(path: str, before: Any, after: Any) -> Iterator[Operation]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _in_object(path, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _in_list(path, before, after)
    elif not _same(before, after):
        yield {"op": "replace", "path": path, "value": after}


def _in_object(path: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[Operation]:
    for key in before:
        if key not in after:
            yield {"op": "remove", "path": f"{path}/{_escape(key)}"}
    for key, value in after.items():
        if key not in before:
            yield {"op": "add", "path": f"{path}/{_escape(key)}", "value": value}
        elif not _same(before[key], value):
            yield from _differences(f"{path}/{_escape(key)}", before[key], value)


def _in_list(path: str, before: list[Any], after: list[Any]) -> Iterator[Operation]:
    old, new = [*map(_identity, before)], [*map(_identity, after)]
    if len({*old}) < len(old) or len({*new}) < len(new):
        # Equal elements make the matcher slow without a bound, which a user who creates pods could exploit.
        if not _same(before, after):
            yield {"op": "replace", "path": path, "value": after}
        return
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    # Where in the list that was patched so far an element of ``before`` is by now.
    shift = 0
    for what, start, end, new_start, new_end in matcher.get_opcodes():
        if what == "equal":
            for offset in range(end - start):
                yield from _differences(
                    f"{path}/{start + shift + offset}", before[start + offset], after[new_start + offset]
                )
            continue
        for _ in range(end - start):
            yield {"op": "remove", "path": f"{path}/{start + shift}"}
        for position in range(new_start, new_end):
            yield {"op": "add", "path": f"{path}/{position}", "value": after[position]}
        shift += (new_end - new_start) - (end - start)


def _identity(item: Any) -> str:
    """Return what identifies an element of a list."""
    named = isinstance(item, dict) and isinstance(item.get("name"), str)
    return f"name {item['name']}" if named else _canonical(item)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON. Python takes true for 1, and 1 for 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _canonical(value: Any) -> str:
    """Return text that is the same for the same JSON."""
    return json.dumps(value, sort_keys=True)


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
