"""When the chart's alerts fire, and with which texts, as Prometheus itself evaluates them (promtool).

Every case (alert_cases.py) changes some series of a healthy installation and names all alerts that fire; no other may.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY, Counter, Gauge, Histogram

from hack.images import debian
from hack.install import CHART
from sovereign_operator.controller import metrics as controller_metrics
from sovereign_operator.kube import refused_writes as refused
from sovereign_operator.kube import unreadable
from sovereign_operator.runtime import metrics as runtime_metrics
from sovereign_operator.signer import metrics as signer_metrics
from tests.chart.alert_cases import CASES
from tests.chart.alert_changes import Case
from tests.chart.alert_rules import ALERTS, ALL_ALERTS, read_rules, read_targets
from tests.chart.alert_series import HEALTHY, MINUTES, STARTED, Series
from tests.chart.rendering import IDENTITY, Json, Render, of_kind
from tests.needs import AS_ROOT, needing

needs_promtool = needing(AS_ROOT, "debootstrap")


def write_series(change: Series, targets: Mapping[str, Json]) -> list[Json]:
    written = []
    for pod in sorted(HEALTHY.keys() | change.keys()):
        if change.get(pod) == {}:
            continue  # this pod does not exist
        metrics = {**HEALTHY.get(pod, {}), **change.get(pod, {})}
        target = {**targets[pod.rpartition("-")[0]], "pod": pod}
        labels = ",".join(f'{label}="{value}"' for label, value in target.items())
        for metric, values in metrics.items():
            name, _, own = metric.rstrip("}").partition("{")
            written.append({"series": f"{name}{{{labels}{',' * bool(own)}{own}}}", "values": values})
    return written


def expect(case: Case, rule: Json) -> list[Json]:
    """Return the alerts that promtool must find for one rule in one case."""
    if rule["alert"].removeprefix("Sovereign") not in case.fires:
        return []
    # A template that uses anything but the labels that the case names stays as it is, and is no readable text.
    texts = {
        key: re.sub(r"{{ \$labels\.(\w+) }}", lambda found: case.labels.get(found[1], found[0]), text)
        for key, text in rule["annotations"].items()
    }
    return [{"exp_labels": {**rule["labels"], **case.labels}, "exp_annotations": texts}]


def write_tests(objects: list[Json]) -> Json:
    rules, targets = read_rules(objects), read_targets(objects)
    return {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "name": name,
                "interval": "1m",
                "input_series": write_series(case.change, targets),
                "alert_rule_test": [
                    {"eval_time": f"{MINUTES}m", "alertname": alert, "exp_alerts": expect(case, rule)}
                    for alert, rule in rules.items()
                ],
            }
            for name, case in CASES.items()
        ],
    }


def ask_promtool(folder: Path, *arguments: str) -> tuple[bool, str]:
    """Return whether promtool succeeds, and its output."""
    command = f"cd /mnt; if promtool {' '.join(arguments)} >said 2>&1; then echo yes >content; fi"
    debian.run(debian.install("prometheus"), folder, command)
    return (folder / "content").exists(), (folder / "said").read_text(encoding="utf-8")


@needs_promtool
@pytest.mark.parametrize(
    "options", [ALERTS, (*IDENTITY, *ALERTS), ALL_ALERTS], ids=["controller alone", "with identity", "with encryption"]
)
def test_prometheus_takes_the_rules(render: Render, options: tuple[str, ...], tmp_path: Path) -> None:
    (rules,) = of_kind(render(*options), "PrometheusRule").values()
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules["spec"]), encoding="utf-8")
    content, said = ask_promtool(tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
    assert content, said


@needs_promtool
def test_each_alert_fires_when_it_should_and_only_then(render: Render, tmp_path: Path) -> None:
    objects = render(*ALL_ALERTS)
    (rules,) = of_kind(objects, "PrometheusRule").values()
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules["spec"]), encoding="utf-8")
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(write_tests(objects)), encoding="utf-8")
    content, said = ask_promtool(tmp_path, "test", "rules", "tests.yaml")
    assert content, said


def test_each_alert_has_a_case_and_a_readable_text(render: Render) -> None:
    rules = read_rules(render(*ALL_ALERTS))
    assert {f"Sovereign{name}" for case in CASES.values() for name in case.fires} == set(rules)
    for name, case in CASES.items():
        for alert in (rules[f"Sovereign{short}"] for short in case.fires):
            ((found),) = expect(case, alert)
            texts = found["exp_annotations"]
            assert set(texts) == {"summary", "description", "runbook"}, name
            assert case.says, name
            assert any(case.says in text for text in texts.values()), name
            for text in texts.values():
                assert not re.search(r"[{}<>%$\n]|  |\(s\)|^$", text), text


WIKI = "https://wiki.hospital.example.org/sovereign/RUNBOOK.md"


def test_each_alert_names_a_section_that_exists(render: Render) -> None:
    """The fragment of a section's address is its heading in lower case, as web sites that show Markdown make it."""
    runbook = (CHART / "RUNBOOK.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (Sovereign\w+)$", runbook, re.MULTILINE)
    plain = read_rules(render(*ALL_ALERTS))
    linked = read_rules(render(*ALL_ALERTS, "--set", f"alerts.runbookUrl={WIKI}"))
    named = {name: rule["annotations"]["runbook"] for name, rule in plain.items()}
    assert set(named.values()) == {f"RUNBOOK.md#{section.lower()}" for section in sections}
    assert len(sections) == len(set(sections))
    for name, rule in linked.items():
        assert rule["annotations"]["runbook_url"] == named[name].replace("RUNBOOK.md", WIKI)
        # So that the section can be found by the alert's name alone.
        assert re.sub(r"In\d+Days$", "", name).lower() == named[name].partition("#")[2]


