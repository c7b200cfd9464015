"""All pods of namespaces that enforce, warn or audit are seen: in metrics, in the policy's status, and in reports."""

import json
import time
from collections.abc import Iterator

import pytest

from hack import audit_log
from hack.cluster import Cluster
from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Json, Kubectl, KubectlError, eventually
from sovereign_operator.core import names
from sovereign_operator.core.workload.namespace_report import MAX_RESULTS
from sovereign_operator.kube.client import resource
from tests.documents import REFERENCE, command_blocks
from tests.e2e.support.guards import refused_change
from tests.e2e.support.manifests import pod, workload
from tests.e2e.support.observed import audit, leader, metric
from tests.e2e.support.reports import SOON, called, report, results, served, until_reported, writes
from tests.e2e.support.spaces import Space

REFUSED = "paris-1"


def nine_pods(admin: Kubectl, namespace: str) -> None:
    """Run nine pods, before any label is there: four of them on a node that secnumcloud refuses."""
    admin.create(workload("Deployment", "records", 3, nodeName=REFUSED), namespace)
    admin.create(workload("StatefulSet", "db", 3, nodeName="brest-1"), namespace)
    admin.create(workload("Job", "import", 1, nodeName="brest-1"), namespace)
    admin.create(pod("alone", nodeName=REFUSED), namespace)
    admin.create(pod("waiting", schedulerName="nobody"), namespace)
    running = "jsonpath={.status.phase}=Running"
    eventually(lambda: len(admin.list("pods", namespace)) == 9, what="nine pods")
    for selector in ("app=records", "app=db", "app=import"):
        admin.run("-n", namespace, "wait", "pod", "-l", selector, f"--for={running}", "--timeout=90s")


def label(admin: Kubectl, namespace: str, **labels: str) -> None:
    """Set labels under our prefix on a namespace; an empty value removes one."""
    words = [f"sovereignty.dev/{key}={value}" if value else f"sovereignty.dev/{key}-" for key, value in labels.items()]
    admin.run("label", "namespace", namespace, *words, "--overwrite")


class Judged:
    """What the metrics say of the pods of a namespace."""

    def __init__(self, admin: Kubectl, cluster: Cluster, namespace: str) -> None:
        self._admin, self._cluster, self._namespace = admin, cluster, namespace

    def pods(self, policy: str, mode: str, place: str) -> float:
        """Return how many pods are there for a policy; -1 if nothing says so."""
        labels = f'mode="{mode}",namespace="{self._namespace}",place="{place}",policy="{policy}"'
        return metric(self._admin, self._cluster, f"sovereign_pods_judged{{{labels}}}")


