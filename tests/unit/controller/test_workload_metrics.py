"""What the controller's metrics show of SovereignWorkloads."""

import pytest
from prometheus_client import REGISTRY

from sovereign_operator.controller.keys import SovereignWorkloadKey
from sovereign_operator.controller.reconcile import workload_metrics
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.conditions import Observation
from sovereign_operator.core.report.report import Report
from sovereign_operator.core.workload.status import report_unread

KEY = SovereignWorkloadKey("records", "patient-api")
LABELS = {"namespace": KEY.namespace, "workload": KEY.name}
COUNTS = {"inside": 2, "outside": 1, "pending": 0}


def report(status: str) -> Report:
    observed = Observation("Ready", status, ConditionReason.WORKLOAD_CURRENT, "")  # type: ignore[arg-type]
    return Report(COUNTS, (observed,))


def ready() -> float | None:
    return REGISTRY.get_sample_value("sovereign_workload_ready", LABELS)


def pods() -> dict[str, float | None]:
    return {place: REGISTRY.get_sample_value("sovereign_pods", LABELS | {"place": place}) for place in COUNTS}


@pytest.mark.parametrize(("status", "shown"), [("True", 1), ("False", 0), ("Unknown", 0)])
def test_one_is_ready_if_its_condition_is_true(status: str, shown: float) -> None:
    workload_metrics.show(KEY, report(status))
    assert ready() == shown
    assert pods() == COUNTS


def test_one_that_cannot_be_read_is_not_ready_and_its_pods_stay_as_last_known() -> None:
    workload_metrics.show(KEY, report("True"))
    workload_metrics.show(KEY, report_unread({}, "spec: no object"))
    assert ready() == 0
    assert pods() == COUNTS


def test_of_one_that_is_deleted_nothing_is_shown() -> None:
    workload_metrics.show(KEY, report("True"))
    workload_metrics.forget(KEY)
    workload_metrics.forget(KEY)
    assert ready() is None
    assert set(pods().values()) == {None}
