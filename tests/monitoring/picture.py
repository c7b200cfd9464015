"""The picture of the dashboard in the documentation: a morning of an invented hospital.

Processes print what they show each minute, a real Prometheus reads that, and the dashboard's own queries are asked of
it. ``python -m tests.monitoring.picture`` writes the file.
"""

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from hack.dashboard.picture import draw
from hack.install import CHART, NAMESPACE
from tests.chart.alert_rules import ALL_ALERTS, read_rules, read_targets
from tests.chart.rendering import template
from tests.monitoring.process import MINUTES
from tests.monitoring.server import promtool, serving

FILE: Final = CHART / "dashboard.svg"
NOON: Final = datetime(2026, 6, 15, 12, tzinfo=UTC)
PODS: Final = {"controller": 2, "signer": 2, "injector": 2, "agent": 8}
"""How many pods there are of each process. The first one shows everything, the others that they do not lead."""

Json = dict[str, Any]


def history(targets: dict[str, Json]) -> str:
    """Return the samples of all pods, in the format of OpenMetrics."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parts = []
    for name, count in PODS.items():
        first = f"sovereign-{name}-0"
        labels = json.dumps(targets[name] | {"namespace": NAMESPACE, "pod": first})
        command = [sys.executable, "-m", "tests.monitoring.process", name, "--morning", str(NOON.timestamp())]
        done = subprocess.run(
            [*command, "--labels", labels], env=environment, check=True, capture_output=True, text=True
        )
        parts.append(done.stdout)
        parts += [others(name, done.stdout, first, f"sovereign-{name}-{number}") for number in range(1, count)]
    return "".join([*parts, "# EOF\n"])


def others(name: str, samples: str, first: str, pod: str) -> str:
    """Return the samples of another pod: a controller or signer that does not lead shows little."""
    lines = [line.replace(first, pod) for line in samples.splitlines()]
    if name in {"controller", "signer"}:
        led = [line.split() for line in lines if line.startswith(("sovereign_leading", "sovereign_frozen"))]
        lines = [f"{series} 0.0 {when}" for series, _, when in led]
    return "".join(f"{line}\n" for line in lines)


def as_recorded(rules: dict[str, Json]) -> Json:
    """Return rules that record which alerts fire: what has had a result each minute for as long as the alert waits.

    Prometheus evaluates alerts as time passes; of the past it only records.
    """
    recorded = []
    for name, rule in rules.items():
        minutes = int(rule.get("for", "0m").removesuffix("m"))
        held = f"count_over_time(({rule['expr']})[{minutes + 1}m:1m]) > {minutes}"
        labels = rule["labels"] | {"alertname": name, "alertstate": "firing"}
        recorded.append({"record": "ALERTS", "expr": f"({held}) * 0 + 1", "labels": labels})
    return {"groups": [{"name": "alerts", "interval": "1m", "rules": recorded}]}


def render() -> str:
    """Return the picture."""
    objects = [document for document in yaml.load_all(template(*ALL_ALERTS).stdout, yaml.CSafeLoader) if document]
    begin, end = (NOON - timedelta(minutes=MINUTES)).timestamp(), NOON.timestamp()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "history").write_text(history(read_targets(objects)), encoding="utf-8")
        promtool(folder, "tsdb", "create-blocks-from", "openmetrics", "history", "data")
        (folder / "alerts.json").write_text(json.dumps(as_recorded(read_rules(objects))), encoding="utf-8")
        with serving(folder) as server:
            span = (f"--start={end - 600:.0f}", f"--end={end:.0f}", "--eval-interval=1m", f"--url={server.url}")
            promtool(folder, "tsdb", "create-blocks-from", "rules", *span, "--output-dir=data", "alerts.json")
        with serving(folder) as server:
            return draw(server, begin, end)


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
