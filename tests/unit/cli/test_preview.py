"""``preview`` without a cluster: files say all that there is, as ``kubectl get -o yaml`` prints it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from sovereign_operator.cli import __main__ as program
from sovereign_operator.cli.answers.preview import report_preview
from sovereign_operator.core.sidecar.injection import inject
from sovereign_operator.core.workload.previewed import Outcome
from sovereign_operator.core.workload.refusal import SETTINGS
from tests.unit.cli.previews import hospital

Json = dict[str, Any]
DAY = "2030-06-15"
OURS = "sovereignty.dev/v1alpha1"


def ours(kind: str, name: str, **spec: Any) -> Json:
    return {"apiVersion": OURS, "kind": kind, "metadata": {"name": name}, "spec": spec}


def service(name: str, *qualifications: Json) -> Json:
    return ours(
        "CloudService",
        name,
        provider=name,
        service="Cloud",
        countries=["FR"],
        technologyOrigin="EU",
        foreignLaws=[],
        qualifications=[*qualifications],
    )


def datacentre(name: str, of: str) -> Json:
    nodes = [{"name": f"{name}-1", "uid": f"uid-of-{name}-1"}]
    return ours("Datacentre", name, serviceRef={"name": of}, country="FR", nodes=nodes)


def node(name: str, cpu: str = "4", **metadata: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"uid-of-{name}", **metadata},
        "spec": {},
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}},
    }


def spec(cpu: str = "1", **fields: Any) -> Json:
    return {"containers": [{"name": "app", "image": "x", "resources": {"requests": {"cpu": cpu}}}], **fields}


def deployment(name: str, replicas: int = 1, *, uid: str = "", labels: Mapping[str, str] = {}, **fields: Any) -> Json:
    template = {"metadata": {"labels": {"app": name, **labels}}, "spec": spec(**fields)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "hospital", **({"uid": uid} if uid else {})},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def pod(name: str, on: str, *, owner: tuple[str, str] | None = None, hashed: str = "", **fields: Any) -> Json:
    references = [{"apiVersion": "apps/v1", "kind": owner[0], "name": owner[1], "controller": True}] if owner else []
    labels = {"pod-template-hash": hashed} if hashed else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "hospital",
            "uid": f"uid-of-{name}",
            "labels": labels,
            "ownerReferences": references,
        },
        "spec": spec(nodeName=on, **fields),
        "status": {"phase": "Running"},
    }


QUALIFIED = {
    "id": "snc",
    "scheme": "SecNumCloud",
    "version": "3.2",
    "status": "Qualified",
    "decision": "EX-101",
    "validFrom": "2029-06-15",
    "validUntil": "2031-06-15",
}
POLICY = ours("SovereigntyPolicy", "secnumcloud", qualifications=[{"scheme": "SecNumCloud"}], gracePeriodSeconds=0)
ESTATE = (
    service("armor", QUALIFIED),
    service("globex"),
    datacentre("brest", "armor"),
    datacentre("paris", "globex"),
    node("brest-1"),
    node("paris-1"),
    POLICY,
)


class Asker:
    """Asks for previews."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capsys = folder, capsys

    def __call__(self, *objects: Json, options: tuple[str, ...] = (), day: str = DAY) -> Json:
        path = self._folder / "all.yaml"
        path.write_text(yaml.safe_dump_all([*ESTATE, *objects]), encoding="utf-8")
        words = ["preview", "--offline", "-f", str(path), "-o", "json", *options]
        words += ["--at", day] if day else []
        with pytest.raises(SystemExit) as end:
            program.run(words)
        printed = self._capsys.readouterr()
        assert not printed.err
        answer: Json = json.loads(printed.out)
        assert end.value.code == (1 if answer["findings"] else 0)
        return answer

    def outcomes(self, *objects: Json, options: tuple[str, ...] = (), day: str = DAY) -> dict[str, tuple[str, str]]:
        rows = self(*objects, options=options, day=day)["rows"]
        return {row["workload"]: (row["trigger"], row["outcome"]) for row in rows}


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asker:
    return Asker(tmp_path, capsys)


ENFORCES = ("--policy", "secnumcloud", "-n", "hospital")
NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "hospital", "uid": "u", "labels": {"sovereignty.dev/enforce": "secnumcloud"}},
}


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


def test_a_volume_in_another_place_holds_its_pod(ask: Asker) -> None:
    stateful = deployment("db") | {"kind": "StatefulSet"}
    stateful["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}}]
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-db-0", "namespace": "hospital"},
        "spec": {"volumeName": "pv-1"},
    }
    zone = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["paris"]}]}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "pv-1"},
        "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [zone]}}},
    }
    (row,) = ask(stateful, claim, volume, options=ENFORCES)["rows"]
    assert row["outcome"] == "hangs"
    assert "PersistentVolume pv-1 of claim data-db-0" in row["reason"]


def mounting(name: str, **volume: Any) -> Json:
    return deployment(name, volumes=[{"name": "data", **volume}])


