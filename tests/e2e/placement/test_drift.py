"""Whichever tool applies a workload, and however often: the workload keeps its placement and shows no drift."""

import abc
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack import estate
from hack.cluster import Cluster
from hack.install import helm
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.drift import drift
from tests.e2e.support.manifests import sovereign, workload
from tests.e2e.support.observed import living_pods, nodes_of, placed_for
from tests.e2e.support.spaces import Space
from tests.e2e.support.tools import check_all

pytestmark = pytest.mark.every_kubernetes

POLICY = "secnumcloud"

APPLICATIONS = {"plain": "Deployment", "choosy": "Deployment", "agent": "DaemonSet"}

SELECTOR = {"kubernetes.io/os": "linux"}
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["paris-1"]}]},
                {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]},
            ]
        },
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 100,
                "preference": {
                    "matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["paris-1"]}]
                },
            }
        ],
    }
}
"""A term that would bypass any rule in the same list, because terms are OR-ed, and a preference for a refused node."""


def applications(message: str) -> list[Json]:
    """Return three workloads of one application, the last two with their own node selection."""
    own: dict[str, Json] = {
        "plain": {},
        "choosy": {"nodeSelector": SELECTOR, "affinity": AFFINITY},
        "agent": {"nodeSelector": SELECTOR},
    }
    made = [workload(kind, name, **own[name]) for name, kind in APPLICATIONS.items()]
    for manifest in made:
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        container["env"] = [{"name": "MESSAGE", "value": message}]
    return made


class Tool(abc.ABC):
    """A tool that applies workloads from their manifests."""

    @abc.abstractmethod
    def apply(self, namespace: str, message: str) -> None:
        """Apply the application, whether or not it exists already."""

    @abc.abstractmethod
    def manifest(self, namespace: str, message: str) -> str:
        """Return what was applied last, as the tool itself records it."""


class Apply(Tool):
    """kubectl, client-side by default."""

    def __init__(self, admin: Kubectl, *options: str) -> None:
        self._admin, self._options = admin, options

    def apply(self, namespace: str, message: str) -> None:
        self._admin.apply(*applications(message), namespace=namespace, options=self._options)

    def manifest(self, namespace: str, message: str) -> str:
        del namespace
        return yaml.safe_dump_all(applications(message))


class Helm(Tool):
    """A chart, applied server-side by default."""

    def __init__(self, cluster: Cluster, chart: Path, *options: str) -> None:
        self._cluster, self._chart, self._options = cluster, chart, options
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_text("{apiVersion: v2, name: app, version: 0.1.0}")
        (chart / "templates" / "all.yaml").write_text(yaml.safe_dump_all(applications("{{ .Values.message }}")))

    def apply(self, namespace: str, message: str) -> None:
        values = ["--set-string", f"message={message}"]
        command = ["upgrade", "--install", "app", str(self._chart), "--namespace", namespace]
        helm(self._cluster, *command, *values, *self._options)

    def manifest(self, namespace: str, message: str) -> str:
        applied = helm(self._cluster, "get", "manifest", "app", "--namespace", namespace)
        assert f"value: '{message}'" in applied
        return applied


@pytest.fixture
def tools(admin: Kubectl, cluster: Cluster, tmp_path: Path, kubernetes: str | None) -> dict[str, Tool]:
    """All tools; on an older Kubernetes, one for each way of applying."""
    every = {
        "client-side": Apply(admin),
        "server-side": Apply(admin, "--server-side", "--field-manager=pipeline"),
        "helm": Helm(cluster, tmp_path / "helm"),
        "helm-client-side": Helm(cluster, tmp_path / "helm-client-side", "--server-side=false"),
    }
    return {name: every[name] for name in ("client-side", "helm")} if kubernetes else every


def until_rolled_out(admin: Kubectl, namespace: str) -> None:
    """Wait until all workloads are rolled out."""
    for name, kind in APPLICATIONS.items():
        admin.run("-n", namespace, "rollout", "status", f"{kind.lower()}/{name}", "--timeout=120s")


def adopt(admin: Kubectl, namespace: str) -> None:
    """Take the whole application into scope, and wait until its SovereignWorkloads are ready."""
    speakers = [
        sovereign(name, policy=POLICY, workloadRef={"kind": kind, "name": name}) for name, kind in APPLICATIONS.items()
    ]
    admin.apply(*speakers, namespace=namespace)
    admin.run("-n", namespace, "wait", "swl", "--all", "--for=condition=Ready", "--timeout=120s")
    until_rolled_out(admin, namespace)


def live(admin: Kubectl, namespace: str) -> dict[str, Json]:
    """Return the current workloads by name, with their managed fields."""
    show = ("-n", namespace, "-o", "json", "--show-managed-fields")
    return {name: json.loads(admin.run("get", kind, name, *show)) for name, kind in APPLICATIONS.items()}


