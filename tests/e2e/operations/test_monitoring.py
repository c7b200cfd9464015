"""A real Prometheus reads the metrics of the installed operator, and has what dashboard and alerts ask for."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from hack.cluster import Cluster
from hack.dashboard.answers import table
from hack.dashboard.panels import PANELS
from hack.dashboard.picture import ask
from hack.dashboard.prometheus import Prometheus
from hack.dashboard.queries import COMPONENT
from hack.images import public
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from tests.chart.alert_rules import ALL_ALERTS, read_rules
from tests.chart.rendering import of_kind, template
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.observed import leader
from tests.e2e.support.spaces import Space
from tests.monitoring.selectors import parts_of

IMAGE = "docker.io/prom/prometheus:latest"
PROCESSES = ("controller", "signer", "injector", "agent")
RARE = re.compile(
    r"sovereign_(tasks_failed|objects_not_written|unreadable_objects|certificate_requests_denied|redirect_failures"
    r'|processes_outside|pods_outside|derogation_end_timestamp_seconds)|result="error"|ALERTS'
)
"""Series that are only there once something went wrong, or was derogated."""


@dataclass(frozen=True)
class InCluster(Prometheus):
    """A server in a pod, which the API server passes requests on to; ``url`` is the path of that."""

    admin: Kubectl

    def get(self, what: str, **parameters: str) -> Any:
        answer = self.admin.run("get", "--raw", f"{self.url}/api/v1/{what}?{urlencode(parameters)}")
        return json.loads(answer)["data"]


@pytest.fixture(scope="module")
def rules() -> Json:
    done = template(*ALL_ALERTS)
    assert done.returncode == 0, done.stderr
    objects = [document for document in yaml.load_all(done.stdout, yaml.CSafeLoader) if document]
    assert read_rules(objects)
    (found,) = of_kind(objects, "PrometheusRule").values()
    spec: Json = found["spec"]
    return spec


@pytest.fixture
def busy(admin: Kubectl, space: Space, transit: str) -> str:
    """Return a namespace in scope with a SovereignWorkload, while a pod with a sidecar runs in another one."""
    namespace, encrypted = space("secnumcloud"), space(transit)
    admin.create(pod("encrypted"), encrypted)
    admin.create(workload("Deployment", "app", 2), namespace)
    admin.create(sovereign("app", workloadRef={"kind": "Deployment", "name": "app"}), namespace)
    admin.run("-n", namespace, "wait", "sovereignworkload/app", "--for=condition=Ready", "--timeout=90s")
    admin.run("-n", encrypted, "wait", "pod/encrypted", "--for=condition=Ready", "--timeout=90s")
    return namespace


@pytest.fixture
def prometheus(admin: Kubectl, cluster: Cluster, space: Space, busy: str, rules: Json) -> Iterator[InCluster]:
    """A server that has read all processes of the operator twice."""
    del busy
    cluster.load_image(public.archive(IMAGE))
    namespace, targets = space(None), scraped(admin)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["/etc/prometheus/rules.yml"],
        "scrape_configs": [{"job_name": "operator", "honor_labels": True, "static_configs": targets}],
    }
    files = {"prometheus.yml": json.dumps(config), "rules.yml": json.dumps(rules)}
    admin.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config"}, "data": files}, namespace)
    admin.create(server_pod(), namespace)
    admin.run("-n", namespace, "wait", "pod/prometheus", "--for=condition=Ready", "--timeout=90s")
    server = InCluster(f"/api/v1/namespaces/{namespace}/pods/prometheus:9090/proxy", admin)
    eventually(lambda: len(server.query("sum_over_time(up[5m]) > 2")) == len(targets), what="scrapes")
    yield server
    admin.run("-n", namespace, "delete", "pod", "prometheus", "--wait=false")


def scraped(admin: Kubectl) -> list[Json]:
    """Return the operator's pods as targets, with the labels that the chart's PodMonitor gives to them."""
    found = []
    for one in admin.list("pods", NAMESPACE, "app.kubernetes.io/name=sovereign-operator"):
        component = one["metadata"]["labels"]["app.kubernetes.io/component"]
        if component in PROCESSES and one["status"]["phase"] == "Running":
            labels = {COMPONENT: component, "namespace": NAMESPACE, "pod": one["metadata"]["name"]}
            found.append({"targets": [f"{one['status']['podIP']}:8080"], "labels": labels})
    return found


def server_pod() -> Json:
    container = {
        "name": "prometheus",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": 9090}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/prometheus"}],
    }
    volumes = [{"name": "config", "configMap": {"name": "config"}}]
    # By this label the chart's NetworkPolicies let it read metrics.
    labels = {"app.kubernetes.io/name": "prometheus"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "prometheus", "labels": labels},
        "spec": {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1},
    }


def test_dashboard_and_alerts_find_the_metrics_of_the_operator(
    prometheus: InCluster, admin: Kubectl, busy: str, rules: Json
) -> None:
    alerts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    expressions = [query.expression for panel in PANELS for query in panel.queries]
    wanted = {selector for expression in (*expressions, *alerts) for selector in parts_of(expression).selectors}
    missing = [
        selector
        for selector in wanted
        if not RARE.search(selector) and not prometheus.query(f"last_over_time({selector}[5m])")
    ]
    assert not missing
    health = {rule["name"]: rule["health"] for group in prometheus.get("rules")["groups"] for rule in group["rules"]}
    assert {*health.values()} == {"ok"}
    # The controller counts pods some seconds later.
    counted = [busy, "secnumcloud", "2", "0", "0"]
    eventually(lambda: rows(prometheus, "Namespaces")[busy] == counted, what="the pods of a namespace")
    assert busy not in rows(prometheus, "SovereignWorkloads that are not ready")
    assert rows(prometheus, "Policies")["secnumcloud"][1] == "2"
    assert rows(prometheus, "Datacentres")["brest"][1:4] == ["armor-snc", "FR", "1"]
    processes = rows(prometheus, "Processes")
    assert processes.keys() == {*PROCESSES}
    assert processes["controller"][1] == leader(admin)


def rows(server: InCluster, title: str) -> dict[str, list[str]]:
    """Return the rows that a table shows now, by their first column."""
    (panel,) = (panel for panel in PANELS if panel.title == title)
    (time,) = server.query("time()")
    return {row[0].text: [cell.text for cell in row] for row in table(panel, ask(panel, server, time.value)).rows}
