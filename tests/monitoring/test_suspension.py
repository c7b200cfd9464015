"""A qualification is suspended at night: what pages says which pods are outside for which policy, and where."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import yaml

from hack.dashboard.prometheus import Prometheus
from hack.install import CHART
from hack.kubectl import eventually
from tests.chart.alert_rules import ALL_ALERTS, read_rules, read_targets
from tests.chart.rendering import Json, template
from tests.monitoring.days import APPLICATIONS, POLICIES, SUSPENDED, node_of
from tests.monitoring.server import free_port, scrape, serving
from tests.needs import AS_ROOT, needing

pytestmark = needing(AS_ROOT, "debootstrap")

NIGHT: Final = SUSPENDED + 1
"""The minute after the suspension."""
LYON = {"datacentre": "lyon", "service": "hexa-gouv"}


@pytest.fixture(scope="module")
def objects() -> list[Json]:
    done = template(*ALL_ALERTS)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.load_all(done.stdout, yaml.CSafeLoader) if document]


@contextmanager
def night(objects: list[Json], folder: Path, minute: int) -> Iterator[Prometheus]:
    """Have a real Prometheus read what the controller shows in a minute; alerts do not wait."""
    port = free_port()
    rules = [{key: value for key, value in rule.items() if key != "for"} for rule in read_rules(objects).values()]
    command = [sys.executable, "-m", "tests.monitoring.process", "controller"]
    options = ["--port", str(port), "--minute", str(minute)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    target = scrape("controller", {"sovereign-controller-0": port}, read_targets(objects)["controller"])
    with subprocess.Popen([*command, *options], env=environment) as process:
        try:
            with serving(folder, [target], {"groups": [{"name": "all", "rules": rules}]}) as server:
                # By then it has evaluated the alerts as well, which it does as often.
                eventually(lambda: server.query("sum_over_time(sovereign_leading[5m]) > 3"), what="scrapes")
                yield server
        finally:
            process.kill()


def paging(server: Prometheus) -> list[Json]:
    """Return the alerts that page and are not about processes that this test does not run."""
    return [
        alert
        for alert in server.get("alerts")["alerts"]
        if alert["labels"]["severity"] == "critical" and not alert["labels"]["alertname"].endswith("Absent")
    ]


def test_before_it_nothing_pages(objects: list[Json], tmp_path: Path) -> None:
    with night(objects, tmp_path, SUSPENDED - 1) as server:
        assert paging(server) == []


def test_it_pages_for_each_namespace_with_policy_datacentre_and_service(objects: list[Json], tmp_path: Path) -> None:
    pods = [(one.namespace, node_of(one, number, NIGHT)) for one in APPLICATIONS for number in range(one.replicas)]
    outside = {namespace for namespace, node in pods if node.startswith("lyon")}
    assert outside
    with night(objects, tmp_path, NIGHT) as server:
        alerts = eventually(lambda: len(found := paging(server)) >= len(outside) and found, what="alerts")
    assert {alert["labels"]["alertname"] for alert in alerts} == {"SovereignPodsOutside"}
    assert sorted(alert["labels"]["namespace"] for alert in alerts) == sorted(outside)
    for alert in alerts:
        namespace = alert["labels"]["namespace"]
        labels, annotations = alert["labels"], alert["annotations"]
        assert labels.items() >= ({"policy": POLICIES[namespace]} | LYON).items()
        named = f"Namespace {namespace}, policy {POLICIES[namespace]}: pods run in datacentre lyon of service hexa-gouv"
        assert annotations["description"].startswith(f"{named}.")
        section = annotations["runbook"].partition("#")[2]
        headings = re.findall(r"^## (.*)$", (CHART / "RUNBOOK.md").read_text(encoding="utf-8"), re.MULTILINE)
        assert section in [heading.lower() for heading in headings]
