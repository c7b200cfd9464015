"""The generated CRDs, as people and the API server read them."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from hack import crds
from sovereign_operator.api import v1alpha1

Schema = dict[str, Any]

DEFINITIONS = {kind.name: crds.definition(kind) for kind in v1alpha1.KINDS}


def fields(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Yield every field below a schema, with its path."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields(field, f"{path}.{name}")
        yield from fields(field.get("items", {}), f"{path}.{name}[]")


def version(kind: str) -> Schema:
    """Return the only version of a kind."""
    (only,) = DEFINITIONS[kind]["spec"]["versions"]
    result: Schema = only
    return result


FIELDS = [
    pytest.param(path, field, id=path)
    for kind in DEFINITIONS
    for part in ("spec", "status")
    for path, field in fields(version(kind)["schema"]["openAPIV3Schema"]["properties"][part], f"{kind}.{part}")
]


def test_the_files_are_what_the_models_say() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in crds.CRDS.glob("*.yaml")}
    assert written == {path.name: text for path, text in crds.files().items()}
    assert all(yaml.safe_load(text)["kind"] == "CustomResourceDefinition" for text in written.values())


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_a_field_is_described_and_typed(path: str, field: Schema) -> None:
    assert field.get("description", "").strip().endswith((".", ")", "}")), path
    assert "type" in field or field.get("x-kubernetes-preserve-unknown-fields"), path
    assert not {"anyOf", "$ref", "title", "const"} & field.keys(), path


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_a_list_says_how_its_items_are_told_apart(path: str, field: Schema) -> None:
    if field.get("type") != "array" or path.startswith("SovereignWorkload.spec.template.spec"):
        return
    if field["items"].get("type") == "object":
        keys = field["x-kubernetes-list-map-keys"]
        assert field["x-kubernetes-list-type"] == "map"
        assert set(keys) <= set(field["items"]["required"]), path
    elif ".spec" in path:
        assert field["x-kubernetes-list-type"] == "set", path


@pytest.mark.parametrize(("path", "field"), [entry for entry in FIELDS if "enum" in entry.values[1]])  # type: ignore[operator]
def test_an_enumeration_is_camel_case(path: str, field: Schema) -> None:
    for value in field["enum"]:
        assert value[0].isupper(), path
        assert value.isalnum(), path


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_only_the_age_is_a_date_column(kind: str) -> None:
    """A date column prints ``<invalid>`` for a day in the future."""
    columns = version(kind)["additionalPrinterColumns"]
    assert {column["name"] for column in columns if column["type"] == "date"} == {"Age"}


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_names_and_category(kind: str) -> None:
    names = DEFINITIONS[kind]["spec"]["names"]
    assert names["categories"] == ["sovereignty"]
    assert names["shortNames"]


def test_defaults_are_in_the_schema() -> None:
    evidence = version("SovereigntyPolicy")["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert evidence["nodeEvidence"]["default"] == "Declared"
