"""``kubectl sovereign report`` on a real cluster: what an auditor files, with few rights and with all."""

import csv
import io
import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from tests.documents import REFERENCE, blocks
from tests.e2e.support.client import Client, changed, on_path, running, unread
from tests.e2e.support.derogations import bind, unbind
from tests.e2e.support.manifests import pod, workload
from tests.e2e.support.observed import living_pods
from tests.e2e.support.spaces import Space

POLICY = "secnumcloud"
RIGHTS = ("view", "sovereignty-cluster-view")
"""What the page says that an auditor needs."""


@pytest.fixture
def auditor(admin: Kubectl, cluster: Cluster) -> Iterator[Client]:
    """Somebody who may read what a report is about in the whole cluster, and change nothing."""
    bind(admin, "auditor", *RIGHTS)
    yield Client(cluster.user_kubeconfig("auditor"))
    unbind(admin, "auditor", *RIGHTS)


def workloads(answer: Json) -> dict[str, Json]:
    """Return the rows of a report by workload."""
    return {row["workload"]: row for row in answer["workloads"]}


@pytest.mark.every_kubernetes
def test_an_auditor_reads_where_pods_run_and_on_what_basis(admin: Kubectl, auditor: Client, hospital: str) -> None:
    found = running(admin, hospital)
    answer = eventually(lambda: auditor.ask("report", "-n", hospital), what="a report without findings")
    row = workloads(answer)["Deployment/app"]
    assert (row["sovereignWorkload"], row["policy"], row["mode"], row["result"]) == ("app", POLICY, "enforce", "pass")
    (place,) = row["places"]
    (entry,) = place["pods"]
    site = next(name for name, (_, _, node) in estate.DATACENTRES.items() if node == found["spec"]["nodeName"])
    assert (entry["pod"], entry["uid"]) == (found["metadata"]["name"], found["metadata"]["uid"])
    assert (place["datacentre"], place["service"], place["country"]) == (site, estate.DATACENTRES[site][0], "FR")
    assert (place["place"], place["evidence"], place["foreignLaws"]) == ("inside", "Declared", [])
    assert place["basis"][0].startswith("SecNumCloud 3.2 (decision EX-")
    # The report says what the pod carries.
    annotations = eventually(lambda: carried(admin, hospital), what="an annotated pod")
    assert entry["decisionId"] == annotations["decision-id"]
    assert entry["why"] == annotations["verdict"]
    (node,) = (node for node in answer["nodes"] if node["node"] == entry["node"])
    assert (node["uid"], node["datacentre"]) == (annotations["node-uid"], site)
    assert (answer["guards"], answer["unread"], answer["findings"]) == ([], [], [])


def carried(admin: Kubectl, namespace: str) -> dict[str, str]:
    """Return the audit annotations of the one pod that runs in a namespace."""
    annotations = running(admin, namespace)["metadata"]["annotations"]
    found = {key.removeprefix("audit.sovereignty.dev/"): value for key, value in annotations.items()}
    assert "decision-id" in found
    return found


@pytest.mark.every_kubernetes
def test_a_report_names_the_cluster_the_caller_and_the_versions(
    admin: Kubectl, auditor: Client, client: Client, hospital: str
) -> None:
    answer = json.loads(auditor.run("report", "-n", hospital, "-o", "json").stdout)
    assert answer["cluster"] == admin.get("namespace", "kube-system")["metadata"]["uid"]
    assert answer["askedBy"]["user"] == "auditor"
    assert "system:authenticated" in answer["askedBy"]["groups"]
    assert (answer["scope"], answer["kind"]) == (hospital, "AuditReport")
    versions = client.ask("version")
    assert answer["versions"]["kubernetes"] == versions["server"]
    assert answer["versions"]["chart"] == versions["chart"]
    accepted = {row["datacentre"] for row in answer["acceptances"] if row["policy"] == POLICY and row["accepted"]}
    assert accepted == {name for name, (_, _, node) in estate.DATACENTRES.items() if node in estate.ACCEPTED}
    assert len(answer["notCovered"]) > 10


