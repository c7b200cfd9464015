"""``kubectl sovereign`` for persons with few rights: it says what it knows, and what it may not read."""

import json
from collections.abc import Iterator

import pytest

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.api.v1alpha1 import GROUP, KINDS
from tests.e2e.support.client import Client, running, unread
from tests.e2e.support.derogations import bind, unbind
from tests.e2e.support.manifests import pod

POLICY, FACTS_ROLE = "secnumcloud", "facts-only"


@pytest.mark.every_kubernetes
def test_a_developer_with_edit_alone_finds_out_why_a_pod_is_pending(
    admin: Kubectl, developer: Client, hospital: str
) -> None:
    admin.create(pod("large", containers=[LARGE]), hospital)

    def waits() -> Json:
        found: Json = json.loads(developer.run("explain", "pod/large", "-n", hospital, "-o", "json").stdout)
        assert "Insufficient cpu" in found["scheduler"]
        return found

    answer = eventually(waits, what="a pod without room")
    assert (answer["state"], answer["policy"], answer["nodes"]) == ("pending", POLICY, [])
    assert f"namespace {hospital} enforces it" in answer["policySource"]
    assert "Insufficient cpu" in answer["why"]
    assert "somebody who may list nodes" in answer["next"]
    assert unread(answer) >= {"nodes", "datacentres.sovereignty.dev", "sovereigntypolicies.sovereignty.dev"}
    text = developer.text("explain", "pod/large", "-n", hospital, code=1)
    assert "You may not read: " in text
    assert "nodes" in text.splitlines()[-1]


LARGE = {
    "name": "large",
    "image": "docker.io/library/busybox:latest",
    "resources": {"requests": {"cpu": "1000"}},
}


def test_a_developer_sees_where_a_pod_runs_and_what_the_operator_recorded(
    admin: Kubectl, developer: Client, hospital: str
) -> None:
    name = running(admin, hospital)["metadata"]["name"]
    answer = eventually(lambda: developer.ask("explain", f"pod/{name}", "-n", hospital), what="an annotated pod")
    assert answer["state"] == "inside"
    assert "(as the operator recorded it on the pod)" in answer["why"]
    status = developer.ask("status", "-n", hospital)
    (row,) = status["namespaces"]
    assert (row["namespace"], row["policy"], row["pods"], row["inside"]) == (hospital, POLICY, 1, 1)
    assert [entry["name"] for entry in status["workloads"]] == ["app"]
    assert (status["policies"], status["datacentres"]) == (None, None)
    text = developer.text("status", "-n", hospital)
    assert "\nNothing found in what you may read.\n" in text
    assert "\nYou may not read: " in text


@pytest.fixture
def facts_reader(admin: Kubectl, cluster: Cluster) -> Iterator[Client]:
    """Somebody who may list the operator's own kinds, and neither nodes nor namespaces nor pods."""
    kinds = ",".join(f"{kind.plural}.{GROUP}" for kind in KINDS)
    admin.run("create", "clusterrole", FACTS_ROLE, "--verb=get,list", f"--resource={kinds}")
    bind(admin, "facts-reader", FACTS_ROLE)
    yield Client(cluster.user_kubeconfig("facts-reader"))
    unbind(admin, "facts-reader", FACTS_ROLE)
    admin.delete("clusterrole", FACTS_ROLE)


def test_what_may_not_be_read_is_unknown_and_not_zero(facts_reader: Client) -> None:
    answer = eventually(lambda: json.loads(facts_reader.run("status", "-o", "json").stdout), what="rights")
    (policy,) = (row for row in answer["policies"] if row["policy"] == POLICY)
    assert (policy["usedBy"], policy["triedBy"]) == (None, None)
    assert not any(row["endKnown"] for row in answer["datacentres"])
    text = facts_reader.run("status").stdout
    assert "unknown" in next(line for line in text.splitlines() if line.startswith("brest "))
    assert "\nNothing found.\n" not in text
    assert "namespaces" in text.splitlines()[-1]


def test_a_developer_may_not_ask_what_needs_other_rights(developer: Client, hospital: str) -> None:
    assert "you may not read nodes" in developer.error("explain", "node/brest-1")
    assert "you may not list nodes" in developer.error("nodes")
    assert "you may not list CloudServices" in developer.error("catalogue", "diff")
    # Without -n, it is the namespace of the context, where this person has no rights either.
    assert "you may read nothing" in developer.error("status")
    checked = developer.ask("check", code=2)
    assert {item["result"] for item in checked["items"]} == {"unknown"}
    before = developer.ask("check", "--pre", code=1)
    assert next(item for item in before["items"] if item["check"] == "your rights")["result"] == "bad"
    assert hospital


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("status", "-A"),
        ("nodes",),
        ("nodes", "declare", "brest-1"),
        ("explain", "node/brest-1"),
        ("explain", "pod/x"),
        ("explain", "deployment/x"),
        ("explain", "swl/x"),
        ("catalogue", "diff"),
        ("preview", "--policy", POLICY),
        ("preview", "--policy", POLICY, "-A"),
        ("preview", "--without", "node/brest-1"),
    ],
)
def test_a_stranger_gets_one_sentence(stranger: Client, command: tuple[str, ...]) -> None:
    sentence = stranger.error(*command)
    assert sentence.startswith("error: you may ")
    assert "ask " in sentence


def test_a_stranger_is_told_the_versions_of_client_and_server(stranger: Client, client: Client) -> None:
    answer, full = stranger.ask("version"), client.ask("version")
    assert (answer["client"], answer["server"]) == (full["client"], full["server"])
    assert (answer["chart"], answer["processes"], answer["crds"]) == ("", [], [])
    assert answer["unread"]
    assert f"\nChart: unknown: you may not read deployments.apps in namespace {NAMESPACE}\n" in stranger.text("version")
