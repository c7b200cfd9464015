"""Values that a generated schema accepts, with a preference for extreme ones.

They are drawn by a seeded generator, so a value that revealed a fault can be drawn again by its number.
"""

import re
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from tests.schema import Schema

DAYS: Final = ("0000-01-01", "0000-02-29", "0000-12-31", "0001-01-01", "2024-02-29", "9999-12-30", "9999-12-31")
WORDS: Final = (
    *("", "a", "a.b", "a-1", "x" * 63, "FR", "ZZ", "SecNumCloud", "HDS", "A" * 63, "3.2", "0", "9" * 20, "0" * 64),
    *("10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/8", "192.0.2.7/32", "::ffff:0:0/96", "1e400", "NaN", "null"),
    *("é" * 63, "\n", "\N{LINE SEPARATOR}", "\N{GRINNING FACE}" * 40, "\N{RIGHT-TO-LEFT OVERRIDE}a", "\x7f", "%s{}"),
)


def some_value(schema: Schema, random: Random) -> Any:
    """Return a value that the schema accepts. Rules over several fields may still refuse it."""
    if choices := _choices(schema):
        return random.choice(choices)
    match schema["type"]:
        case "object":
            return _some_object(schema, random)
        case "array":
            found = [some_value(schema["items"], random) for _ in range(random.randint(schema.get("minItems", 0), 3))]
            return found if schema.get("x-kubernetes-list-type", "atomic") == "atomic" else _told_apart(schema, found)
        case "string":
            return _some_text(schema, random)
        case "integer":
            low, high = schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1)
            return random.choice((low, high, float(low), low + (high - low) // 2))
        case other:
            raise ValueError(f"no value of type {other}")


def _choices(schema: Schema) -> Sequence[Any]:
    """Return the possible values if they are few; an empty sequence if they are many."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return ({}, {"replicas": 1e300}, {"replicas": "x", "a": None, "b": [[], {}, None, 1.5, -1]})
    return (True, False) if schema["type"] == "boolean" else schema.get("enum", ())


def _some_object(schema: Schema, random: Random) -> dict[str, Any]:
    if "additionalProperties" in schema:
        inner, least = schema["additionalProperties"], schema.get("minProperties", 0)
        keys = ("a", "example.org/b", "sovereignty.dev/policy")[: random.randint(least, 3)]
        return {key: some_value(inner, random) for key in keys}
    needed = set(schema.get("required", ()))
    return {
        name: some_value(inner, random)
        for name, inner in schema.get("properties", {}).items()
        if name in needed or random.random() < 0.6
    }


def _told_apart(schema: Schema, found: list[Any]) -> list[Any]:
    keys = schema.get("x-kubernetes-list-map-keys")
    return list({repr([item.get(key) for key in keys] if keys else item): item for item in found}.values())


def _some_text(schema: Schema, random: Random) -> str:
    if schema.get("format") == "date":
        return random.choice(DAYS)
    longest = schema.get("maxLength", 300)
    fitting = [
        word
        for word in (*WORDS, "x" * longest, "\N{GRINNING FACE}" * longest)
        if schema.get("minLength", 0) <= len(word) <= longest and re.search(schema.get("pattern", ""), word)
    ]
    return random.choice(fitting)