def test_pods_outside_are_findings_whoever_made_them(admin: Kubectl, auditor: Client, space: Space) -> None:
    namespace = space(None)
    admin.apply(workload("Deployment", "app", replicas=1, nodeName="paris-1"), namespace=namespace)
    admin.create(pod("bare", nodeName="nantes-1"), namespace)
    eventually(lambda: len(living_pods(admin, namespace)) == 2, what="two pods")
    admin.run("label", "namespace", namespace, f"sovereignty.dev/enforce={POLICY}")
    answer = auditor.ask("report", "-n", namespace, code=1)
    rows = workloads(answer)
    assert {name: row["result"] for name, row in rows.items()} == {"Deployment/app": "fail", "Pod/bare": "fail"}
    (place,) = rows["Deployment/app"]["places"]
    assert (place["place"], place["datacentre"], place["foreignLaws"]) == ("outside", "paris", ["US"])
    assert "Globex" in place["why"]
    assert any(finding.startswith(f"{namespace}: Pod/bare, policy {POLICY}: 1 of 1") for finding in answer["findings"])
    admin.run("label", "namespace", namespace, "sovereignty.dev/enforce-", f"sovereignty.dev/audit={POLICY}")
    tried = auditor.ask("report", "-n", namespace)
    assert {(row["mode"], row["result"]) for row in tried["workloads"]} == {("audit", "warn")}


@pytest.mark.every_kubernetes
def test_who_may_read_one_namespace_alone_is_told_which_calls_were_refused(
    admin: Kubectl, developer: Client, hospital: str
) -> None:
    name = running(admin, hospital)["metadata"]["name"]
    eventually(lambda: carried(admin, hospital), what="an annotated pod")
    answer = developer.ask("report", "-n", hospital, code=1)
    (place,) = workloads(answer)["Deployment/app"]["places"]
    assert (place["place"], place["evidence"], place["pods"][0]["pod"]) == ("inside", "Declared", name)
    assert place["basis"][0].startswith("SecNumCloud 3.2")
    assert (answer["policies"], answer["acceptances"], answer["guards"], answer["cluster"]) == (None, None, None, "")
    refused = {"nodes", "datacentres.sovereignty.dev", "cloudservices.sovereignty.dev", "namespaces"}
    assert unread(answer) >= refused | {"sovereigntypolicies.sovereignty.dev", "derogations.sovereignty.dev"}
    page = developer.text("report", "-n", hospital, "-o", "html", code=1)
    for words in ("list nodes", "get namespaces kube-system", "nodes is forbidden: User &#34;dev&#34;"):
        assert words in page
    (row,) = csv.DictReader(io.StringIO(developer.text("report", "-n", hospital, "-o", "csv", code=1), newline=""))
    assert "list nodes" in row["unread"]
    assert row["guards"] == "unknown"
    assert {row[column] for column in ("provider", "country", "foreignLaws", "decisions")} == {"may not be read"}


def test_pods_that_may_not_be_read_are_not_none(admin: Kubectl, cluster: Cluster, hospital: str) -> None:
    """The ClusterRole shows facts, nodes and namespaces of the whole cluster, and no pods."""
    role = RIGHTS[1]
    bind(admin, "overseer", role)
    try:
        overseer = Client(cluster.user_kubeconfig("overseer"))
        text = eventually(lambda: overseer.text("report", "-n", hospital, code=1), what="rights")
    finally:
        unbind(admin, "overseer", role)
    assert f" Pods held to policies: unknown: you may not read pods in namespace {hospital}." in text