def test_each_section_of_the_runbook_says_what_one_asks_at_night() -> None:
    runbook = (CHART / "RUNBOOK.md").read_text(encoding="utf-8")
    for section in re.split(r"^## (?=Sovereign)", runbook, flags=re.MULTILINE)[1:]:
        parts = re.findall(r"^\*\*(.*?)\.\*\*", section, re.MULTILINE)
        assert parts == ["Meaning", "At stake", "Look", "Do"], section.splitlines()[0]


def test_the_text_says_how_many_days_are_left(render: Render) -> None:
    rules = read_rules(render(*ALL_ALERTS))
    for what in ("Qualification", "Authority"):
        for days in ("30 days", "7 days", "1 day"):
            summary = rules[f"Sovereign{what}EndsIn{days.split()[0]}Days"]["annotations"]["summary"]
            assert re.search(rf"within {days}\b", summary)


def test_the_pod_monitor_finds_the_pods_and_their_port(render: Render) -> None:
    objects = render(*ALL_ALERTS)
    (monitor,) = of_kind(objects, "PodMonitor").values()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    processes = of_kind(objects, "Deployment") | of_kind(objects, "DaemonSet")
    assert set(processes) == {f"sovereign-{name}" for name in ("controller", "signer", "injector", "agent")}
    for deployment in processes.values():
        template = deployment["spec"]["template"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        ports = {port["name"] for container in template["spec"]["containers"] for port in container["ports"]}
        assert endpoint["port"] in ports
    # Otherwise Prometheus overwrites a metric's label namespace with the namespace of the pod that exports it.
    assert endpoint["honorLabels"]


def test_a_process_says_when_it_started() -> None:
    """An alert uses this metric, which the Prometheus client itself defines."""
    assert REGISTRY.get_sample_value(STARTED)


def test_every_alert_speaks_of_metrics_that_there_are(render: Render) -> None:
    known = {
        sample
        for module in (controller_metrics, runtime_metrics, signer_metrics, refused, unreadable)
        for metric in vars(module).values()
        if isinstance(metric, Counter | Gauge | Histogram)
        for found in metric.describe()
        for sample in (found.name, f"{found.name}_total")
    }
    (rules,) = of_kind(render(*IDENTITY, "--set", "alerts.enabled=true"), "PrometheusRule").values()
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert len(alerts) == 27
    for alert in alerts:
        used = set(re.findall(r"sovereign_[a-z_]+", alert["expr"]))
        assert used
        assert used <= known
