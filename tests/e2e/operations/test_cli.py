"""``kubectl sovereign explain`` on a real cluster: pods, workloads and nodes."""

import json
import shlex

import pytest

from hack import estate
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.client import Client, running
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.observed import condition, living_pods, nodes_of
from tests.e2e.support.spaces import Space

POLICY = "secnumcloud"


@pytest.mark.every_kubernetes
def test_a_pod_on_an_accepted_node_is_inside(admin: Kubectl, client: Client, hospital: str) -> None:
    name = running(admin, hospital)["metadata"]["name"]
    answer = client.ask("explain", f"pod/{name}", "-n", hospital)
    assert (answer["state"], answer["policy"], answer["next"]) == ("inside", POLICY, "nothing")
    assert f"namespace {hospital} enforces it" in answer["policySource"]
    assert {row["node"] for row in answer["nodes"] if row["verdict"] == "accepted"} == {*estate.ACCEPTED}
    assert {row["node"] for row in answer["nodes"] if row["verdict"] == "refused"} == {*estate.REFUSED}
    assert answer["claim"]["name"] == "app"
    assert (answer["unread"], answer["findings"]) == ([], [])
    text = client.text("explain", "po", name, "-n", hospital)
    assert text.startswith(f"Pod {hospital}/{name}: inside\n")
    assert "You may not read" not in text


@pytest.mark.every_kubernetes
def test_each_verdict_is_the_one_that_the_operator_wrote(client: Client) -> None:
    def agrees(node: str) -> bool:
        answer = json.loads(client.run("explain", f"node/{node}", "-o", "json").stdout)
        return bool(answer["policies"]) and all(row["written"] for row in answer["policies"])

    for name in (*estate.ACCEPTED, *estate.REFUSED):
        eventually(lambda name=name: agrees(name), what=f"the same verdicts on {name}")  # type: ignore[misc]
    brest = client.ask("explain", "node/brest-1")
    assert (brest["datacentre"], brest["service"], brest["evidence"]) == ("brest", "armor-snc", "Declared")
    assert client.ask("explain", "node/paris-1", code=1)["findings"]


def test_a_pod_that_waits_says_which_of_its_rules_keeps_it_off(admin: Kubectl, client: Client, hospital: str) -> None:
    admin.create(pod("picky", nodeSelector={"disk": "ssd"}), hospital)

    def waits() -> Json:
        found = json.loads(client.run("explain", "pod/picky", "-n", hospital, "-o", "json").stdout)
        assert found["scheduler"], "the scheduler has not looked at it yet"
        return dict(found)

    answer = eventually(waits, what="a pod that the scheduler has looked at")
    assert answer["state"] == "pending"
    assert "its own rules keep it off the 2 nodes that policy secnumcloud accepts" in answer["why"]
    accepted = {row["node"]: row["lacks"] for row in answer["nodes"] if row["verdict"] == "accepted"}
    assert accepted == {name: ["does not meet spec.nodeSelector (disk In ssd)"] for name in estate.ACCEPTED}
    assert "change the pod, or brest-1" in answer["next"]
    assert client.run("explain", "pod/picky", "-n", hospital).returncode == 1


def test_a_pod_keeps_off_taints_and_cordoned_nodes(admin: Kubectl, client: Client, hospital: str) -> None:
    admin.run("cordon", "brest-1")
    try:
        answer = client.ask("explain", "deployment/app", "-n", hospital)
    finally:
        admin.run("uncordon", "brest-1")
    lacks = {row["node"]: row["lacks"] for row in answer["nodes"] if row["verdict"] == "accepted"}
    assert lacks == {"brest-1": ["has the taint node.kubernetes.io/unschedulable:NoSchedule"], "lyon-1": []}


