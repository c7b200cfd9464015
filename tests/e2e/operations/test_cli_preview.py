"""``kubectl sovereign preview`` on a real cluster: what it says comes true."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.client import Client, running, unread
from tests.e2e.support.manifests import pod, workload
from tests.e2e.support.spaces import Space

POLICY = "secnumcloud"
ON_PARIS = {"nodeSelector": {"kubernetes.io/hostname": "paris-1"}}
LARGE = {"name": "large", "image": "docker.io/library/busybox:latest", "resources": {"requests": {"cpu": "1000"}}}


def rows(answer: Json) -> dict[str, tuple[str, str]]:
    """Return trigger and outcome of each workload."""
    return {row["workload"]: (row["trigger"], row["outcome"]) for row in answer["rows"]}


def pods_of(admin: Kubectl, namespace: str, name: str) -> list[Json]:
    """Return a workload's pods that are not being deleted, those that wait for a node as well."""
    pods = admin.list("pods", namespace, f"app={name}")
    return [found for found in pods if "deletionTimestamp" not in found["metadata"]]


def nodes_of(admin: Kubectl, namespace: str, name: str) -> list[str | None]:
    """Return the nodes of a workload's pods; None of one that waits."""
    return [found["spec"].get("nodeName") for found in pods_of(admin, namespace, name)]


def settle(admin: Kubectl, namespace: str, name: str, *nodes: str | None) -> None:
    """Wait until a workload has one pod, on one of these nodes; None: it waits for a node."""

    def settled() -> bool:
        found = nodes_of(admin, namespace, name)
        return len(found) == 1 and found[0] in nodes

    eventually(settled, what=f"{name} on {nodes}")


def run_everywhere(admin: Kubectl, namespace: str) -> None:
    """Create workloads of which one runs where the policy accepts it, and the others do not."""
    moving = workload("StatefulSet", "moves", 1, **ON_PARIS)
    moving["spec"]["updateStrategy"] = {"type": "OnDelete"}
    admin.apply(
        workload("Deployment", "runs", 1, nodeSelector={"kubernetes.io/hostname": "brest-1"}),
        moving,
        workload("Deployment", "hangs", 1, **ON_PARIS),
        workload("Deployment", "refused", 1, nodeName="paris-1"),
        workload("Deployment", "large", 1, containers=[LARGE]),
        namespace=namespace,
    )
    for name in ("moves", "hangs", "refused"):
        settle(admin, namespace, name, "paris-1")
    settle(admin, namespace, "runs", "brest-1")
    # Its pod stays, and the next one may run anywhere.
    patch = [{"op": "remove", "path": "/spec/template/spec/nodeSelector"}]
    admin.run("-n", namespace, "patch", "statefulset", "moves", "--type=json", "-p", json.dumps(patch))


@pytest.mark.every_kubernetes
def test_a_label_does_what_its_preview_said(admin: Kubectl, client: Client, space: Space) -> None:
    namespace = space(None)
    run_everywhere(admin, namespace)
    answer = client.ask("preview", "--policy", POLICY, "-n", namespace, code=1)
    assert rows(answer) == {
        "Deployment/runs": ("label", "runs"),
        "StatefulSet/moves": ("label", "moves"),
        "Deployment/hangs": ("label", "hangs"),
        "Deployment/refused": ("label", "refused"),
        "Deployment/large": ("label", "hangs"),
    }
    assert answer["unread"] == []
    assert "sovereignty.dev/enforce" not in admin.get("namespace", namespace)["metadata"]["labels"]

    admin.run("label", "namespace", namespace, f"sovereignty.dev/enforce={POLICY}")
    refused = json.dumps(pod("asks", nodeName="paris-1"))
    words = ("-n", namespace, "create", "--dry-run=server", "-f", "-")
    eventually(lambda: "node not accepted" in admin.attempt(*words, stdin=refused).stderr, what="a label in force")
    admin.run("-n", namespace, "delete", "pods", "--all")
    for name in ("runs", "moves"):
        settle(admin, namespace, name, *estate.ACCEPTED)
    for name in ("hangs", "large"):
        settle(admin, namespace, name, None)
        waiting = pods_of(admin, namespace, name)[0]["metadata"]["name"]
        assert client.ask("explain", f"pod/{waiting}", "-n", namespace, code=1)["state"] == "pending"

    def is_refused() -> bool:
        conditions = admin.get("deployment", "refused", namespace)["status"]["conditions"]
        return "ReplicaFailure" in {entry["type"] for entry in conditions}

    eventually(is_refused, what="a Deployment whose pods are refused")
    assert nodes_of(admin, namespace, "refused") == []


@pytest.mark.usefixtures("changed_estate")
def test_a_datacentre_that_goes_does_what_its_preview_said(admin: Kubectl, client: Client, hospital: str) -> None:
    node = running(admin, hospital)["spec"]["nodeName"]
    place = node.removesuffix("-1")
    (other,) = {*estate.ACCEPTED} - {node}
    for gone in (f"dctr/{place}", f"node/{node}", f"csvc/{estate.DATACENTRES[place][0]}"):
        answer = client.ask("preview", "--without", gone, "-n", hospital, code=1)
        assert rows(answer) == {"Deployment/app": ("withdrawal", "moves")}, gone
    both = client.ask("preview", "--without", f"node/{node}", "--without", f"node/{other}", "-n", hospital, code=1)
    assert rows(both)["Deployment/app"][1] == "hangs"

    admin.delete("datacentre", place)
    name = running(admin, hospital)["metadata"]["name"]
    assert client.ask("explain", f"pod/{name}", "-n", hospital, code=1)["state"] == "outside"
    admin.run("-n", hospital, "delete", "pod", name)
    settle(admin, hospital, "app", other)