def state(admin: Kubectl, namespace: str) -> Any:
    """Return everything that a second apply must leave unchanged."""
    workloads = {
        name: (found["metadata"]["generation"], found["metadata"].get("labels"), found["spec"])
        for name, found in live(admin, namespace).items()
    }
    return workloads, {pod["metadata"]["uid"] for pod in living_pods(admin, namespace)}


def all_inside(admin: Kubectl, namespace: str, message: str) -> bool:
    """Return whether exactly the expected pods run, each on an accepted node."""
    pods = living_pods(admin, namespace)
    for pod in pods:
        assert pod["spec"]["containers"][0]["env"] == [{"name": "MESSAGE", "value": message}]
        assert placed_for(pod) == {POLICY}
    assert nodes_of(pods) <= set(estate.ACCEPTED)
    return len(pods) == 3 * 2


@pytest.mark.parametrize("labelled", ["before", "after", "never"])
def test_an_application_keeps_its_placement_and_shows_no_drift(
    admin: Kubectl, space: Space, tools: dict[str, Tool], labelled: str
) -> None:
    """The namespace is labelled before the application is applied, after it runs, or never."""

    def check(namespace: str, tool: Tool) -> None:
        tool.apply(namespace, "one")
        until_rolled_out(admin, namespace)
        if labelled == "after":
            admin.run("label", "namespace", namespace, f"sovereignty.dev/enforce={POLICY}")
        adopt(admin, namespace)
        eventually(lambda: all_inside(admin, namespace, "one"), what="all pods inside")
        assert not drift(admin, namespace, tool.manifest(namespace, "one"))
        assert drift(admin, namespace, yaml.safe_dump_all(applications("two")))

        before = state(admin, namespace)
        tool.apply(namespace, "one")
        assert state(admin, namespace) == before

        tool.apply(namespace, "two")
        until_rolled_out(admin, namespace)
        eventually(lambda: all_inside(admin, namespace, "two"), what="all pods inside")
        assert not drift(admin, namespace, tool.manifest(namespace, "two"))

        own = {name: found["spec"]["template"]["spec"] for name, found in live(admin, namespace).items()}
        assert (own["choosy"]["nodeSelector"], own["choosy"]["affinity"]) == (SELECTOR, AFFINITY)
        assert "nodeSelector" not in own["plain"]
        for pod in living_pods(admin, namespace, "app=choosy"):
            assert SELECTOR.items() <= pod["spec"]["nodeSelector"].items()
            assert pod["spec"]["affinity"] == AFFINITY

    check_all(tools, check, lambda: space(POLICY if labelled == "before" else None))


def test_an_application_given_back_is_as_it_was(admin: Kubectl, space: Space, tools: dict[str, Tool]) -> None:

    def check(namespace: str, tool: Tool) -> None:
        tool.apply(namespace, "one")
        until_rolled_out(admin, namespace)
        before = live(admin, namespace)
        adopt(admin, namespace)
        eventually(lambda: all_inside(admin, namespace, "one"), what="all pods inside")

        admin.delete("swl", "--all", namespace=namespace)
        eventually(lambda: as_it_was(before, live(admin, namespace)), what="all as before")
        until_rolled_out(admin, namespace)
        assert not drift(admin, namespace, tool.manifest(namespace, "one"))
        # The agent runs on all nodes again, and no pod selects on the policy's label.
        eventually(lambda: len(nodes_of(living_pods(admin, namespace, "app=agent"))) == 4, what="agents everywhere")
        assert not any(placed_for(pod) for pod in living_pods(admin, namespace))

    check_all(tools, check, lambda: space(None))


def as_it_was(before: dict[str, Json], now: dict[str, Json]) -> bool:
    """Return whether workloads have their former labels and spec, and each field its former manager."""
    for name, found in now.items():
        assert found["metadata"].get("labels") == before[name]["metadata"].get("labels"), name
        assert found["spec"] == before[name]["spec"], name
        assert owners(found) == owners(before[name]), name
    return True


def owners(found: Json) -> list[Any]:
    """Return the managed fields of a workload, except those of kube-controller-manager."""
    entries = found["metadata"]["managedFields"]
    owned = [(entry["manager"], entry["operation"], entry["fieldsV1"]) for entry in entries]
    return sorted((owner for owner in owned if owner[0] != "kube-controller-manager"), key=str)


def test_deleting_a_sovereignworkload_changes_nothing_where_the_namespace_places(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.apply(*applications("one"), namespace=namespace)
    until_rolled_out(admin, namespace)
    before = state(admin, namespace)
    adopt(admin, namespace)
    admin.delete("swl", "--all", namespace=namespace)
    # When the new SovereignWorkloads are ready, the operator has processed the deletion.
    adopt(admin, namespace)
    assert state(admin, namespace) == before