def test_a_report_is_not_written_under_the_name_of_another_form(auditor: Client, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    sentence = auditor.error("report", "-o", "html", "--output-file", str(path))
    assert sentence == f"error: the name {path} stands for csv, and -o asks for html: correct one of them"
    assert not path.exists()


def test_a_stranger_gets_one_sentence(stranger: Client) -> None:
    for command in (("report",), ("report", "-A"), ("report", "-o", "html")):
        sentence = stranger.error(*command)
        assert sentence.startswith("error: you may read nothing that a report is made of: ask ")


@pytest.mark.every_kubernetes
def test_a_signed_report_is_filed_and_verified_as_the_page_says(auditor: Client, hospital: str, tmp_path: Path) -> None:
    (commands,) = (
        block.splitlines() for block in blocks(REFERENCE / "kubectl-sovereign.md", "") if "openssl pkeyutl" in block
    )
    made = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", "auditor.pem"]
    subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    environment = on_path(tmp_path) | {"KUBECONFIG": str(auditor.kubeconfig)}

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=180
        )

    done = []
    for line in commands:
        words = shlex.split(line)
        if words[0] == "kubectl":
            words = [str(tmp_path / "kubectl-sovereign"), *words[2:], "-n", hospital]
        done.append(run(words))
    assert [one.returncode for one in done] == [0, 0, 0], done
    assert done[0].stdout == "report.html: 0 findings\nreport.html.sig: its signature\n"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert hospital in page
    (tmp_path / "report.html").write_text(page.replace("inside", "outside"), encoding="utf-8")
    assert run(shlex.split(commands[-1])).returncode == 1


def test_names_that_tenants_choose_do_no_harm(admin: Kubectl, auditor: Client, space: Space) -> None:
    """An API server takes any text as the name of an owner's kind."""
    namespace = space()
    made = pod("odd")
    owner = {
        "apiVersion": "x.example/v1",
        "kind": "<script>alert(1)</script>",
        "name": "=cmd|'/C calc'!A0",
        "uid": "0a1b2c3d-0000-4000-8000-000000000000",
        "controller": True,
    }
    made["metadata"]["ownerReferences"] = [owner]
    admin.create(made, namespace)
    page = auditor.run("report", "-n", namespace, "-o", "html").stdout
    # The garbage collector does not know this kind, and so does not delete the pod.
    assert "&lt;script&gt;alert(1)&lt;/script&gt;/=cmd" in page
    assert "<script" not in page


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("explain", "pod/"), "pod/"),
        (("explain", "deployment", ""), "app"),
        (("explain", "node/br"), "node/brest-1"),
        (("nodes", "declare", "br"), "brest-1"),
        (("preview", "--policy", "secn"), POLICY),
        (("preview", "--without", "datacentre/br"), "datacentre/brest"),
        (("status", "-n", "kube-s"), "kube-system"),
    ],
)
def test_a_shell_is_offered_the_objects_of_the_cluster(
    admin: Kubectl, hospital: str, tmp_path: Path, words: tuple[str, ...], wanted: str
) -> None:
    environment = on_path(tmp_path) | {"KUBECONFIG": str(admin.kubeconfig)}
    before, last = words[:-1], words[-1]
    there = ["-n", hospital] if before[0] == "explain" else []
    command = [str(admin.program), "__complete", "sovereign", before[0], *there, *before[1:], last]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    offered = [line.partition("\t")[0] for line in shown]
    assert wanted in offered or any(entry.startswith(f"{wanted}app-") for entry in offered), shown
    assert ":4" in shown


@pytest.mark.every_kubernetes
def test_whoever_impersonates_by_options_reads_as_that_person_may(
    admin: Kubectl, developer: Client, client: Client, hospital: str, tmp_path: Path
) -> None:
    command = ("explain", "deployment/app", "-n", hospital)
    own = developer.ask(*command)
    assert client.ask(*command, "--as", "dev", "--as-group", "system:authenticated") == own
    refused = developer.error(*command, "--as", "admin")
    assert refused.startswith("error: the API server refuses: ")
    assert " cannot impersonate" in refused
    assert refused.endswith("Ask a cluster admin for this right")
    # An option takes the place of what the kubeconfig says.
    path = changed(admin.kubeconfig, tmp_path, **{"as": "stranger"})
    assert Client(path).ask(*command, "--as", "dev") == own
    answer = json.loads(client.run("report", "-n", hospital, "--as", "dev", "-o", "json").stdout)
    assert answer["askedBy"]["user"] == "dev"
