"""Text from others (a kubelet's providerID, an admin's provider name) cannot break what the operator writes.

Every message is one line that a terminal can show, and is short enough for its place: the API server refuses a whole
status or apply if it is too long.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.api import v1alpha1
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.node_metadata import node_metadata
from sovereign_operator.core.placement.status import report_datacentre, report_policy, report_service
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.conditions import Observation, merge, notices
from sovereign_operator.core.report.reasons import MAX_LINE, line
from sovereign_operator.core.workload.pod_annotations import audit_annotations
from tests import fact_variants
from tests.builders import NOW
from tests.schema import schema_of, sent, violations

ALL_ANNOTATIONS = 256 * 1024
"""Bytes that all annotations of one object may have in total."""


def words(value: Any) -> Iterator[str]:
    """Yield all text in an object."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield from words(inner)


def is_one_line(text: str) -> bool:
    """Return whether a terminal shows a text unchanged on one line."""
    return text.isprintable() and text == text.strip()


def size(annotations: Iterable[tuple[str, str]]) -> int:
    """Return the bytes of annotations."""
    return sum(len(key.encode()) + len(value.encode()) for key, value in annotations)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain words", "plain words"),
        ("  two\n\n lines\t", "two lines"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("a\u2028b\x85c\x00d", "a b c d"),
        ("très\u00a0bien", "très bien"),
        ("\n", ""),
        ("x" * MAX_LINE, "x" * MAX_LINE),
        ("x" * (MAX_LINE + 1), "x" * (MAX_LINE - 3) + "..."),
    ],
)
def test_a_line_is_short_and_printable(written: str, shown: str) -> None:
    assert line(written) == shown


@given(st.text() | st.sampled_from(fact_variants.UNBOUNDED))
def test_a_line_of_a_line_is_the_same_line(text: str) -> None:
    assert is_one_line(line(text))
    assert len(line(text)) <= MAX_LINE
    assert line(line(text)) == line(text)


@given(fact_variants.hostile())
def test_what_nodes_and_pods_carry_is_one_line_and_fits(told: Facts) -> None:
    verdicts = Verdicts(told)
    for mark in (node_metadata(name, verdicts, ()) for name in told.nodes):
        assert all(map(is_one_line, mark.annotations.values()))
        assert size(mark.annotations.items()) < ALL_ANNOTATIONS / 4
    for verdict in verdicts.nodes.values():
        annotations = audit_annotations(verdict)
        assert all(map(is_one_line, annotations.values()))
        assert size(annotations.items()) < ALL_ANNOTATIONS / 4


@given(fact_variants.hostile())
def test_a_status_is_of_lines_and_fits_its_schema(told: Facts) -> None:
    verdicts = Verdicts(told)
    reports = [
        *((v1alpha1.CLOUD_SERVICE, report_service(name, told, verdicts)) for name in told.services),
        *((v1alpha1.DATACENTRE, report_datacentre(name, told, verdicts)) for name in told.datacentres),
        *((v1alpha1.SOVEREIGNTY_POLICY, report_policy(name, told, verdicts)) for name in told.policies),
    ]
    for kind, report in reports:
        status = report.status | {"conditions": merge(report.observations, (), 1, NOW)}
        assert all(map(is_one_line, words(status)))
        assert not list(violations(schema_of(kind, "status"), sent(status)))


@given(st.sampled_from(fact_variants.UNBOUNDED))
def test_a_condition_and_its_event_are_one_line_whatever_is_observed(text: str) -> None:
    observed = Observation("Accepted", "False", ConditionReason.REFUSED_BY_SERVER, f"refused: {text}")
    (condition,) = merge([observed], (), 1, NOW)
    assert is_one_line(condition["message"])
    assert len(condition["message"]) <= 32768
    (notice,) = notices([observed], ())
    assert is_one_line(notice.message)
