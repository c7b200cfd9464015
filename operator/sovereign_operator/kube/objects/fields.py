"""Fields of objects, as several kinds are read."""

from collections.abc import Mapping

from sovereign_operator.kube.client.api import Json


def text(part: Json, field: str) -> str:
    """Return a field that is text if it is there. Raises TypeError if it is anything else."""
    found = part.get(field, "")
    if not isinstance(found, str):
        raise TypeError(f"{field} is no text")
    return found


def with_prefix(annotations: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return the annotations whose name begins with a prefix."""
    return {key: value for key, value in annotations.items() if key.startswith(prefix)}