def test_a_pod_outside_says_how_to_move_it_and_that_helps(admin: Kubectl, client: Client, space: Space) -> None:
    hospital = space(None)
    admin.apply(workload("Deployment", "app", replicas=1, nodeName="paris-1"), namespace=hospital)
    name = eventually(lambda: running(admin, hospital)["metadata"]["name"], what="a pod on paris-1")
    assert client.ask("explain", f"pod/{name}", "-n", hospital)["state"] == "not in scope"
    admin.run("label", "namespace", hospital, f"sovereignty.dev/enforce={POLICY}")
    answer = client.ask("explain", f"pod/{name}", "-n", hospital, code=1)
    assert answer["state"] == "outside"
    assert "on paris-1, which policy secnumcloud does not accept: paris: Globex West Europe" in answer["why"]
    command = f"kubectl -n {hospital} rollout restart deployment/app"
    # A new pod would be refused for the same field, so that has to go first.
    assert answer["next"].startswith("mend this first, as new pods would be refused: spec.nodeName names node paris-1")
    assert answer["next"].endswith(f"leave spec.nodeName out; then to move its pods: {command}")
    (row,) = client.ask("preview", "-n", hospital, code=1)["rows"]
    assert (row["workload"], row["trigger"], row["outcome"]) == ("Deployment/app", "next roll-out", "refused")
    admin.run("-n", hospital, "patch", "deployment", "app", "--type=json", "-p", REMOVE_NODE)
    admin.run(*shlex.split(command)[1:])

    def inside() -> bool:
        found = json.loads(client.run("explain", "deployment/app", "-n", hospital, "-o", "json").stdout)
        return [row["state"] for row in found["pods"]] == ["inside"]

    eventually(inside, what="a pod that was moved")


REMOVE_NODE = json.dumps([{"op": "remove", "path": "/spec/template/spec/nodeName"}])


def test_a_workload_whose_pods_the_api_server_refuses_quotes_it(admin: Kubectl, client: Client, space: Space) -> None:
    hospital = space()
    admin.apply(workload("Deployment", "app", replicas=1, nodeName="paris-1"), namespace=hospital)

    def refused() -> Json:
        done = client.run("explain", "deploy/app", "-n", hospital, "-o", "json")
        found: Json = json.loads(done.stdout)
        assert found["refused"]
        assert done.returncode == 1
        return found

    answer = eventually(refused, what="a refusal")
    assert "node not accepted" in answer["refused"][0]
    assert "the API server refuses new pods" in answer["why"]


@pytest.mark.every_kubernetes
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"])
def test_every_kind_of_workload_can_be_explained(admin: Kubectl, client: Client, space: Space, kind: str) -> None:
    hospital = space()
    admin.apply(workload(kind, "app", replicas=1), namespace=hospital)
    if kind == "CronJob":
        admin.run("-n", hospital, "create", "job", "app-now", "--from=cronjob/app")
    # A DaemonSet has a pod on each accepted node.
    wanted = ["inside"] * (2 if kind == "DaemonSet" else 1)

    def explained() -> Json:
        found: Json = json.loads(client.run("explain", f"{kind}/app", "-n", hospital, "-o", "json").stdout)
        assert [row["state"] for row in found["pods"]] == wanted
        return found

    answer = eventually(explained, what=f"the pods of a {kind}")
    assert (answer["workload"], answer["policy"], answer["next"]) == (f"{kind}/app", POLICY, "nothing")


def test_a_workload_can_be_explained_by_its_sovereign_workload(client: Client, hospital: str) -> None:
    by_claim = client.ask("explain", "swl/app", "-n", hospital)
    assert by_claim == client.ask("explain", "deployment/app", "-n", hospital)
    assert {entry["type"] for entry in by_claim["claim"]["conditions"]} >= {"Accepted", "Placed", "Enforced", "Ready"}


def test_a_sovereign_workload_that_puts_nothing_in_scope_says_why(
    admin: Kubectl, client: Client, hospital: str
) -> None:
    admin.apply(
        sovereign("second", workloadRef={"kind": "Deployment", "name": "app"}),
        sovereign("empty", workloadRef={"kind": "Deployment", "name": "nosuch"}),
        namespace=hospital,
    )
    try:
        for name in ("second", "empty"):
            eventually(
                lambda name=name: condition(admin, "swl", name, "Accepted", hospital)["status"] == "False",  # type: ignore[misc]
                what="a refusal",
            )
        second = client.ask("explain", "swl/second", "-n", hospital, code=1)
        empty = client.ask("explain", "swl/empty", "-n", hospital, code=1)
    finally:
        admin.delete("swl", "second", "empty", namespace=hospital)
    assert (second["claim"]["name"], second["next"]) == ("second", "delete one of the two")
    assert second["why"].startswith("AlreadyTaken: ")
    assert empty["why"] == "there is no Deployment nosuch"


