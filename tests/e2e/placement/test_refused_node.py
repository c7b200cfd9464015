"""New pods leave a refused node alone that keeps its label for running pods, whatever they prefer or tolerate."""

import json

import pytest

from hack.cluster import Cluster
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.estate import host_names, set_status
from tests.e2e.support.manifests import pod, workload
from tests.e2e.support.observed import living_pods, nodes_of, told
from tests.e2e.support.refused_nodes import HOST, KEPT, OTHER, cordoned, occupy, prefers, suspend_kept, verbs
from tests.e2e.support.sidecars import dry_run
from tests.e2e.support.spaces import Space

pytestmark = [pytest.mark.usefixtures("changed_estate"), pytest.mark.every_kubernetes]

EVERYTHING = [{"operator": "Exists"}]


def restart_kubelet(cluster: Cluster, admin: Kubectl, node: str) -> None:
    """Restart a kubelet, which admits all pods of its node again."""
    before = {entry["metadata"]["uid"] for entry in admin.list("pods") if entry["spec"].get("nodeName") == node}
    cluster.stop_kubelet(node)
    renewed = admin.get("lease", node, "kube-node-lease")["spec"]["renewTime"]
    cluster.start_kubelet(node)
    eventually(
        lambda: admin.get("lease", node, "kube-node-lease")["spec"]["renewTime"] > renewed, what=f"kubelet of {node}"
    )
    # It has reported on its pods, all of which it admitted or failed.
    eventually(
        lambda: not before - {entry["metadata"]["uid"] for entry in admin.list("pods")} and _is_ready(admin, node),
        what=f"{node} ready",
    )


def _is_ready(admin: Kubectl, node: str) -> bool:
    conditions = {entry["type"]: entry["status"] for entry in admin.get("node", node)["status"]["conditions"]}
    return bool(conditions["Ready"] == "True")


def test_pods_that_prefer_the_refused_node_and_tolerate_everything_run_elsewhere(
    admin: Kubectl, cluster: Cluster, space: Space
) -> None:
    namespace = space()
    kept = occupy(admin, namespace, KEPT)
    suspend_kept(admin)

    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    selecting = spread | {"labelSelector": {}}
    admin.create(pod("tolerates-all", affinity=prefers(KEPT), tolerations=EVERYTHING), namespace)
    admin.create(pod("prefers", affinity=prefers(KEPT), topologySpreadConstraints=[selecting]), namespace)
    admin.apply(workload("Deployment", "app", 3, affinity=prefers(KEPT), tolerations=EVERYTHING), namespace=namespace)
    for name in ("tolerates-all", "prefers"):
        admin.run("-n", namespace, "wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
        assert admin.get("pod", name, namespace)["spec"]["nodeName"] == OTHER
    admin.run("-n", namespace, "rollout", "status", "deployment/app", "--timeout=60s")
    assert nodes_of(living_pods(admin, namespace, "app=app")) == {OTHER}
    assert not told(admin, namespace, "node not accepted")

    # What they were given to avoid that node must not end them when it is their own node's turn.
    running = {entry["metadata"]["uid"] for entry in living_pods(admin, namespace)}
    assert kept in running
    set_status(admin, "armor-snc", "Suspended")
    eventually(lambda: not host_names(admin, "secnumcloud"), what="a role without nodes")
    eventually(lambda: HOST not in admin.get("node", OTHER)["metadata"]["labels"], what="the label for new pods gone")
    for node in (KEPT, OTHER):
        restart_kubelet(cluster, admin, node)
    assert {entry["metadata"]["uid"] for entry in living_pods(admin, namespace)} == running


def test_full_nodes_are_called_full_and_nothing_stays_of_it(admin: Kubectl, space: Space) -> None:
    namespace = space()
    occupy(admin, namespace, KEPT)
    suspend_kept(admin)
    large = pod("large", tolerations=EVERYTHING)
    large["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "900"}}
    admin.create(large, namespace)
    eventually(lambda: told(admin, namespace, "Insufficient cpu"), what="an Event that says that there is no room")
    assert not told(admin, namespace, "node not accepted")

    set_status(admin, "hexa-gouv", "Qualified")
    eventually(lambda: "avoid" not in verbs(admin), what="a role that has pods avoid nothing")
    eventually(lambda: HOST in admin.get("node", KEPT)["metadata"]["labels"], what="the label for new pods back")
    # An injector, which places pods before Kubernetes 1.36, asks for the role once a second.
    eventually(lambda: "topologySpreadConstraints" not in dry_run(admin, pod("after"), namespace)["spec"], what="none")


def test_a_pod_that_is_older_than_the_refusal_is_told_how_to_leave_the_node_out(admin: Kubectl, space: Space) -> None:
    namespace = space()
    occupy(admin, namespace, KEPT)
    with cordoned(admin, OTHER):
        with cordoned(admin, KEPT):
            admin.create(pod("older"), namespace)
            eventually(lambda: told(admin, namespace, "were unschedulable"), what="a pod that waits")
            suspend_kept(admin)
        eventually(lambda: told(admin, namespace, "node not accepted"), what="a binding that was refused")
        words = f"delete this one and have it created again: kubectl -n {namespace} delete pod older"
        eventually(lambda: told(admin, namespace, words), what="what to do about it")


def test_a_copy_may_bring_along_what_admission_wrote(admin: Kubectl, space: Space) -> None:
    """From a backup, for example. The API server refuses two constraints of one kind."""
    namespace = space()
    occupy(admin, namespace, KEPT)
    suspend_kept(admin)
    words = ("-n", namespace, "create", "--dry-run=server", "-f", "-", "-o", "json")
    first = admin.attempt(*words, stdin=json.dumps(pod("first")))
    # kubectl shows the warnings of the API server here.
    assert (first.returncode, first.stderr) == (0, "")
    (constraint,) = json.loads(first.stdout)["spec"]["topologySpreadConstraints"]
    assert constraint == {
        "maxSkew": 1,
        "topologyKey": HOST,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {},
    }
    again = json.loads(admin.run(*words, stdin=json.dumps(pod("copy", topologySpreadConstraints=[constraint]))))
    assert again["spec"]["topologySpreadConstraints"] == [constraint]
