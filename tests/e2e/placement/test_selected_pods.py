"""A SovereignWorkload reports on pods that no kind of workload owns, and does nothing to them."""

import json

import pytest

from hack import audit_log
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.manifests import pod, sovereign
from tests.e2e.support.observed import condition
from tests.e2e.support.spaces import Space

MADE = {"made-by": "operator"}
SELECTOR: Json = {"matchLabels": MADE, "matchExpressions": [{"key": "old", "operator": "DoesNotExist"}]}


def status_of(admin: Kubectl, namespace: str) -> Json:
    """Return the status of the SovereignWorkload."""
    found: Json = admin.get("swl", "db", namespace).get("status", {})
    return found


@pytest.mark.every_kubernetes
def test_it_says_where_selected_pods_run(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    namespace = space(None)
    begun = audit_log.position(cluster)
    admin.create(pod("db-1", labels=MADE, nodeName="paris-1"), namespace)
    admin.create(pod("db-0", labels=MADE | {"old": "yes"}, nodeName="paris-1"), namespace)
    admin.create(pod("other"), namespace)
    admin.run("label", "namespace", namespace, "sovereignty.dev/enforce=secnumcloud")
    admin.create(pod("db-2", labels=MADE), namespace)
    admin.apply(sovereign("db", podSelector=SELECTOR), namespace=namespace)

    def counted(**numbers: int) -> bool:
        status = status_of(admin, namespace)
        return {name: status.get(name) for name in numbers} == numbers

    eventually(lambda: counted(pods=2, inside=1, outside=1), seconds=60, what="both pods in the status")
    status = status_of(admin, namespace)
    assert status["workload"] == "Pods/made-by=operator,!old"
    assert [example["pod"] for example in status["outsideExamples"]] == ["db-1"]
    assert f"kubectl -n {namespace} delete pod db-1" in status["outsideExamples"][0]["message"]
    assert condition(admin, "swl", "db", "Ready", namespace)["reason"] == "PodsOutside"
    admin.delete("pod", "db-1", namespace=namespace)
    eventually(lambda: counted(pods=1, inside=1, outside=0), seconds=60, what="the pod that is left")
    eventually(
        lambda: condition(admin, "swl", "db", "Ready", namespace)["status"] == "True", seconds=60, what="a ready pod"
    )
    # It learns of pods without any event about the selector's object.
    admin.create(pod("db-3", labels=MADE), namespace)
    eventually(lambda: counted(pods=2, inside=2), seconds=60, what="the new pod")
    written = {
        (audit_log.target(entry), entry["objectRef"]["name"])
        for entry in audit_log.writes_in(audit_log.requests_of(cluster, "sovereign-controller", begun))
        if entry["objectRef"].get("namespace") == namespace
    }
    # Audit annotations, which all pods in scope get, and nothing else.
    assert {what for what, _ in written} <= {"pods", "sovereignworkloads/status", "events"}


def test_whoever_may_write_it_needs_no_further_right(admin: Kubectl, space: Space) -> None:
    namespace = space(None)
    admin.run("-n", namespace, "create", "serviceaccount", "reporter")
    rights = ("--verb=create", "--resource=sovereignworkloads.sovereignty.dev")
    admin.run("-n", namespace, "create", "role", "reporter", *rights)
    account = f"{namespace}:reporter"
    admin.run("-n", namespace, "create", "rolebinding", "reporter", "--role=reporter", f"--serviceaccount={account}")
    create = ("-n", namespace, f"--as=system:serviceaccount:{account}", "create", "-f", "-")
    selected = sovereign("db", policy="secnumcloud", podSelector=SELECTOR)
    heard = admin.attempt(*create, stdin=json.dumps(selected))
    assert heard.returncode == 0, heard.stderr
    assert "spec.podSelector reports on pods and puts none in scope" in heard.stderr
    named = sovereign("app", policy="secnumcloud", workloadRef={"kind": "Deployment", "name": "app"})
    assert "not yours" in admin.refusal(*create, stdin=json.dumps(named))
