"""What /metrics shows of each SovereignWorkload."""

from sovereign_operator.controller import metrics
from sovereign_operator.controller.keys import SovereignWorkloadKey
from sovereign_operator.core.placement.verdict import Place
from sovereign_operator.core.report.report import Report


def show(key: SovereignWorkloadKey, report: Report) -> None:
    """Show whether one is ready and, unless it cannot be read, where its pods are."""
    ready = any(seen.type == "Ready" and seen.status == "True" for seen in report.observations)
    metrics.WORKLOAD_READY.labels(key.namespace, key.name).set(ready)
    for place in Place:
        if place in report.status:
            metrics.PODS.labels(key.namespace, key.name, place).set(report.status[place])


def forget(key: SovereignWorkloadKey) -> None:
    """Show nothing more of one that was deleted."""
    for metric in (metrics.WORKLOAD_READY, metrics.PODS):
        metric.remove_by_labels({"namespace": key.namespace, "workload": key.name})
