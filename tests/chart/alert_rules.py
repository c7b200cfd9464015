"""The chart's alerts, and the labels that its PodMonitor gives to metrics."""

import re

from tests.chart.rendering import ENCRYPTION, Json, of_kind

ALERTS = ("--set", "alerts.enabled=true")
ALL_ALERTS = (*ENCRYPTION, *ALERTS)


def read_rules(objects: list[Json]) -> dict[str, Json]:
    """Return the rules of all alerts, by name."""
    (found,) = of_kind(objects, "PrometheusRule").values()
    rules = [rule for group in found["spec"]["groups"] for rule in group["rules"]]
    named = {rule["alert"]: rule for rule in rules}
    assert len(named) == len(rules)
    return named


def read_targets(objects: list[Json]) -> dict[str, Json]:
    """Return the labels that the PodMonitor copies from each process's pods to their metrics."""
    (monitor,) = of_kind(objects, "PodMonitor").values()
    return {
        name.removeprefix("sovereign-"): {
            re.sub(r"\W", "_", label): deployment["spec"]["template"]["metadata"]["labels"][label]
            for label in monitor["spec"]["podTargetLabels"]
        }
        for name, deployment in (of_kind(objects, "Deployment") | of_kind(objects, "DaemonSet")).items()
    }
