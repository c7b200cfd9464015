"""Reads JSON that users wrote to a bounded depth.

An API server accepts objects that are nested 10,000 levels deep. Python's parser, copies and comparisons recurse, and
raise RecursionError at a depth that differs between versions of Python. So levels that are too deep are emptied before
the text is parsed, and the rest is read, copied and compared like any other object.
"""

import json
import re
from typing import Any, Final

from pydantic_core import from_json

DEEPEST: Final = 200
"""Levels that are read: the most that the parser takes, by a constant of its own. A test compares the two."""

_MOST_DIGITS: Final = 4000
"""Python makes no integer of more than 4,300 digits."""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""It never goes back over what it has read, nor does a string without an end make it begin again, so that the author
of a text cannot hold up a process with it."""
_EMPTY: Final = {b"{": b"{}", b"[": b"[]"}


def read_json(text: bytes) -> Any:
    """Parse a text. Each object or list that is nested too deep is replaced by an empty one.

    Raises ValueError if the text is not JSON.
    """
    try:
        return from_json(text)
    except ValueError:
        text = cut(text)
    try:
        return from_json(text)
    except ValueError:
        # Half a surrogate pair, an endless number: what Python's own parser takes, and API servers may.
        return json.loads(text.decode(errors="replace"), parse_int=_read_int)


def bounded(text: bytes) -> bytes:
    """Return a text that Python's own parser reads as `read_json` does. Text that is not JSON is returned unchanged."""
    try:
        from_json(text)
    except ValueError:
        try:
            return json.dumps(read_json(text)).encode()
        except ValueError:
            pass
    return text


def cut(text: bytes) -> bytes:
    """Empty each object and list that lies too deep in a text, whatever else the text is."""
    kept, depth, begin = [], 0, 0
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token in _EMPTY:
            depth += 1
            if depth == DEEPEST + 1:
                kept += [text[begin : found.start()], _EMPTY[token]]
                begin = len(text)
        elif not token.startswith(b'"'):
            if depth == DEEPEST + 1:
                begin = found.end()
            depth -= 1
    return b"".join([*kept, text[begin:]])


def _read_int(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)