def test_what_is_left_of_a_policy_is_named_with_the_way_out(admin: Kubectl, client: Client, space: Space) -> None:
    hospital = space()
    admin.apply(workload("DaemonSet", "app"), namespace=hospital)
    eventually(lambda: len(living_pods(admin, hospital)) == len(estate.ACCEPTED), what="a pod on each accepted node")
    admin.create(pod("waits", nodeSelector={"disk": "ssd"}), hospital)
    admin.run("label", "namespace", hospital, "sovereignty.dev/enforce-")
    waiting = client.ask("explain", "pod/waits", "-n", hospital, code=1)
    assert "created under policy secnumcloud and still selects its nodes" in waiting["why"]
    assert waiting["next"].endswith(f"kubectl -n {hospital} delete pod waits")
    left = client.ask("explain", "ds/app", "-n", hospital, code=1)
    assert "its pod template still selects the nodes of policy secnumcloud" in left["why"]
    assert {row["node"] for row in left["nodes"] if not row["lacks"]} == {*estate.ACCEPTED}
    admin.run(*shlex.split(left["next"].partition(": ")[2])[1:])
    everywhere = {*estate.ACCEPTED, *estate.REFUSED}
    eventually(lambda: nodes_of(living_pods(admin, hospital)) == everywhere, what="a pod on each node")
    assert client.ask("explain", "ds/app", "-n", hospital)["next"] == "nothing"


def test_a_policy_that_a_sovereign_workload_names_is_traced_to_it(
    admin: Kubectl, client: Client, anywhere: str
) -> None:
    name = "traced"
    admin.apply(
        workload("Deployment", name, replicas=1),
        sovereign(name, policy=POLICY, workloadRef={"kind": "Deployment", "name": name}),
        namespace=anywhere,
    )
    try:
        eventually(lambda: condition(admin, "swl", name, "Ready", anywhere)["status"] == "True", what="ready")
        answer = client.ask("explain", f"deployment/{name}", "-n", anywhere)
        (row,) = answer["pods"]
        explained = client.ask("explain", f"pod/{row['pod']}", "-n", anywhere)
    finally:
        admin.delete("swl,deployment", name, namespace=anywhere)
    assert (answer["policy"], explained["policy"], row["state"]) == (POLICY, POLICY, "inside")
    written = f"which SovereignWorkload {name} has the operator write; the namespace enforces none"
    assert answer["policySource"] == f"the pod template has the label sovereignty.dev/policy, {written}"
    assert explained["policySource"] == f"the pod has the label sovereignty.dev/policy, {written}"
    enforced = next(entry for entry in answer["claim"]["conditions"] if entry["type"] == "Enforced")
    assert enforced["reason"] == "NamespaceNotLabelled"


def test_a_policy_that_does_not_exist_is_named(admin: Kubectl, client: Client, hospital: str) -> None:
    name = running(admin, hospital)["metadata"]["name"]
    admin.run("label", "namespace", hospital, "sovereignty.dev/enforce=secnumclod", "--overwrite")
    answer = client.ask("explain", f"pod/{name}", "-n", hospital, code=1)
    assert answer["next"].startswith("there is no SovereigntyPolicy secnumclod: create it or correct the name")


def test_what_does_not_exist_is_an_error_with_the_next_step(client: Client, hospital: str) -> None:
    assert client.error("explain", "pod/nope", "-n", hospital) == (
        f"error: there is no Pod nope in namespace {hospital}: correct the name, or name another with -n"
    )
    assert "there is no Node nope: correct the name, or kubectl get nodes lists them" in client.error(
        "explain", "node/nope"
    )
    assert "there is no node nope" in client.error("nodes", "declare", "nope")
