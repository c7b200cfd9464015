"""The page about operators names the pods that are refused, and ports that their pods have."""

import re

from tests.documents import REFERENCE
from tests.pods_of_others import REFUSED, list_pods

PAGE = (REFERENCE / "operators.md").read_text(encoding="utf-8")
FILES = {
    "redis-operator (spotahome)": "redis-operator",
    "CloudNativePG": "cloudnative-pg",
    "Strimzi": "strimzi",
    "ECK": "eck",
    "ingress-nginx": "ingress-nginx",
    "Keycloak": "keycloak",
    "Velero": "velero",
}

ROWS = {
    "Beats of ECK's recipes": ("eck/filebeat",),
    "Elasticsearch with an init container that sets `vm.max_map_count`": ("eck/elasticsearch-that-sets",),
    "ingress-nginx with `controller.hostNetwork`": ("ingress-nginx/", "network-of-the-node"),
    "ingress-nginx with `controller.shareProcessNamespace`": ("ingress-nginx/", "shared-processes"),
    "Velero's node agent with `--privileged-node-agent`": ("velero/node-agent-with-privileges",),
    "an application with a container that freezes its file system (`fsfreeze`) for Velero": ("velero/application",),
    "Velero's node agent for Windows": ("velero/node-agent-for-windows",),
}
"""By row of the page, how the name of the pod begins, or what is in it."""


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading."""
    part = PAGE.partition(f"## {heading}")[2].partition("\n## ")[0]
    lines = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines[2:]]


def test_each_operator_has_a_row_with_ports_of_its_pods() -> None:
    found = {row[0]: {int(port) for cell in row[1:] for port in re.findall(r"\d+", cell)} for row in rows("Who asks")}
    assert set(found) == set(FILES)
    for operator, ports in found.items():
        assert ports <= ports_of(FILES[operator]), operator


def ports_of(file: str) -> set[int]:
    """Return the ports that the containers of a file list, and those that kubelets probe."""
    listed = set()
    for name, spec in list_pods().items():
        for container in spec["containers"] if name.startswith(f"{file}/") else ():
            listed |= {port["containerPort"] for port in container.get("ports", ())}
            probes = (container.get(field, {}) for field in ("startupProbe", "readinessProbe", "livenessProbe"))
            listed |= {found["httpGet"]["port"] for found in probes if "httpGet" in found}
    return listed


def test_each_pod_of_an_operator_that_is_refused_has_a_row() -> None:
    refused = {name for name in REFUSED if not name.startswith("documentation/")}
    named = {
        row[0]: {pod for pod in refused if all(word in pod for word in ROWS[row[0]])}
        for row in rows("Which of their pods")
    }
    assert [row for row, pods in named.items() if len(pods) != 1] == []
    assert set().union(*named.values()) == refused