def claim(name: str, **spec: Any) -> Json:
    metadata = {"name": name, "namespace": "hospital"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def test_claims_that_are_not_bound(ask: Asker) -> None:
    storage = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}}
    ephemeral = {"volumeClaimTemplate": {"spec": {"storageClassName": "slow"}}}
    rows = ask(
        storage,
        claim("waits", storageClassName="fast"),
        claim("never", storageClassName="slow"),
        mounting("gone", persistentVolumeClaim={"claimName": "gone"}),
        mounting("later", persistentVolumeClaim={"claimName": "waits"}),
        mounting("never", persistentVolumeClaim={"claimName": "never"}),
        mounting("ephemeral", ephemeral=ephemeral),
        options=ENFORCES,
    )["rows"]
    found = {row["workload"]: (row["outcome"], row["reason"]) for row in rows}
    assert found["Deployment/gone"] == ("hangs", "claim gone does not exist: its pods wait until somebody creates it")
    assert found["Deployment/later"][0] == "cannot tell"
    assert found["Deployment/never"][0] == "hangs"
    assert "there is no StorageClass slow" in found["Deployment/never"][1]
    assert found["Deployment/ephemeral"][0] == "hangs"
    assert "claim of volume data cannot be bound" in found["Deployment/ephemeral"][1]


def test_without_a_storage_class_in_the_files_nothing_is_known_of_any(ask: Asker) -> None:
    made = claim("data", storageClassName="slow"), mounting("db", persistentVolumeClaim={"claimName": "data"})
    assert ask.outcomes(*made, options=ENFORCES)["Deployment/db"] == ("creation", "cannot tell")


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


RUNNING = (
    NAMESPACE,
    deployment("portal", uid="1"),
    pod("portal-abc-1", "brest-1", owner=("ReplicaSet", "portal-abc"), hashed="abc"),
)


@pytest.mark.parametrize(
    ("without", "outcome"),
    [
        ("dctr/brest", "hangs"),
        ("csvc/armor", "hangs"),
        ("node/brest-1", "hangs"),
        ("node/paris-1", "runs"),
        ("datacentre/paris", "runs"),
    ],
)
def test_what_is_gone(ask: Asker, without: str, outcome: str) -> None:
    assert ask.outcomes(*RUNNING, options=("--without", without))["Deployment/portal"][1] == outcome


def test_another_day_ends_qualifications(ask: Asker) -> None:
    last, after = (ask.outcomes(*RUNNING, day=day)["Deployment/portal"][1] for day in ("2031-06-15", "2031-06-16"))
    assert (last, after) == ("runs", "hangs")


def test_a_derogation_in_a_file_counts_as_approved(ask: Asker) -> None:
    waives = ours(
        "Derogation",
        "pilot",
        policyRef={"name": "secnumcloud"},
        serviceRef={"name": "globex"},
        scheme="SecNumCloud",
        reason="pilot",
        until="2030-12-31",
    )
    moving = pod("alone", "paris-1")
    assert ask.outcomes(NAMESPACE, moving)["Pod/alone"][1] == "moves"
    assert ask.outcomes(NAMESPACE, moving, waives)["Pod/alone"][1] == "runs"
    assert ask.outcomes(NAMESPACE, moving, waives, day="2031-01-01")["Pod/alone"][1] == "moves"


def test_pods_of_a_policy_that_encrypts(ask: Asker) -> None:
    encrypts = ours(
        "SovereigntyPolicy",
        "secnumcloud",
        qualifications=[{"scheme": "SecNumCloud"}],
        encryptionInTransit={"mode": "Strict"},
    )
    rows = ask.outcomes(encrypts, deployment("host", hostNetwork=True), deployment("fine"), options=ENFORCES)
    assert {name: outcome for name, (_, outcome) in rows.items()} == {
        "Deployment/host": "refused",
        "Deployment/fine": "runs",
    }


@pytest.mark.parametrize(
    ("mode", "gone", "outcome"),
    [
        ("Strict", "dctr/brest", ("withdrawal", "cut off")),
        ("Preferred", "csvc/armor", ("withdrawal", "cut off")),
        ("Permissive", "dctr/brest", ("withdrawal", "moves")),
        ("Strict", "node/brest-1", ("withdrawal", "moves")),
        ("Strict", "dctr/paris", ("next roll-out", "runs")),
    ],
)
def test_pods_lose_their_certificates_with_their_datacentre(
    ask: Asker, mode: str, gone: str, outcome: tuple[str, str]
) -> None:
    lasting = QUALIFIED | {"validFrom": "2020-01-01", "validUntil": "2099-01-01"}
    encrypts = ours(
        "SovereigntyPolicy",
        "secnumcloud",
        qualifications=[{"scheme": "SecNumCloud"}],
        encryptionInTransit={"mode": mode},
    )
    running = inject(pod("alone", "brest-1"), "secnumcloud", SETTINGS)
    running["metadata"]["labels"] = {"sovereignty.dev/placed-for": "secnumcloud"}
    found = ask.outcomes(
        service("armor", lasting),
        service("hexa", lasting),
        datacentre("lyon", "hexa"),
        node("lyon-1"),
        encrypts,
        NAMESPACE,
        running,
        options=("--without", gone),
        day="",
    )
    assert found["Pod/alone"] == outcome


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


def test_nodes_without_a_size_leave_room_unknown(ask: Asker) -> None:
    sizeless = node("brest-1") | {"status": {}}
    (row,) = ask(sizeless, deployment("portal"), options=ENFORCES)["rows"]
    assert row["outcome"] == "cannot tell"
    assert "status.allocatable" in row["reason"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing would change"),
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


def test_findings_are_all_that_do_not_simply_run() -> None:
    answer = report_preview(hospital())
    assert len(answer.findings) == sum(count for outcome, count in answer.totals.items() if outcome != Outcome.RUNS)
    assert answer.exit_code == 1
