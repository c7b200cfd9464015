"""Every query of the dashboard and of the alerts has a result on a day on which everything goes wrong.

A real Prometheus with the chart's rules reads the metrics of processes, which the operator's own code has set. So no
query names a metric or a label that does not exist.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import yaml

from hack.dashboard.answers import shared_labels, table
from hack.dashboard.description import Kind, Panel
from hack.dashboard.panels import PANELS
from hack.dashboard.picture import ask
from hack.dashboard.prometheus import Prometheus, QueryError
from hack.kubectl import eventually
from tests.chart.alert_rules import ALL_ALERTS, read_rules, read_targets
from tests.chart.rendering import Json, template
from tests.monitoring.process import NAMES
from tests.monitoring.selectors import parts_of
from tests.monitoring.server import free_port, scrape, serving
from tests.needs import AS_ROOT, needing

pytestmark = needing(AS_ROOT, "debootstrap")

ABSENT = {f"Sovereign{name}Absent" for name in ("Controller", "Signer", "Injector", "Agent")}
"""The alerts that fire when there are no metrics of a process."""
LONG_AGO = 1e9
"""A time of which there are no metrics."""

QUERIES = {f"{panel.title}: {query.name or 'query'}": query.expression for panel in PANELS for query in panel.queries}
EXPRESSIONS = sorted({query.expression for panel in PANELS for query in panel.queries})


@pytest.fixture(scope="module")
def objects() -> list[Json]:
    done = template(*ALL_ALERTS)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.load_all(done.stdout, yaml.CSafeLoader) if document]


@pytest.fixture(scope="module")
def rules(objects: list[Json]) -> dict[str, Json]:
    return read_rules(objects)


@pytest.fixture(scope="module")
def bad_day(
    objects: list[Json], rules: dict[str, Json], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """A Prometheus that has read the metrics of all processes twice, and evaluated the alerts without their waits."""
    targets, ports = read_targets(objects), {name: free_port() for name in NAMES}
    scrapes = [scrape(name, {f"sovereign-{name}-0": ports[name]}, targets[name]) for name in NAMES]
    at_once = [{key: value for key, value in rule.items() if key != "for"} for rule in rules.values()]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with ExitStack() as stack:
        for name, port in ports.items():
            command = [sys.executable, "-m", "tests.monitoring.process", name, "--port", str(port)]
            process = stack.enter_context(subprocess.Popen(command, env=environment))
            stack.callback(process.kill)
        folder = tmp_path_factory.mktemp("prometheus")
        server = stack.enter_context(serving(folder, scrapes, {"groups": [{"name": "all", "rules": at_once}]}))
        eventually(lambda: len(server.query("sum_over_time(up[5m]) > 2")) == len(NAMES), what="scrapes")
        eventually(lambda: firing(server) >= set(rules) - ABSENT, what="alerts")
        yield server


def firing(server: Prometheus) -> set[str]:
    return {sample.labels["alertname"] for sample in server.query('ALERTS{alertstate="firing"}')}


@pytest.mark.parametrize("expression", QUERIES.values(), ids=QUERIES)
def test_each_query_of_the_dashboard_has_a_result(bad_day: Prometheus, expression: str) -> None:
    assert bad_day.query(expression)


def test_each_alert_fires(bad_day: Prometheus, rules: dict[str, Json]) -> None:
    assert firing(bad_day) == set(rules) - ABSENT
    for name, rule in rules.items():
        assert bad_day.query(rule["expr"], LONG_AGO if name in ABSENT else None), name


def test_without_any_metrics_only_what_is_about_absence_has_a_result(
    bad_day: Prometheus, rules: dict[str, Json]
) -> None:
    assert {name for name, rule in rules.items() if bad_day.query(rule["expr"], LONG_AGO)} == ABSENT
    # A panel that shows 0 where nothing is known would say that all is well.
    assert not [expression for expression in EXPRESSIONS if bad_day.query(expression, LONG_AGO)]


def test_each_selector_finds_series_and_each_label_is_theirs(bad_day: Prometheus, rules: dict[str, Json]) -> None:
    for expression in (*EXPRESSIONS, *(rule["expr"] for rule in rules.values())):
        parts = parts_of(expression)
        assert parts.selectors, expression
        found = {selector: bad_day.query(f"last_over_time({selector}[5m])") for selector in parts.selectors}
        assert all(found.values()), [selector for selector, samples in found.items() if not samples]
        known = {label for samples in found.values() for sample in samples for label in sample.labels}
        assert parts.labels <= known, expression


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_each_panel_gets_what_it_can_show(bad_day: Prometheus, panel: Panel) -> None:
    found = ask(panel, bad_day, time.time())
    if panel.kind is not Kind.TABLE:
        assert [len(samples) for samples in found] == [1] * len(found)
        return
    assert {label for samples in found for sample in samples for label in sample.labels} == dict(panel.labels).keys()
    # By these labels rows are joined: no two results of one query go into one row.
    joined = shared_labels(panel, found)
    assert joined
    for samples in found:
        assert len(samples) == len({tuple(sample.labels[label] for label in joined) for sample in samples})
    assert all(cell.text for row in table(panel, found).rows[:1] for cell in row)


def test_a_query_that_prometheus_does_not_understand_is_an_error(bad_day: Prometheus) -> None:
    with pytest.raises(QueryError, match=re.escape("sum(: ")):
        bad_day.query("sum(")


def test_the_parts_of_a_query_are_found() -> None:
    found = parts_of('max by (a, b) (last_over_time(sovereign_x{c="d"}[5m])) > 0 and on (b) sovereign_y == 1')
    assert found.selectors == {'sovereign_x{c="d"}', "sovereign_y"}
    assert found.labels == {"a", "b"}