@pytest.mark.usefixtures("changed_estate")
def test_a_file_does_what_its_preview_said(admin: Kubectl, client: Client, hospital: str, tmp_path: Path) -> None:
    node = running(admin, hospital)["spec"]["nodeName"]
    name = estate.DATACENTRES[node.removesuffix("-1")][0]
    found = admin.get("cloudservice", name)
    found["spec"]["qualifications"][0]["status"] = "Suspended"
    suspended = {key: found[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": name}}
    path = tmp_path / "suspended.json"
    path.write_text(json.dumps(suspended), encoding="utf-8")
    answer = client.ask("preview", "-f", str(path), "-n", hospital, code=1)
    (row,) = answer["rows"]
    assert (row["trigger"], row["outcome"]) == ("withdrawal", "moves")
    assert "is suspended" in row["reason"]
    admin.apply(suspended)
    assert client.ask("status", "-n", hospital, code=1)["namespaces"][0]["outside"] == 1


def test_manifests_and_days_to_come(admin: Kubectl, client: Client, hospital: str, tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    manifests = [workload("Deployment", "new", 2), workload("Deployment", "pinned", 1, nodeName="paris-1")]
    path.write_text(json.dumps({"kind": "List", "items": manifests}), encoding="utf-8")
    answer = client.ask("preview", "-f", str(path), "-n", hospital, code=1)
    assert rows(answer) == {
        "Deployment/app": ("next roll-out", "runs"),
        "Deployment/new": ("creation", "runs"),
        "Deployment/pinned": ("creation", "refused"),
    }
    # What the demo's qualifications rest on ends in 600 days.
    today = datetime.now(UTC).date()
    assert rows(client.ask("preview", "--at", str(today + timedelta(days=500)), "-n", hospital)) == {
        "Deployment/app": ("next roll-out", "runs")
    }
    later = client.ask("preview", "--at", str(today + timedelta(days=700)), "-n", hospital, code=1)
    assert rows(later) == {"Deployment/app": ("withdrawal", "hangs")}
    assert pods_of(admin, hospital, "new") == []


def test_a_developer_is_told_what_cannot_be_told(developer: Client, hospital: str) -> None:
    answer = developer.ask("preview", "--policy", POLICY, "-n", hospital, code=1)
    assert {outcome for _, outcome in rows(answer).values()} == {"cannot tell"}
    assert unread(answer) >= {"nodes", "datacentres.sovereignty.dev"}


def test_who_may_read_some_workloads_alone_is_told_so(
    admin: Kubectl, cluster: Cluster, stranger: Client, hospital: str
) -> None:
    command = ("preview", "--policy", POLICY, "-n", hospital)
    sentence = stranger.error(*command)
    assert sentence.startswith("error: you may not read deployments.apps, statefulsets.apps, ")
    assert sentence.endswith(f" in namespace {hospital}: ask an admin of namespace {hospital} for `view`")
    admin.run("-n", hospital, "create", "role", "some", "--verb=list", "--resource=deployments.apps")
    admin.run("-n", hospital, "create", "rolebinding", "some", "--role=some", "--user=some")
    some = Client(cluster.user_kubeconfig("some"))
    answer = eventually(lambda: some.ask(*command, code=1), what="rights")
    assert (answer["complete"], list(rows(answer))) == (False, ["Deployment/app"])
    assert f"1 workload that you may read in namespace {hospital}: cannot tell 1." in some.text(*command, code=1)


def test_a_namespace_that_nobody_has(client: Client, tmp_path: Path) -> None:
    command, said = (
        ("preview", "--policy", POLICY, "-n", "wardd"),
        "error: there is no Namespace wardd: correct the name, ",
    )
    assert client.error(*command).startswith(said)
    path = tmp_path / "app.json"
    made = workload("Deployment", "new", 1)
    path.write_text(json.dumps(made), encoding="utf-8")
    assert client.error(*command, "-f", str(path)).startswith(said)
    made["metadata"]["namespace"] = "wardd"
    path.write_text(json.dumps(made), encoding="utf-8")
    assert rows(client.ask(*command, "-f", str(path))) == {"Deployment/new": ("creation", "runs")}
    path.write_text(
        json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "wardd"}}), encoding="utf-8"
    )
    assert client.ask(*command, "-f", str(path))["rows"] == []


def test_a_preview_says_which_namespace_it_looked_at(client: Client, hospital: str) -> None:
    assert f"1 workload in namespace {hospital}: runs 1." in client.text("preview", "--policy", POLICY, "-n", hospital)
    # Without -n, it is the namespace of the context.
    assert " in namespace default" in client.run("preview", "--policy", POLICY).stdout
    system = client.text("preview", "--policy", POLICY, "-n", "kube-system")
    assert "namespace kube-system belongs to the cluster or to the operator, and is never in scope." in system


def test_a_preview_refuses_what_the_api_server_refuses(admin: Kubectl, client: Client, tmp_path: Path) -> None:
    policy = {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "SovereigntyPolicy",
        "metadata": {"name": "hospital"},
        "spec": {"qualifications": [{"scheme": "SecNumCloud"}], "country": "FR"},
    }
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(policy), encoding="utf-8")
    refused = admin.refusal("create", "--dry-run=server", "--validate=strict", "-f", str(path))
    assert 'unknown field "spec.country"' in refused
    sentence = client.error("preview", "-f", str(path))
    assert sentence.startswith(f"error: unknown field spec.country of SovereigntyPolicy hospital in {path}: ")
