"""The pages of the reference list every reason, metric and value, and their examples are valid."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from hack.reference import CHART, REASONS, metrics
from sovereign_operator.api import v1alpha1
from sovereign_operator.core.report.reason import Reason
from tests.documents import PAGES, README, REFERENCE, examples

TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
WORDS = {reason.value for reasons in REASONS for reason in reasons}
METRICS, VALUES = CHART / "METRICS.md", CHART / "VALUES.md"
KINDS = {kind.name: kind for kind in v1alpha1.KINDS}

EXAMPLES = [
    pytest.param(example, id=f"{page.parent.name}/{page.name}-{number}-{example['kind']}")
    for page in (*PAGES, README)
    for number, example in enumerate(examples(page))
    if example["apiVersion"].startswith("sovereignty.dev/")
]


def rows() -> list[list[str]]:
    """Return the cells of every table row of the pages."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("|")]


def test_every_reason_has_a_row() -> None:
    listed = {word for row in rows() for cell in row[:2] for word in re.findall(r"^`([A-Z][A-Za-z]+)`$", cell)}
    assert not WORDS - listed


@pytest.mark.parametrize("reason", [reason for reasons in REASONS for reason in reasons])
def test_every_row_of_a_reason_is_on_a_page(reason: Reason) -> None:
    assert reason.rows
    for row in reason.rows:
        condition = re.sub(r"^(\w+) (\w+)$", r"| `\1` \2 ", row.condition)
        assert f"{condition}| `{reason}` | {row.meaning} | {row.remedy}".rstrip() in TEXT


def test_no_row_names_a_reason_that_does_not_exist() -> None:
    conditions = {"Accepted", "Placed", "Enforced", "Identity", "Encrypted", "Ready", "Qualified", "Issued", "Denied"}
    conditions |= {"CertificatesGranted", "PodCertificates", "InForce"}
    listed = {word for row in rows() for cell in row[:2] for word in re.findall(r"^`([A-Z][a-z]+[A-Za-z]+)`", cell)}
    assert not listed - WORDS - conditions


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_page_with_an_example(kind: str) -> None:
    page = REFERENCE / f"{kind.lower()}.md"
    assert page.read_text(encoding="utf-8").startswith(f"# {kind}\n")
    assert kind in {example["kind"] for example in examples(page)}


def test_every_metric_is_listed() -> None:
    page = METRICS.read_text(encoding="utf-8")
    names = {next(iter(metric.describe())).name for _, metric in metrics()}
    assert len(names) > 30
    assert {metric.name for metric in REGISTRY.collect() if metric.name.startswith("sovereign_")} <= names
    for name in names:
        assert f"| `{name}" in page


def leaves(found: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of all values of the chart; requests, limits and labels count as one value each."""
    for key, value in found.items():
        if isinstance(value, dict) and value and key not in {"requests", "limits", "labels"}:
            yield from leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}"


def test_every_value_is_listed() -> None:
    page = VALUES.read_text(encoding="utf-8")
    paths = [*leaves(yaml.safe_load((VALUES.parent / "values.yaml").read_text(encoding="utf-8")))]
    assert len(paths) > 60
    for path in paths:
        assert f"| `{path}` |" in page


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_valid_and_has_no_field_that_does_not_exist(example: dict[str, Any]) -> None:
    kind = KINDS[example["kind"]]
    spec = kind.spec.model_validate(example["spec"])
    assert not lost(example["spec"], spec.model_dump(by_alias=True, mode="json"))


def lost(written: Any, read: Any, path: str = "spec") -> list[str]:
    """Return the paths of fields that were written but not read."""
    if isinstance(written, dict):
        missing = [f"{path}.{key}" for key in written if key not in read]
        return missing + [
            entry for key in written if key in read for entry in lost(written[key], read[key], f"{path}.{key}")
        ]
    if isinstance(written, list):
        return [entry for one, other in zip(written, read, strict=True) for entry in lost(one, other, path)]
    return []
