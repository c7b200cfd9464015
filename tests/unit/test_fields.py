"""The pages name only fields and values that our kinds, the chart or Kubernetes have.

Notes about the design speak of more: ``operatorControl``, ``whenOutside``, storage classes, and evidence that is
``Signed``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from kubernetes.client import models

from tests.documents import CHART, PAGES, README, REFERENCE, ROOT

OURS: Final = (
    README,
    *PAGES,
    *sorted(CHART.glob("*.md")),
    ROOT / "operator" / "ARCHITECTURE.md",
    *sorted((ROOT / ".github").glob("*.md")),
)
CODE: Final = re.compile(r"`([^`\n]+)`")
FENCED: Final = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
PATH: Final = re.compile(r"(?<![\w./-])(?:spec|status)(?:\.[A-Za-z]+(?:\[\])?)+(?![\w/:])")
FIELD: Final = re.compile(r"(?<![\w./:-])[a-z]+(?:[A-Z][a-z0-9]*)+(?![\w/(:-])")
VALUE: Final = re.compile(r"(?:[A-Z][a-z0-9]+)+")
QUOTED: Final = re.compile(r"[\"'`](\w+)[\"'`]")

FOREIGN_FIELDS: Final = {
    *("clusterDNS", "socketLB", "hostNamespaceOnly", "digitalSignature", "orphanedResources", "redis", "sentinel"),
    "evictLocalStoragePods",
}
"""Fields of kubelets, of Cilium, of certificates, of Argo CD, of operators for Redis, and of Descheduler."""
FOREIGN_VALUES: Final = {
    *("SslContextBuilder", "ContainerCreating", "FailedScheduling", "Guaranteed", "Burstable", "BestEffort"),
    *("ContainerResource", "NativeSidecar"),
}
"""A class of Netty, words of Kubernetes, and a feature gate of VerticalPodAutoscaler."""
FORMER: Final = {"spec.derogations"}
"""What the page about upgrades says is gone."""


def words_of(schema: Any) -> Iterator[str]:
    """Yield the names of all fields, and all values of enums, in the schema of a CRD."""
    if isinstance(schema, dict):
        yield from schema.get("properties") or ()
        yield from (word for word in schema.get("enum") or () if isinstance(word, str))
        for value in schema.values():
            yield from words_of(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from words_of(value)


def keys_of(values: Any) -> Iterator[str]:
    """Yield all keys of the chart's values."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield key
            yield from keys_of(value)


def crds() -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in REFERENCE.glob("*.yaml")]


def of_kubernetes() -> Iterator[str]:
    """Yield the names of all fields and kinds of Kubernetes."""
    for name in dir(models):
        model = getattr(models, name)
        yield from getattr(model, "attribute_map", {}).values()
        yield re.sub(r"^V\d(?:(?:alpha|beta)\d)?", "", name)


@pytest.fixture(scope="module")
def fields() -> set[str]:
    """The names of all fields."""
    found = {word for crd in crds() for word in words_of(crd)} | {*of_kubernetes()} | FOREIGN_FIELDS
    return found | {*keys_of(yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")))} | OF_REPORTS


OF_REPORTS: Final = {"olderThanLabel", "judgedBy", "withoutSidecar"}
"""Keys of the properties of a result."""


@pytest.fixture(scope="module")
def values() -> set[str]:
    """The words that the operator's code or chart has as a text, and the kinds of Kubernetes and ours."""
    files = [*(ROOT / "operator").rglob("*.py"), *(CHART / "templates").rglob("*"), CHART / "values.schema.json"]
    texts = [path.read_text(encoding="utf-8") for path in files if path.is_file()]
    found = {word for text in texts for word in QUOTED.findall(text)} | {*of_kubernetes()} | FOREIGN_VALUES
    return found | {word for crd in crds() for word in words_of(crd)} | {crd["spec"]["names"]["kind"] for crd in crds()}


def codes(page: Path) -> list[str]:
    """Return what a page has as code within its text."""
    return CODE.findall(FENCED.sub("", page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", OURS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_field_that_a_page_names_exists(page: Path, fields: set[str]) -> None:
    wrong = {path for code in codes(page) for path in PATH.findall(code) if not {*re.findall(r"\w+", path)} <= fields}
    wrong |= {word for code in codes(page) for word in FIELD.findall(code) if word not in fields}
    assert not wrong - FORMER


# test_map sees to the names of classes.
@pytest.mark.parametrize("page", [page for page in OURS if page.name != "ARCHITECTURE.md"], ids=lambda page: page.name)
def test_every_value_that_a_page_names_exists(page: Path, values: set[str]) -> None:
    assert not {code for code in codes(page) if VALUE.fullmatch(code)} - values


@pytest.mark.parametrize("word", ["operatorControl", "whenOutside", "storageClasses", "spec.signatures", "Signed"])
def test_what_is_only_planned_would_be_found(word: str, fields: set[str], values: set[str]) -> None:
    assert (PATH.fullmatch(word) or FIELD.fullmatch(word) or VALUE.fullmatch(word)) is not None
    assert not {*word.split(".")} <= fields | values
