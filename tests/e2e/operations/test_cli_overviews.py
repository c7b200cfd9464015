"""``kubectl sovereign`` about all at once: ``version``, ``status``, ``check``, ``nodes`` and ``catalogue``."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hack import estate
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.api.v1alpha1 import KINDS
from tests.e2e.support.client import Client, running
from tests.e2e.support.estate import restore_estate, set_status
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.manifests import pod
from tests.e2e.support.observed import condition, living_pods
from tests.e2e.support.spaces import Space

POLICY, GUARD = "secnumcloud", "sovereignty-guard-bindings"


def test_the_versions_of_an_installation(client: Client) -> None:
    answer = client.ask("version")
    assert (answer["chart"], answer["namespace"]) == ("sovereign-operator-0.1.0", NAMESPACE)
    assert {row["process"] for row in answer["processes"]} == {
        "sovereign-agent",
        "sovereign-controller",
        "sovereign-injector",
        "sovereign-signer",
    }
    assert [crd["served"] for crd in answer["crds"]] == [["v1alpha1"]] * len(KINDS)


def test_the_status_agrees_with_the_objects(admin: Kubectl, client: Client, hospital: str) -> None:
    answer = json.loads(client.run("status", "-o", "json").stdout)
    shown = {row["policy"]: row for row in answer["policies"]}
    for obj in admin.list("sovereigntypolicies"):
        row, ready = shown[obj["metadata"]["name"]], condition(admin, "spol", obj["metadata"]["name"], "Ready")
        assert (row["ready"], row["reason"], row["nodes"]) == (ready["status"], ready["reason"], obj["status"]["nodes"])
    services = {row["datacentre"]: row["service"] for row in answer["datacentres"]}
    assert {name: services[name] for name in estate.DATACENTRES} == {
        name: service for name, (service, _, _) in estate.DATACENTRES.items()
    }
    (row,) = (row for row in answer["namespaces"] if row["namespace"] == hospital)
    assert (row["policy"], row["pods"], row["inside"]) == (POLICY, 1, 1)
    assert (hospital, "app", "Deployment/app") in {
        (row["namespace"], row["name"], row["workload"]) for row in answer["workloads"]
    }
    text = client.run("status", "-n", hospital).stdout
    assert "NAMESPACE" in text
    assert "kube-system" not in text


def test_the_status_shows_what_is_only_tried_and_finds_nothing_in_it(
    admin: Kubectl, client: Client, space: Space
) -> None:
    namespace = space(None)
    admin.run("label", "namespace", namespace, f"sovereignty.dev/warn={POLICY}")
    admin.create(pod("inside", nodeName="brest-1"), namespace)
    admin.create(pod("outside", nodeName="paris-1"), namespace)
    answer = json.loads(client.run("status", "-n", namespace, "-o", "json").stdout)
    assert not [text for text in answer["findings"] if namespace in text]
    (row,) = answer["namespaces"]
    assert (row["policy"], row["mode"], row["pods"], row["inside"], row["outside"]) == (POLICY, "warn", 2, 1, 1)
    (policy,) = (row for row in answer["policies"] if row["policy"] == POLICY)
    assert (policy["usedBy"], policy["triedBy"]) == (0, 1)


@pytest.mark.usefixtures("changed_estate")
def test_a_suspension_shows_in_the_status_at_once(admin: Kubectl, client: Client, hospital: str) -> None:
    node = running(admin, hospital)["spec"]["nodeName"]
    service = estate.DATACENTRES[node.removesuffix("-1")][0]
    set_status(admin, service, "Suspended")
    answer = client.ask("status", "-n", hospital, code=1)
    (row,) = answer["namespaces"]
    assert (row["inside"], row["outside"]) == (0, 1)
    name = running(admin, hospital)["metadata"]["name"]
    report = f"kubectl sovereign report -n {hospital}"
    assert f"namespace {hospital}: 1 pod outside ({name}), 0 pending: {report}" in answer["findings"]
    explained = client.ask("explain", f"pod/{name}", "-n", hospital, code=1)
    assert "is suspended" in explained["why"]
    assert "QualificationSuspended" in {
        reason for found in explained["nodes"] if found["node"] == node for reason in found["reasons"]
    }


@pytest.mark.every_kubernetes
def test_a_working_operator_passes_the_check(client: Client) -> None:
    answer = eventually(lambda: client.ask("check"), what="an operator that passes")
    results = {item["check"]: item["result"] for item in answer["items"]}
    # Here the operator may run on nodes that no policy accepts.
    where = results.pop("where it runs", "note")
    assert ({*results.values()}, where) == ({"ok"}, "note")
    assert {"sovereign-controller leads", "sovereign-signer leads", "guarded", "decided", "kinds"} <= results.keys()


def test_a_guard_that_is_missing_fails_the_check(admin: Kubectl, client: Client) -> None:
    with without_bindings(admin, GUARD):
        answer = client.ask("check", code=1)
    (item,) = (item for item in answer["items"] if item["check"] == "guarded")
    assert item["found"] == f"ValidatingAdmissionPolicyBinding {GUARD} is missing"
    assert item["next"] == "run helm upgrade"


@pytest.mark.usefixtures("changed_estate")
def test_a_process_that_is_scaled_down_fails_the_check_with_the_command(admin: Kubectl, client: Client) -> None:
    admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-signer", "--replicas=0")
    eventually(lambda: not living_pods(admin, NAMESPACE, "app.kubernetes.io/component=signer"), what="no signer")

    def nobody_leads() -> Json:
        found = client.ask("check", code=1)
        (lease,) = (item for item in found["items"] if item["check"] == "sovereign-signer leads")
        assert lease["result"] == "bad"
        return found

    answer = eventually(nobody_leads, what="a Lease that nobody holds")
    (item,) = (item for item in answer["items"] if item["check"] == "sovereign-signer")
    assert item["next"] == f"kubectl -n {NAMESPACE} scale deployment sovereign-signer --replicas=2"


def test_the_check_before_an_installation(admin: Kubectl, client: Client) -> None:
    answer = client.ask("check", "--pre")
    results = {item["check"]: item["result"] for item in answer["items"]}
    assert (results["Kubernetes"], results["guards"], results["your rights"]) == ("ok", "ok", "ok")
    assert (results["tokens"], results["NodeRestriction"]) == ("ok", "note")
    (advice,) = (item["next"] for item in answer["items"] if item["check"] == "NodeRestriction")
    found = re.search(r"kubectl (label node .*?)\. If it is on, .* answers '(.*)'", advice)
    assert found
    assert found[2] in admin.refusal(*found[1].replace("NODE", "brest-1").split())


@pytest.fixture
def undeclared(admin: Kubectl) -> Iterator[str]:
    """A node that no Datacentre claims."""
    admin.delete("datacentre", "nantes")
    yield "nantes-1"
    admin.delete("datacentre", "declared")
    restore_estate(admin)


def test_a_declaration_is_refused_until_a_person_completes_it(admin: Kubectl, client: Client, undeclared: str) -> None:
    listed = client.ask("nodes", code=1)
    (row,) = (row for row in listed["nodes"] if row["node"] == undeclared)
    assert (row["datacentre"], row["reasons"]) == (None, ["NotInDatacentre"])
    nowhere = sum(row["datacentre"] is None for row in listed["nodes"])
    assert f"{nowhere} of {len(listed['nodes'])} node" in client.run("status").stdout
    text = client.text("nodes", "declare", undeclared)
    assert "# name: armor-public   (Armor Cloud Public Cloud" in text
    assert admin.refusal("create", "--dry-run=server", "-f", "-", stdin=text)
    named = text.replace("  name:   #", "  name: declared   #", 1)
    assert "serviceRef" in admin.refusal("create", "--dry-run=server", "-f", "-", stdin=named)
    completed = named.replace("    name:   #", "    name: armor-public   #").replace("country:   #", "country: FR   #")
    admin.run("create", "-f", "-", stdin=completed)
    assert admin.get("datacentre", "declared")["spec"]["nodes"] == [{"name": undeclared, "uid": row["uid"]}]
    assert client.ask("explain", f"node/{undeclared}", code=1)["datacentre"] == "declared"
    assert client.text("nodes", "declare", undeclared, code=1).startswith(f"# {undeclared} stands in declared already")


def test_what_the_cluster_says_otherwise_than_the_catalogue(admin: Kubectl, client: Client) -> None:
    name = "outscale-eu-west-2"
    assert client.ask("catalogue", "diff", name, code=1)["missing"] == [name]
    manifest = subprocess.run(
        [sys.executable, "-m", "sovereign_operator.cli", "catalogue", "show", name], capture_output=True, check=True
    ).stdout.decode()
    admin.apply(manifest)
    try:
        assert client.ask("catalogue", "diff", name)["same"] == [name]
        admin.run("patch", "cloudservice", name, "--type=merge", "-p", '{"spec": {"foreignLaws": ["US"]}}')
        (found,) = client.ask("catalogue", "diff", code=1)["differences"]
        assert (found["service"], found["field"]) == (name, "foreignLaws")
        assert (found["shipped"], found["cluster"]) == ([], ["US"])
    finally:
        admin.delete("cloudservice", name)
