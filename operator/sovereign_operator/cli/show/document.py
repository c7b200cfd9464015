"""Answers as JSON or YAML, for programs: apiVersion, kind, and the fields of the answer in camelCase."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Any

import yaml
from pydantic.alias_generators import to_camel

from sovereign_operator.cli.answers.answer import API_VERSION, Answer


def document(answer: Answer) -> dict[str, Any]:
    """Return an answer as plain data. ``findings`` are the sentences for which the exit code is 1."""
    header = {"apiVersion": API_VERSION, "kind": type(answer).__name__, "findings": list(answer.findings)}
    fields: dict[str, Any] = _plain(answer)
    return header | fields


def as_json(answer: Answer) -> str:
    """Return an answer as JSON."""
    return json.dumps(document(answer), indent=2, ensure_ascii=False) + "\n"


def as_yaml(answer: Answer) -> str:
    """Return an answer as YAML."""
    return yaml.safe_dump(document(answer), sort_keys=False, allow_unicode=True)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {to_camel(name): _plain(entry) for name, entry in fields.items()}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case str():
            return str(value)
        case None | bool() | int() | float():
            return value
        case date():
            return value.isoformat()
        case _:
            raise TypeError(f"{type(value).__name__} has no form in JSON")
