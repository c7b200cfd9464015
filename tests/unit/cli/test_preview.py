"""``preview`` without a cluster: files say all that there is, as ``kubectl get -o yaml`` prints it."""

from pathlib import Path

import pytest
import yaml

from sovereign_operator.cli import __main__ as program
from tests.unit.cli.preview_files import DAY, ENFORCES, ESTATE, NAMESPACE, Asker, deployment, node, ours, pod, spec


def test_a_label_for_what_runs(ask: Asker) -> None:
    found = ask.outcomes(
        deployment("portal", uid="1"),
        pod("portal-abc-1", "brest-1", owner=("ReplicaSet", "portal-abc"), hashed="abc"),
        deployment("records", uid="2"),
        pod("records-abc-1", "paris-1", owner=("ReplicaSet", "records-abc"), hashed="abc"),
        pod("alone", "paris-1"),
        pod("db-1", "paris-1", owner=("Cluster", "db")),
        deployment("large", uid="3", cpu="9"),
        options=ENFORCES,
    )
    assert found == {
        "Deployment/portal": ("label", "runs"),
        "Deployment/records": ("label", "moves"),
        "Pod/alone": ("label", "moves"),
        "Cluster/db": ("label", "moves"),
        "Deployment/large": ("label", "hangs"),
    }


def test_manifests_that_are_not_applied_yet(ask: Asker) -> None:
    found = ask.outcomes(
        deployment("records", 2),
        deployment("other", labels={"sovereignty.dev/policy": "hds"}),
        deployment("pinned", nodeName="paris-1"),
        deployment("apart", schedulerName="mine"),
        options=ENFORCES,
    )
    assert found == {
        "Deployment/records": ("creation", "runs"),
        "Deployment/other": ("creation", "refused"),
        "Deployment/pinned": ("creation", "refused"),
        "Deployment/apart": ("creation", "cannot tell"),
    }


def test_other_kinds_of_workloads(ask: Asker) -> None:
    job = {"parallelism": 2, "completions": 2, "template": {"spec": spec(restartPolicy="Never")}}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": spec()}
    selector = {"matchLabels": {"app": "x"}}
    kinds = {
        ("batch/v1", "Job"): job,
        ("batch/v1", "CronJob"): {"schedule": "0 3 * * *", "jobTemplate": {"spec": job}},
        ("apps/v1", "DaemonSet"): {"selector": selector, "template": template},
        ("apps/v1", "StatefulSet"): {
            "selector": selector,
            "template": template,
            "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        },
        ("apps/v1", "ReplicaSet"): {"selector": selector, "template": template, "replicas": 0},
        ("v1", "ReplicationController"): {"selector": {"app": "x"}, "template": template},
    }
    metadata = {"name": "x", "namespace": "hospital"}
    objects = [
        {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": made}
        for (version, kind), made in kinds.items()
    ]
    # Eight CPUs are asked for, and one node of eight is accepted.
    found = ask.outcomes(*objects, node("brest-1", cpu="8"), options=ENFORCES)
    assert {name: outcome for name, (_, outcome) in found.items()} == {
        "Job/x": "runs",
        "CronJob/x": "runs",
        "DaemonSet/x": "runs",
        "StatefulSet/x": "cannot tell",
        "ReplicaSet/x": "runs",
        "ReplicationController/x": "runs",
    }


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("pods x is forbidden: exceeded quota: small", "cannot tell"),
        ("ValidatingAdmissionPolicy 'sovereignty-guard-pods' denied request", "runs"),
    ],
)
def test_pods_that_something_else_refuses_already(ask: Asker, said: str, outcome: str) -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": said}
    failing = deployment("app", uid="1") | {"status": {"conditions": [refused]}}
    (row,) = ask(failing, options=ENFORCES)["rows"]
    assert row["outcome"] == outcome
    assert ("exceeded quota" in row["reason"]) is (outcome == "cannot tell")


def test_jobs_that_are_suspended_or_run_at_the_same_time(ask: Asker) -> None:
    job = {"parallelism": 1, "template": {"spec": spec(restartPolicy="Never")}}
    metadata = {"name": "night", "namespace": "hospital", "uid": "1"}
    batch = {"apiVersion": "batch/v1", "metadata": metadata}
    found = ask.outcomes(
        batch | {"kind": "Job", "spec": job | {"suspend": True, "template": {"spec": spec(cpu="99")}}},
        batch | {"kind": "CronJob", "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": job}}},
        pod("night-29000000-a", "brest-1", owner=("Job", "night-29000000")),
        pod("night-29000001-a", "paris-1", owner=("Job", "night-29000001")),
        options=ENFORCES,
    )
    assert found == {"Job/night": ("label", "runs"), "CronJob/night": ("label", "moves")}


def test_a_sovereign_workload_in_a_file_puts_a_workload_in_scope(ask: Asker) -> None:
    claim = ours(
        "SovereignWorkload",
        "portal",
        policyRef={"name": "secnumcloud"},
        workloadRef={"kind": "Deployment", "name": "portal"},
    )
    claim["metadata"]["namespace"] = "hospital"
    (row,) = ask(deployment("portal"), claim, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}})[
        "rows"
    ]
    assert (row["policy"], row["outcome"]) == ("secnumcloud", "runs")


def test_a_sovereign_workload_in_a_file_has_its_workload_created(ask: Asker) -> None:
    template = {"kind": "Deployment", "spec": deployment("portal", nodeName="paris-1")["spec"]}
    claim = ours("SovereignWorkload", "portal", policyRef={"name": "secnumcloud"}, template=template)
    claim["metadata"]["namespace"] = "hospital"
    assert ask.outcomes(claim) == {"Deployment/portal": ("creation", "refused")}


