"""What ``preview`` says about the workloads that it has looked at."""

from dataclasses import replace
from typing import Any

import pytest

from sovereign_operator.cli.answers.preview import report_preview
from sovereign_operator.cli.answers.scope import why_never
from sovereign_operator.cli.show.blocks import render
from sovereign_operator.cli.show.preview import show_preview
from sovereign_operator.core.workload.previewed import Outcome
from tests.unit.cli.previews import hospital


@pytest.mark.parametrize(
    ("fields", "summary"),
    [
        ({}, "5 workloads in namespace hospital: runs 1, moves 1, hangs 2, cannot tell 1"),
        ({"scope": ""}, "5 workloads in all namespaces: runs 1, moves 1, hangs 2, cannot tell 1"),
        ({"workloads": ()}, "0 workloads in namespace hospital"),
        ({"workloads": (), "complete": False}, "0 workloads that you may read in namespace hospital"),
        (
            {"workloads": (), "scope": "kube-system", "never_in_scope": True},
            f"No policy holds pods there: {why_never('kube-system')}",
        ),
    ],
)
def test_a_summary_says_what_was_looked_at(fields: dict[str, Any], summary: str) -> None:
    answer = report_preview(replace(hospital(), **fields))
    assert answer.summary == summary
    assert f"{summary}. Nothing was changed.\n" in render(show_preview(answer, wide=False))


def test_what_no_preview_knows_is_wide() -> None:
    answer = report_preview(hospital())
    narrow, wide = (render(show_preview(answer, wide=wide)) for wide in (False, True))
    assert "What no preview can know: -o wide.\n" in narrow
    assert [entry for entry in answer.not_known if entry in narrow] == []
    assert [entry for entry in answer.not_known if entry not in wide] == []


def test_findings_are_all_that_do_not_simply_run() -> None:
    answer = report_preview(hospital())
    assert len(answer.findings) == sum(count for outcome, count in answer.totals.items() if outcome != Outcome.RUNS)
    assert answer.exit_code == 1
