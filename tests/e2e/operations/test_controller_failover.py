"""Replicas of the controller take over from each other, and a restart changes nothing."""

import json
from datetime import UTC, datetime

import pytest

from hack.cluster import Cluster
from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.observed import condition, endings, leader
from tests.e2e.support.spaces import Space


def test_another_replica_takes_over_at_once_when_the_active_one_ends(admin: Kubectl) -> None:
    first = eventually(lambda: leader(admin), what="a leader")
    admin.run("-n", NAMESPACE, "delete", "pod", first, "--wait=false")
    second = eventually(lambda: (seen := leader(admin)) != first and seen, seconds=30, what="another leader")
    assert second != first
    admin.run("-n", NAMESPACE, "rollout", "status", "deployment/sovereign-controller", "--timeout=90s")


def test_another_replica_takes_over_when_the_active_one_is_killed(admin: Kubectl, space: Space) -> None:
    namespace = space()
    first = eventually(lambda: leader(admin), what="a leader")
    admin.run("-n", NAMESPACE, "delete", "pod", first, "--force", "--grace-period=0")
    admin.create(pod("one"), namespace)
    annotated = eventually(
        lambda: "audit.sovereignty.dev/decision-id" in admin.get("pod", "one", namespace)["metadata"]["annotations"],
        seconds=60,
        what="work goes on",
    )
    assert annotated
    admin.run("-n", NAMESPACE, "rollout", "status", "deployment/sovereign-controller", "--timeout=90s")


def test_a_replica_that_loses_its_lease_starts_again_in_its_container(admin: Kubectl, cluster: Cluster) -> None:
    """If its container ended, the kubelet would wait longer each time before it starts it again, up to five minutes."""
    before = endings(admin)
    for _ in range(2):
        first = eventually(lambda: leader(admin), seconds=30, what="a leader")
        address = admin.get("pod", first, NAMESPACE)["status"]["podIP"]
        healthy = ["curl", "--silent", "--fail", f"http://{address}:8080/healthz"]
        lost = times_logged(admin, first, "could not renew the Lease")
        taken = {"holderIdentity": "somebody-else", "renewTime": datetime.now(UTC).isoformat(timespec="microseconds")}
        spec = json.dumps({"spec": taken})
        admin.run("-n", NAMESPACE, "patch", "lease", "sovereign-controller", "--type=merge", "-p", spec)
        eventually(
            lambda: times_logged(admin, first, "could not renew the Lease") > lost,  # noqa: B023
            what="the Lease lost",
        )
        eventually(lambda: cluster.node_exec("nantes-1", healthy).stdout == "ok", what="a process that runs")  # noqa: B023
    assert endings(admin) == before
    eventually(lambda: leader(admin), seconds=30, what="a leader")


def times_logged(admin: Kubectl, pod_name: str, words: str) -> int:
    """Return how often a pod of the operator has logged these words since its container started."""
    return admin.run("-n", NAMESPACE, "logs", pod_name).count(words)


@pytest.mark.usefixtures("changed_estate")
def test_a_restart_changes_nothing(admin: Kubectl, space: Space) -> None:
    """An adopted workload stays adopted: giving it back, even for a moment, would cause two roll-outs."""
    adopted = [space(None), space("secnumcloud")]
    for namespace in adopted:
        admin.apply(workload("Deployment", "app"), namespace=namespace)
        speaks = sovereign("app", policy="secnumcloud", workloadRef={"kind": "Deployment", "name": "app"})
        admin.apply(speaks, namespace=namespace)
        eventually(lambda: condition(admin, "swl", "app", "Ready", namespace)["status"] == "True", what="ready")  # noqa: B023
    before = [admin.get("deployment", "app", namespace)["metadata"]["generation"] for namespace in adopted]
    admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-controller", "--replicas=0")
    eventually(lambda: not admin.list("pods", NAMESPACE, CONTROLLER_PODS), what="no controller")
    admin.run("-n", NAMESPACE, "scale", "deployment/sovereign-controller", "--replicas=1")
    # Once the controller has reported on a new object, it has gone through all others.
    admin.apply(sovereign("new", workloadRef={"kind": "Deployment", "name": "none"}), namespace=adopted[0])
    eventually(lambda: condition(admin, "swl", "new", "Ready", adopted[0]), what="work goes on")
    after = [admin.get("deployment", "app", namespace)["metadata"]["generation"] for namespace in adopted]
    assert after == before