def test_pods_of_owners_that_others_own_are_seen(ask: Asker) -> None:
    owned = {"ownerReferences": [{"apiVersion": "x/v1", "kind": "Thing", "name": "x", "controller": True}]}
    replica_set = deployment("x-1") | {"kind": "ReplicaSet"}
    replica_set["metadata"] |= {"uid": "1"} | owned
    found = ask.outcomes(replica_set, pod("x-1-a", "paris-1", owner=("ReplicaSet", "x-1")), options=ENFORCES)
    assert found == {"ReplicaSet/x-1": ("label", "moves")}


def test_a_job_that_has_ended_is_left_out(ask: Asker) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once", "namespace": "hospital", "uid": "1"},
        "spec": {"template": {"spec": spec(nodeName="paris-1")}},
        "status": {"conditions": [{"type": "Complete", "status": "True"}]},
    }
    assert ask.outcomes(job, options=ENFORCES) == {}


def test_a_workload_that_cannot_be_read_hides_no_other(ask: Asker) -> None:
    broken = deployment("broken") | {"spec": {"replicas": "many", "template": {"spec": spec()}}}
    metadata = {"name": "x", "namespace": "hospital"}
    job = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": {"jobTemplate": 3}}
    empty = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": 5}}
    found = ask.outcomes(broken, job, empty, deployment("fine"), options=ENFORCES)
    assert {name: outcome for name, (_, outcome) in found.items()} == {
        "CronJob/x": "cannot tell",
        "Deployment/broken": "cannot tell",
        "Deployment/fine": "runs",
        "Pod/x": "cannot tell",
    }


@pytest.mark.parametrize(
    ("kind", "field"), [("Deployment", "replicas"), ("StatefulSet", "replicas"), ("Job", "parallelism")]
)
def test_a_workload_of_more_pods_than_any_cluster_holds_hides_no_other(ask: Asker, kind: str, field: str) -> None:
    """The API server stores any number, and nobody waits for an answer about each of them."""
    endless = deployment("endless") | {"kind": kind, "apiVersion": "batch/v1" if kind == "Job" else "apps/v1"}
    endless["spec"] = {field: 2**31 - 1, "template": {"spec": spec()}}
    found = {row["workload"]: row for row in ask(endless, deployment("fine"), options=ENFORCES)["rows"]}
    assert found.keys() == {"Deployment/fine", f"{kind}/endless"}
    assert found[f"{kind}/endless"]["outcome"] == "cannot tell"
    assert found[f"{kind}/endless"]["reason"] == "it asks for 2147483647 pods, and a preview looks at 5000 at most"


def test_files_of_other_namespaces_are_named(ask: Asker) -> None:
    other = deployment("portal")
    other["metadata"]["namespace"] = "clinic"
    assert ask(other, deployment("portal"), options=ENFORCES)["elsewhere"] == ["clinic"]
    assert ask(other, deployment("portal"), options=("--policy", "secnumcloud", "-A"))["elsewhere"] == []


def test_nodes_without_a_size_leave_room_unknown(ask: Asker) -> None:
    sizeless = node("brest-1") | {"status": {}}
    (row,) = ask(sizeless, deployment("portal"), options=ENFORCES)["rows"]
    assert row["outcome"] == "cannot tell"
    assert "status.allocatable" in row["reason"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--policy", "x", "-n", "a", "-A"), "contradict"),
        (("--offline", "--at", DAY), "name files with -f"),
        (("--at", "tomorrow"), "is no day"),
        (("--without", "pod/x"), "is not a KIND/NAME"),
        (("--offline", "-f", "/nonexistent.yaml"), "cannot be read"),
    ],
)
def test_questions_that_have_no_answer(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        program.run(["preview", *words])
    assert end.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        "- a\n- b\n",
        "kind: Pod\n",
        "a: {\n",
        "kind: Pod\nmetadata: {}\n",
        "kind: Node\nmetadata: {name: x}\nspec: 3\n",
        "kind: Namespace\nmetadata: {name: x, labels: [a]}\n",
    ],
)
def test_files_that_hold_something_else(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        program.run(["preview", "--offline", "-f", str(path)])
    assert end.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--policy", "secnumclod", "-n", "hospital"),
            "there is no SovereigntyPolicy secnumclod: correct secnumclod; no file of -f has it",
        ),
        (("--without", "node/brest-2"), "there is no Node brest-2: correct node/brest-2; no file of -f has it"),
        (
            ("--policy", "secnumcloud", "-n", "hospitl"),
            "there is no Namespace hospitl: no file of -f has it, or an object in it; correct -n",
        ),
    ],
)
def test_what_no_file_has(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump_all([*ESTATE, deployment("portal")]), encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        program.run(["preview", "--offline", "-f", str(path), *words])
    assert (end.value.code, capsys.readouterr().err) == (2, f"error: {said}\n")


def test_a_namespace_of_which_files_say_nothing_else(ask: Asker) -> None:
    answer = ask(NAMESPACE, options=ENFORCES)
    assert (answer["scope"], answer["rows"]) == ("hospital", [])
    portal = deployment("portal")
    del portal["metadata"]["namespace"]
    assert ask.outcomes(portal, options=ENFORCES) == {"Deployment/portal": ("creation", "runs")}


@pytest.mark.parametrize("namespace", ["kube-system", "sovereign-system"])
def test_a_namespace_that_is_never_in_scope(ask: Asker, namespace: str) -> None:
    answer = ask(options=("--policy", "secnumcloud", "-n", namespace))
    assert (answer["neverInScope"], answer["rows"]) == (True, [])
    assert not ask(NAMESPACE, options=ENFORCES)["neverInScope"]
