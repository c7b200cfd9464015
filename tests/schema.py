"""What the API server checks of an object before any code of the operator reads it: the generated schema.

Only the real server checks CEL rules. Everything else that the schemas use is checked here, strictly: an unknown field
is an error, as in ``kubectl apply``.
"""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import date, datetime
from functools import cache
from typing import Any

from hack import crds
from sovereign_operator.api.v1alpha1.kind import Kind

Schema = dict[str, Any]

TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}
FORMATS = {"date": date.fromisoformat, "date-time": datetime.fromisoformat}


@cache
def schema_of(kind: Kind, part: str) -> Schema:
    """Return the schema of ``spec`` or ``status`` of a kind."""
    (version,) = crds.definition(kind)["spec"]["versions"]
    found: Schema = version["schema"]["openAPIV3Schema"]["properties"][part]
    return found


def sent(value: Any) -> Any:
    """Return an object as it is sent, with dates as text."""
    return json.loads(json.dumps(value, default=str))


def violations(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """Yield the violations of the schema in a value."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    if not isinstance(value, TYPES[schema["type"]]):
        yield f"{path}: {value!r} is no {schema['type']}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    elif isinstance(value, dict):
        yield from _object_violations(schema, value, path)
    elif isinstance(value, list):
        yield from _list_violations(schema, value, path)
    elif isinstance(value, str):
        yield from _text_violations(schema, value, path)
    elif not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{path}: {value} is out of range"


def _object_violations(schema: Schema, value: dict[str, Any], path: str) -> Iterator[str]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    yield from (f"{path}.{name} is missing" for name in schema.get("required", ()) if name not in value)
    for name, inner in value.items():
        if name in known or others:
            yield from violations(known.get(name, others), inner, f"{path}.{name}")
        else:
            yield f"{path}.{name} does not exist"


def _list_violations(schema: Schema, value: list[Any], path: str) -> Iterator[str]:
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{path}: {len(value)} items are too many"
    kind = schema.get("x-kubernetes-list-type", "atomic")
    keys = schema.get("x-kubernetes-list-map-keys")
    identities = [json.dumps([item.get(key) for key in keys] if keys else item) for item in value]
    if kind != "atomic" and len(set(identities)) < len(identities):
        yield f"{path}: items are not told apart: {identities}"
    for number, item in enumerate(value):
        yield from violations(schema["items"], item, f"{path}[{number}]")


def _text_violations(schema: Schema, value: str, path: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{path}: {len(value)} characters"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r} does not match {schema['pattern']}"
    if "format" in schema:
        try:
            FORMATS[schema["format"]](value)
        except ValueError:
            yield f"{path}: {value!r} is no {schema['format']}"


def with_defaults(schema: Schema, value: Any) -> Any:
    """Return a value as the API server stores it, with the schema's defaults filled in."""
    if isinstance(value, list):
        return [with_defaults(schema["items"], item) for item in value]
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    absent = {name: deepcopy(field["default"]) for name, field in schema["properties"].items() if "default" in field}
    return {name: with_defaults(schema["properties"].get(name, {}), inner) for name, inner in (absent | value).items()}
