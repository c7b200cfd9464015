"""The controller recovers when its roles are changed, its kinds deleted, or a watch is lost."""

import asyncio
import json

import pytest
from kopf._cogs.structs.references import Insights

from hack.cluster import Cluster
from hack.install import wait_for_kinds
from hack.kubectl import Kubectl, eventually
from sovereign_operator.controller.observed.kopf_watch import WatchLostError, until_watch_lost
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from tests.e2e.support.estate import host_names, labelled, restore_estate
from tests.e2e.support.guards import bare
from tests.e2e.support.manifests import pod, sovereign
from tests.e2e.support.observed import condition, endings, living_pods, metric
from tests.e2e.support.spaces import Space


@pytest.mark.usefixtures("changed_estate")
def test_a_role_that_somebody_changes_is_put_right(admin: Kubectl) -> None:
    add = '[{"op": "add", "path": "/rules/1/resourceNames/-", "value": "paris-1"}]'
    admin.run("patch", "clusterrole", "sovereignty:host:secnumcloud", "--type=json", "-p", add)
    eventually(lambda: host_names(admin, "secnumcloud") == ["brest-1", "lyon-1"], seconds=20, what="the role put right")
    admin.delete("clusterrolebinding", "sovereignty:host:secnumcloud")
    eventually(
        lambda: admin.get("clusterrolebinding", "sovereignty:host:secnumcloud"), seconds=20, what="its binding again"
    )


@pytest.mark.usefixtures("changed_estate")
def test_deleting_our_crds_changes_nothing_that_is_enforced(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    """With the CRDs all objects vanish. The host roles must not change because of that."""
    namespace = space()
    policies = [bare(entry) for entry in admin.list("sovereigntypolicies")]
    crds = [bare(entry) for entry in admin.list("crds") if entry["spec"]["group"] == "sovereignty.dev"]
    assert len(crds) == 5
    before = endings(admin)
    try:
        admin.delete("crd", *(entry["metadata"]["name"] for entry in crds))
        frozen = eventually(lambda: metric(admin, cluster, "sovereign_frozen") == 1.0, seconds=40, what="frozen")
        assert frozen
        assert host_names(admin, "secnumcloud") == ["brest-1", "lyon-1"]
        assert labelled(admin) == {"brest-1", "lyon-1"}
        # Other users' changes to namespaces must not be blocked.
        admin.run("label", "namespace", namespace, "example.org/x=y")
        refused = admin.refusal("-n", namespace, "create", "-f", "-", stdin=json.dumps(pod("by", nodeName="paris-1")))
        assert "sovereignty-guard-pods-by-namespace" in refused
        admin.create(pod("inside"), namespace)
        eventually(lambda: living_pods(admin, namespace), what="a pod that runs inside")
    finally:
        admin.apply(*crds, options=["--server-side"])
        for entry in crds:
            admin.run("wait", f"crd/{entry['metadata']['name']}", "--for=condition=Established", "--timeout=30s")
        admin.apply(*policies, options=["--server-side", "--force-conflicts"])
        restore_estate(admin)
        wait_for_kinds(admin)
    # kopf may not notice that the kinds are back, so the controller restarts.
    eventually(lambda: endings(admin) != before, seconds=40, what="a controller that was started again")
    eventually(lambda: metric(admin, cluster, "sovereign_frozen") == 0.0, seconds=40, what="thawed")
    admin.apply(sovereign("again", workloadRef={"kind": "Deployment", "name": "nowhere"}), namespace=namespace)
    eventually(
        lambda: condition(admin, "swl", "again", "Ready", namespace)["status"] == "False",
        what="heard of again",
    )


def test_it_begins_anew_when_kopf_has_lost_a_kind(cluster: Cluster) -> None:
    """After CRDs were deleted and created again, kopf sometimes stops watching a kind without logging it."""

    async def listens() -> None:
        insights = Insights()
        insights.ready_resources.set()
        async with asyncio.timeout(60), await connect(cluster.kubeconfig) as client:
            await until_watch_lost(Api(client, ServerClock()), insights)

    kinds = "cloudservices, datacentres, derogations, sovereigntypolicies, sovereignworkloads"
    with pytest.raises(WatchLostError, match=kinds):
        asyncio.run(listens())
