"""The controller as the chart runs it: its rights, its replicas, its logs and metrics, and what it leaves alone."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from kopf._cogs.structs.references import Insights

from hack import audit_log
from hack.cluster import Cluster
from hack.install import CONTROLLER_PODS, NAMESPACE, wait_for_kinds
from hack.kubectl import Kubectl, eventually
from sovereign_operator.controller.observed.kopf_watch import WatchLostError, until_watch_lost
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from tests.e2e.support.estate import host_names, labelled, restore_estate
from tests.e2e.support.guards import bare, without_bindings
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.observed import audit, condition, endings, leader, living_pods, metric
from tests.e2e.support.spaces import Space

PROCESSES = ("sovereign-controller", "sovereign-injector", "sovereign-seed", "sovereign-signer")


def test_it_runs_without_privileges(admin: Kubectl) -> None:
    for running in living_pods(admin, NAMESPACE, CONTROLLER_PODS):
        (container,) = running["spec"]["containers"]
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not context["allowPrivilegeEscalation"]
        assert running["spec"]["securityContext"]["runAsNonRoot"]
        # If a test has restarted its node, the kubelet reports that a container ended for an unknown reason.
        ended = running["status"]["containerStatuses"][0].get("lastState", {}).get("terminated", {})
        assert ended.get("reason", "Unknown") == "Unknown", ended
    admitted = admin.run(
        "label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted", "--dry-run=server"
    )
    assert "violate" not in admitted


@pytest.mark.last
def test_it_was_never_refused_anything(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    """The processes have all rights that they need: after all tests, no request of theirs was forbidden."""
    namespace = space(None)
    admin.apply(
        workload("DaemonSet", "app"),
        sovereign("app", policy="secnumcloud", workloadRef={"kind": "DaemonSet", "name": "app"}),
        namespace=namespace,
    )
    eventually(lambda: condition(admin, "swl", "app", "Ready", namespace)["status"] == "True", what="ready")
    requests = [entry for process in PROCESSES for entry in audit_log.requests_of(cluster, process)]
    assert len(requests) > 100
    forbidden = {
        (entry["verb"], entry["requestURI"].partition("?")[0])
        for entry in requests
        if entry.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
    }
    # During a migration of keys the signer may list them before or after it has the right to do so.
    assert forbidden <= {("list", f"/api/v1/namespaces/{NAMESPACE}/secrets")}
    # The guards refused none of their requests either, except where a test had filled an object. During an upgrade, the
    # seed may meet the guard of the former version.
    said = {entry.get("responseStatus", {}).get("message", "") for entry in requests}
    meant = ("sovereignty-guard-seed", "denied request: too many labels or annotations: ")
    assert not {text for text in said if "sovereignty-guard" in text and not any(words in text for words in meant)}


@pytest.mark.last
@pytest.mark.parametrize("process", PROCESSES)
def test_every_right_that_it_has_is_used(admin: Kubectl, cluster: Cluster, process: str) -> None:
    """A right that no process uses in any test should not be granted."""
    granted = set()
    for rule in admin.get("clusterrole", process)["rules"] + admin.get("role", process, NAMESPACE)["rules"]:
        for group in rule["apiGroups"]:
            granted |= {(group, resource, verb) for resource in rule["resources"] for verb in rule["verbs"]}
    used = {
        (ref.get("apiGroup", ""), "/".join(filter(None, (ref["resource"], ref.get("subresource")))), entry["verb"])
        for entry in audit_log.requests_of(cluster, process)
        if (ref := entry.get("objectRef"))
    }
    # The controller holds these only because it may not grant rights that it does not hold. The API server checks the
    # signer's when the signer writes certificates and bundles.
    held = {("sovereignty.dev", "nodes", "host")}
    held |= {("sovereignty.dev", "namespaces", "certify")}
    held |= {("sovereignty.dev", "sovereigntypolicies", verb) for verb in ("enforce", "host", "encrypt", "certify")}
    held |= {("certificates.k8s.io", "signers", verb) for verb in ("sign", "attest")}
    # A server-side apply that creates an object is logged as a patch, and needs both rights.
    applied = {(group, resource, "create") for group, resource, verb in used if verb == "patch"}
    unused = granted - used - held - applied
    assert not unused


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


def test_what_is_taken_out_of_a_template_goes_and_what_others_change_comes_back(admin: Kubectl, space: Space) -> None:
    namespace = space()
    template = {"kind": "Deployment", "spec": workload("Deployment", "app")["spec"]}
    template["spec"]["minReadySeconds"] = 1
    admin.apply(sovereign("app", template=template), namespace=namespace)
    eventually(lambda: admin.get("deployment", "app", namespace)["spec"]["minReadySeconds"] == 1, what="the workload")
    admin.run("-n", namespace, "scale", "deployment/app", "--replicas=1")
    eventually(lambda: admin.get("deployment", "app", namespace)["spec"]["replicas"] == 2, what="two replicas again")
    del template["spec"]["minReadySeconds"]
    admin.apply(sovereign("app", template=template), namespace=namespace)
    eventually(
        lambda: "minReadySeconds" not in admin.get("deployment", "app", namespace)["spec"], what="the field gone"
    )


def test_a_misspelt_field_of_a_template_is_refused_in_words(admin: Kubectl, space: Space) -> None:
    """The API server reports such a field as an internal error."""
    namespace = space()
    template = {"kind": "Deployment", "spec": {**workload("Deployment", "app")["spec"], "replica": 3}}
    admin.apply(sovereign("app", template=template), namespace=namespace)
    accepted = eventually(lambda: condition(admin, "swl", "app", "Accepted", namespace), what="an answer")
    assert (accepted["status"], accepted["reason"]) == ("False", "RefusedByServer")
    assert ".spec.replica: field not declared in schema" in accepted["message"]


def test_one_that_cannot_be_carried_out_is_in_nobodys_way(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.apply(workload("Deployment", "app"), namespace=namespace)
    reference = {"kind": "Deployment", "name": "app"}
    admin.apply(sovereign("first", policy="hds", workloadRef=reference), namespace=namespace)
    eventually(
        lambda: condition(admin, "swl", "first", "Accepted", namespace)["reason"] == "PolicyConflict", what="a conflict"
    )
    admin.apply(sovereign("second", workloadRef=reference), namespace=namespace)
    eventually(lambda: condition(admin, "swl", "second", "Ready", namespace)["status"] == "True", what="ready")
    admin.apply(sovereign("third", workloadRef=reference), namespace=namespace)
    taken = eventually(lambda: condition(admin, "swl", "third", "Accepted", namespace), what="an answer")
    assert taken["reason"] == "AlreadyTaken"
    assert "second" in taken["message"]


def test_it_takes_away_what_others_forged_under_its_prefix(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.create(pod("one"), namespace)
    eventually(lambda: "decision-id" in audit(admin.get("pod", "one", namespace)), what="annotations of the operator's")
    forged = [f"audit.sovereignty.dev/{word}=by me" for word in ("auditor", "verdict")]
    with without_bindings(admin, "sovereignty-guard-annotations"):
        forge = ("-n", namespace, "annotate", "pod", "one", "--overwrite", *forged)
        eventually(lambda: admin.run(*forge), seconds=20, what="forgery without the guard")
    said = eventually(
        lambda: "auditor" not in (seen := audit(admin.get("pod", "one", namespace))) and seen,
        what="annotations of the operator's alone",
    )
    assert said["verdict"].startswith("accepted")
    with without_bindings(admin, "sovereignty-guard-nodes"):
        annotate = ("annotate", "node", "brest-1", "verdict.sovereignty.dev/forged=accepted")
        eventually(lambda: admin.run(*annotate), seconds=20, what="forgery without the guard")
    eventually(
        lambda: "verdict.sovereignty.dev/forged" not in admin.get("node", "brest-1")["metadata"]["annotations"],
        what="the forged verdict gone",
    )


def test_it_leaves_no_finalizers_and_no_state(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.apply(
        workload("Deployment", "app"),
        sovereign("app", workloadRef={"kind": "Deployment", "name": "app"}),
        namespace=namespace,
    )
    eventually(lambda: condition(admin, "swl", "app", "Ready", namespace)["status"] == "True", what="ready")
    kinds = "cloudservices,datacentres,sovereigntypolicies,sovereignworkloads,nodes,namespaces,deployments,pods"
    for obj in admin.list(kinds):
        text = json.dumps({**obj["metadata"], "managedFields": None})
        assert "kopf" not in text, obj["metadata"]["name"]
        ours = [entry for entry in obj["metadata"].get("finalizers", ()) if "sovereignty" in entry]
        assert not ours, obj["metadata"]["name"]


def test_its_log_is_json_and_names_decisions(admin: Kubectl) -> None:
    log = admin.run("-n", NAMESPACE, "logs", eventually(lambda: leader(admin), what="a leader"))
    entries = [json.loads(line) for line in log.splitlines()]
    decisions = [entry for entry in entries if "decision" in entry]
    assert {"node", "policy", "accepted", "nodeUID"} <= decisions[0].keys()
    assert {entry["node"] for entry in decisions} >= {"brest-1", "paris-1"}


def test_it_shows_its_health_and_metrics(admin: Kubectl, cluster: Cluster) -> None:
    name = eventually(lambda: leader(admin), what="a leader")
    address = admin.get("pod", name, NAMESPACE)["status"]["podIP"]
    health = cluster.node_exec("nantes-1", ["curl", "--silent", "--fail", f"http://{address}:8080/healthz"])
    assert health.stdout == "ok"
    metrics = cluster.node_exec("nantes-1", ["curl", "--silent", "--fail", f"http://{address}:8080/metrics"]).stdout
    assert 'sovereign_nodes_accepted{policy="secnumcloud"} 2.0' in metrics
    assert "sovereign_leading 1.0" in metrics
    assert "sovereign_guards_broken 0.0" in metrics
    for state, number in {"present": 1, "lost": 0, "replaced": 0}.items():
        assert f'sovereign_datacentre_nodes{{datacentre="brest",state="{state}"}} {number}.0' in metrics


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
    assert len(crds) == 4
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

    with pytest.raises(WatchLostError, match="cloudservices, datacentres, sovereigntypolicies, sovereignworkloads"):
        asyncio.run(listens())


def test_the_time_is_the_servers(admin: Kubectl) -> None:
    """A condition's transition time is the API server's time, to within a minute."""
    admin.delete("sovereigntypolicy", "timed")
    admin.apply(
        {
            "apiVersion": "sovereignty.dev/v1alpha1",
            "kind": "SovereigntyPolicy",
            "metadata": {"name": "timed"},
            "spec": {},
        }
    )
    seen = eventually(lambda: condition(admin, "sovereigntypolicy", "timed", "Ready"), what="a condition")
    admin.delete("sovereigntypolicy", "timed")
    age = datetime.now(UTC) - datetime.fromisoformat(seen["lastTransitionTime"])
    assert abs(age.total_seconds()) < 60
