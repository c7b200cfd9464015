"""Finds fields in manifests of our own kinds that no such kind has: the API server would refuse them.

The operator itself ignores fields that it does not know: in stored objects, a newer version may have written them.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from sovereign_operator.api.v1alpha1 import GROUP, KINDS
from sovereign_operator.api.v1alpha1.kind import Model
from sovereign_operator.kube.client.api import Json

TOP: Final = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
SPECS: Final = {kind.name: kind.spec for kind in KINDS}
UNCHECKED: Final = "x-kubernetes-preserve-unknown-fields"
"""The keyword of a schema that leaves what is in an object to another kind."""


def unknown_fields(obj: Json) -> list[str]:
    """Return the paths of fields outside metadata and status that its kind does not have. Other kinds: none.

    Nobody applies a status, and one that was printed may be of a newer version.
    """
    if str(obj.get("apiVersion", "")).partition("/")[0] != GROUP or obj["kind"] not in SPECS:
        return []
    schema = _schema(SPECS[obj["kind"]])
    return [*sorted(map(str, obj.keys() - TOP)), *_unknown(obj.get("spec"), schema, schema.get("$defs", {}), "spec")]


@cache
def _schema(model: type[Model]) -> Json:
    """Return the schema from which the CRDs are generated, by the names that fields have in manifests."""
    return model.model_json_schema(by_alias=True)


def _unknown(value: Any, schema: Json, definitions: Json, path: str) -> Iterator[str]:
    """Yield the fields of a value that its schema does not have. A value of another type has none."""
    if reference := schema.get("$ref"):
        schema = definitions[reference.rpartition("/")[2]]
    for option in schema.get("anyOf", ()):
        yield from _unknown(value, option, definitions, path)
    if schema.get(UNCHECKED):
        return
    if isinstance(value, list) and "items" in schema:
        for index, entry in enumerate(value):
            yield from _unknown(entry, schema["items"], definitions, f"{path}[{index}]")
    if isinstance(value, dict) and "properties" in schema:
        for name, entry in value.items():
            if name in schema["properties"]:
                yield from _unknown(entry, schema["properties"][name], definitions, f"{path}.{name}")
            else:
                yield f"{path}.{name}"