@pytest.mark.every_kubernetes
def test_pods_from_before_the_label_are_seen_whoever_made_them(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    namespace = space(None)
    judged = Judged(admin, cluster, namespace)
    nine_pods(admin, namespace)
    label(admin, namespace, enforce="secnumcloud")
    for place, number in {"inside": 4, "outside": 4, "pending": 1, "unknown": 0}.items():
        eventually(
            lambda: judged.pods("secnumcloud", "enforce", place) == number,  # noqa: B023
            what=f"{number} pods {place}",
        )
    older = f'sovereign_pods_older_than_label{{namespace="{namespace}",policy="secnumcloud"}}'
    assert metric(admin, cluster, older) == 9

    def told() -> list[Json]:
        status = admin.get("sovereigntypolicy", "secnumcloud")["status"]
        # There may be others of tests before, whose namespaces are being deleted.
        assert status["pods"]["outside"] >= 4
        return [example for example in status["podExamples"] if example["namespace"] == namespace]

    examples = {example["owner"]: example for example in eventually(told, seconds=SOON, what="the policy's word")}
    said = examples["Deployment/records"]["message"]
    assert "3 of 3 pod(s) are outside: records-" in said
    assert "Globex West Europe has no SecNumCloud qualification" in said
    preview = f"once `kubectl sovereign preview -n {namespace}` says that new ones would start"
    assert said.endswith(f"To move its pods, {preview}: kubectl -n {namespace} rollout restart deployment/records")
    assert "Nothing creates it again" in examples["Pod/alone"]["message"]
    assert {"OUTSIDE", "PODS"} <= set(admin.run("get", "sovereigntypolicies").split("\n", 1)[0].split())

    label(admin, namespace, enforce="")
    eventually(lambda: judged.pods("secnumcloud", "enforce", "inside") == -1, what="no number any more")


@pytest.mark.every_kubernetes
def test_what_is_only_tried_is_judged_and_nothing_else_happens_to_it(
    admin: Kubectl, cluster: Cluster, space: Space
) -> None:
    namespace = space(None)
    judged = Judged(admin, cluster, namespace)
    label(admin, namespace, warn="secnumcloud", audit="hds")
    admin.create(pod("one", nodeName=REFUSED), namespace)
    admin.run("-n", namespace, "wait", "pod/one", "--for=condition=Ready", "--timeout=60s")
    eventually(lambda: judged.pods("secnumcloud", "warn", "outside") == 1, what="a pod that is tried")
    eventually(lambda: judged.pods("hds", "audit", "outside") == 1, what="by both policies")
    assert judged.pods("secnumcloud", "enforce", "outside") == -1
    seen = admin.get("pod", "one", namespace)
    assert audit(seen) == {}
    assert not [key for key in seen["metadata"].get("labels", {}) if key.startswith("sovereignty.dev/")]

    status = eventually(
        lambda: (told := admin.get("sovereigntypolicy", "secnumcloud")["status"])["pods"]["triedOutside"] and told,
        seconds=SOON,
        what="the policy's word",
    )
    assert status["pods"]["tried"] >= status["pods"]["triedOutside"]
    # Both labels may stand beside an enforced policy; what is enforced then is held, and the rest is tried.
    label(admin, namespace, enforce="secnumcloud")
    eventually(lambda: judged.pods("secnumcloud", "enforce", "outside") == 1, what="a pod that is held")
    assert judged.pods("secnumcloud", "warn", "outside") == -1
    assert judged.pods("hds", "audit", "outside") == 1


def test_reports_follow_the_kinds_that_the_cluster_has(admin: Kubectl, mallory: Kubectl, space: Space) -> None:
    """No kind: none, and no error. PolicyReports where there is nothing else, and Reports as soon as there are."""
    namespace = space("secnumcloud")
    name = eventually(lambda: leader(admin), what="a leader")
    with served(admin, resource.POLICY_REPORTS):
        former = until_reported(admin, namespace, resource.POLICY_REPORTS, fail=0)
        assert former["scope"]["name"] == namespace
        thing = f"{called(resource.POLICY_REPORTS)}/{names.REPORT}"
        forged = refused_change(mallory, namespace, thing, {"summary": {"pass": 9}})
        assert "sovereignty-guard-reports" in forged
        with served(admin, resource.REPORTS):
            until_reported(admin, namespace, fail=0)
            eventually(
                lambda: not admin.list(called(resource.POLICY_REPORTS), namespace), what="no former report any more"
            )
            label(admin, namespace, enforce="")
            eventually(lambda: not admin.list(called(resource.REPORTS), namespace), what="no report any more")
            label(admin, namespace, enforce="secnumcloud")
            until_reported(admin, namespace, fail=0)
        until_reported(admin, namespace, resource.POLICY_REPORTS, fail=0)
        label(admin, namespace, enforce="")
        eventually(lambda: not admin.list(called(resource.POLICY_REPORTS), namespace), what="no report any more")
    # All that time it was one process that worked.
    assert eventually(lambda: leader(admin), what="a leader") == name


@pytest.fixture(scope="module")
def open_reports(admin: Kubectl) -> Iterator[None]:
    """Have the cluster serve OpenReports."""
    with served(admin, resource.REPORTS):
        yield


@pytest.mark.usefixtures("open_reports")
def test_a_report_tells_people_of_a_namespace_what_to_do(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    namespace = space(None)
    nine_pods(admin, namespace)
    label(admin, namespace, enforce="secnumcloud", audit="hds")
    # secnumcloud refuses paris-1, hds refuses all but brest-1; what waits is skipped.
    found = until_reported(admin, namespace, fail=2, skip=2)
    told = results(found)
    fails = told["Deployment/records", "secnumcloud", "enforce"]
    assert (fails["result"], fails["scored"], fails["severity"]) == ("fail", True, "high")
    assert fails["properties"]["outside"] == "3"
    assert fails["properties"]["judgedBy"] == f"the label sovereignty.dev/enforce of namespace {namespace}"
    assert "QualificationMissing" in fails["properties"]["reasons"]
    assert fails["message"].endswith(f"kubectl -n {namespace} rollout restart deployment/records")
    assert told["StatefulSet/db", "secnumcloud", "enforce"]["result"] == "pass"
    assert told["Job/import", "secnumcloud", "enforce"]["properties"]["olderThanLabel"] == "1"
    assert told["Pod/waiting", "hds", "audit"]["result"] == "skip"
    assert [result["result"] for result in found["results"]][:2] == ["fail", "fail"]

    # Somebody who may view the namespace, and nothing outside of it.
    admin.run("-n", namespace, "create", "rolebinding", "reader", "--clusterrole=view", "--user=reader")
    reader = Kubectl(cluster.user_kubeconfig("reader"))
    shown = eventually(lambda: reader.run("-n", namespace, "get", "report", names.REPORT), what="leave to read it")
    page = next(block for block in command_blocks(REFERENCE / "reports.md") if "get report" in block)
    assert shown.splitlines()[0].split() == page.splitlines()[1].split()
    with pytest.raises(KubectlError, match="forbidden"):
        reader.run("-n", namespace, "get", "reports")
    with pytest.raises(KubectlError, match="forbidden"):
        reader.run("get", "sovereigntypolicies")

    label(admin, namespace, enforce="", audit="")
    eventually(lambda: not admin.list(called(resource.REPORTS), namespace), what="no report any more")


@pytest.mark.usefixtures("open_reports")
def test_an_unknown_policy_is_reported_where_people_look(admin: Kubectl, space: Space) -> None:
    namespace = space(None)
    admin.create(pod("one"), namespace)
    label(admin, namespace, audit="secnumclud")
    (result,) = until_reported(admin, namespace, error=1)["results"]
    assert "there is no SovereigntyPolicy secnumclud" in result["message"]


@pytest.mark.usefixtures("open_reports")
def test_pods_that_come_and_go_write_a_report_twice_a_minute_at_most(
    admin: Kubectl, cluster: Cluster, space: Space
) -> None:
    namespace = space("secnumcloud")
    since = audit_log.position(cluster)
    begun = time.monotonic()
    admin.create(workload("Deployment", "app", 1), namespace)
    for number in (2, 1, 3, 0, 2, 1, 3, 2):
        admin.run("-n", namespace, "scale", "deployment/app", f"--replicas={number}")
        admin.run("-n", namespace, "rollout", "status", "deployment/app", "--timeout=60s")
    found = eventually(
        lambda: (
            (seen := report(admin, namespace))["summary"]["pass"] == 1
            and results(seen)["Deployment/app", "secnumcloud", "enforce"]["properties"]["pods"] == "2"
            and seen
        ),
        seconds=SOON,
        what="the report of two pods",
    )
    assert found["results"][0]["message"] == "all 2 pod(s) run on nodes that policy secnumcloud accepts"
    assert len(writes(cluster, namespace, since)) <= 2 + (time.monotonic() - begun) / 30


@pytest.mark.usefixtures("open_reports")
def test_a_restart_writes_no_report(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    old, new = space("secnumcloud"), space(None)
    admin.create(workload("Deployment", "app", 2), old)
    admin.run("-n", old, "rollout", "status", "deployment/app", "--timeout=60s")
    eventually(
        lambda: results(report(admin, old))["Deployment/app", "secnumcloud", "enforce"]["properties"]["inside"] == "2",
        seconds=SOON,
        what="the report",
    )
    version = report(admin, old)["metadata"]["resourceVersion"]
    since = audit_log.position(cluster)
    former = eventually(lambda: leader(admin), what="a leader")
    admin.run("-n", NAMESPACE, "delete", "pod", "-l", CONTROLLER_PODS, "--wait=false")
    eventually(lambda: leader(admin) != former, seconds=60, what="another leader")
    # Once the controller has reported on a new namespace, it has gone through all others.
    label(admin, new, warn="secnumcloud")
    until_reported(admin, new, fail=0)
    assert report(admin, old)["metadata"]["resourceVersion"] == version
    assert writes(cluster, old, since) == []


@pytest.mark.usefixtures("open_reports")
def test_a_report_names_the_worst_and_counts_the_rest(admin: Kubectl, space: Space) -> None:
    namespace = space(None)
    many = [pod(f"many-{number:03}", schedulerName="nobody") for number in range(MAX_RESULTS + 9)]
    items = {"apiVersion": "v1", "kind": "List", "items": many}
    admin.run("-n", namespace, "create", "-f", "-", stdin=json.dumps(items))
    admin.create(pod("outside", nodeName=REFUSED), namespace)
    label(admin, namespace, audit="secnumcloud")
    found = until_reported(admin, namespace, warn=1, skip=len(many))
    assert len(found["results"]) == MAX_RESULTS
    assert found["results"][0]["resources"][0]["name"] == "outside"
    assert found["metadata"]["annotations"][names.LEFT_OUT_ANNOTATION] == "10"
