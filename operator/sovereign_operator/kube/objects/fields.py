"""Helpers to read fields, shared by the modules of this package."""

from collections.abc import Mapping

from sovereign_operator.kube.client.api import Json


def text(part: Json, field: str) -> str:
    """Return a text field; empty if it is absent. Raises TypeError if it is not text."""
    value = part.get(field, "")
    if not isinstance(value, str):
        raise TypeError(f"{field} is no text")
    return value


def with_prefix(annotations: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return the annotations whose name begins with a prefix."""
    return {key: value for key, value in annotations.items() if key.startswith(prefix)}
