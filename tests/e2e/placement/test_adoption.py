"""Taking a workload into scope rolls it out: not if that would stop it, and not endlessly."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hack import audit_log, estate
from hack.cluster import Cluster
from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core.workload.rewrites import FEW
from tests.e2e.support.estate import host_names
from tests.e2e.support.manifests import sovereign, workload
from tests.e2e.support.observed import condition, events, living_pods
from tests.e2e.support.spaces import Space

POLICY, REFUSED = "secnumcloud", "paris-1"
HOST = "kubernetes.io/hostname"


@pytest.fixture
def volume(admin: Kubectl, space: Space) -> Iterator[str]:
    """A namespace for a StatefulSet whose volume is reachable only from a refused node."""
    namespace = space(None)
    only_there = [{"matchExpressions": [{"key": HOST, "operator": "In", "values": [REFUSED]}]}]
    admin.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": namespace},
            "spec": {
                "capacity": {"storage": "1Mi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "by-hand",
                "claimRef": {"namespace": namespace, "name": "data-db-0"},
                "hostPath": {"path": f"/var/tmp/{namespace}", "type": "DirectoryOrCreate"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": only_there}},
            },
        }
    )
    yield namespace
    admin.run("delete", "persistentvolume", namespace, "--wait=false")


@pytest.fixture(scope="module")
def nowhere(admin: Kubectl) -> Iterator[str]:
    """A policy that accepts no node."""
    name = "nowhere"
    admin.apply(estate.policy(admin, name, countries=["IS"]))
    eventually(lambda: host_names(admin, name) == [], what="a role without nodes")
    yield name
    admin.delete("sovereigntypolicy", name)


def take(admin: Kubectl, namespace: str, kind: str, name: str, **spec: Any) -> None:
    """Create a SovereignWorkload of the same name for a workload."""
    admin.apply(sovereign(name, policy=POLICY, workloadRef={"kind": kind, "name": name}, **spec), namespace=namespace)


def accepted(admin: Kubectl, namespace: str, name: str, reason: str) -> str:
    """Wait until a SovereignWorkload's condition Accepted has this reason, and return its message."""
    seen = eventually(
        lambda: (found := condition(admin, "swl", name, "Accepted", namespace))["reason"] == reason and found,
        what=f"{name} is {reason}",
    )
    return str(seen["message"])


def test_a_database_whose_volume_is_elsewhere_is_not_stopped(admin: Kubectl, volume: str) -> None:
    database = workload("StatefulSet", "db", 1)
    (container,) = database["spec"]["template"]["spec"]["containers"]
    container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "by-hand",
        "resources": {"requests": {"storage": "1Mi"}},
    }
    database["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim}]
    admin.create(database, volume)
    (before,) = eventually(lambda: living_pods(admin, volume), what="the database runs")
    take(admin, volume, "StatefulSet", "db")
    said = accepted(admin, volume, "db", "WouldStop")
    assert f"PersistentVolume {volume} of claim data-db-0 ({HOST} In {REFUSED})" in said
    assert "spec.adoption: Force" in said
    (after,) = living_pods(admin, volume)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    take(admin, volume, "StatefulSet", "db", adoption="Force")
    accepted(admin, volume, "db", "Accepted")
    eventually(lambda: not living_pods(admin, volume), what="the database stopped, as was asked for")


@pytest.mark.parametrize("surge", [0, 1])
def test_only_what_has_no_surge_would_stop(admin: Kubectl, space: Space, surge: int) -> None:
    namespace = space(None)
    there = workload("Deployment", "app", 1, nodeSelector={HOST: REFUSED})
    there["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": 1 - surge}}
    admin.create(there, namespace)
    eventually(lambda: living_pods(admin, namespace), what="it runs")
    take(admin, namespace, "Deployment", "app")
    if surge:
        accepted(admin, namespace, "app", "Accepted")
        warned = eventually(lambda: events(admin, namespace, "app")["PodsMayWait"], what="a warning")
        assert f"spec.nodeSelector ({HOST} In {REFUSED})" in warned
    else:
        assert f"spec.nodeSelector ({HOST} In {REFUSED})" in accepted(admin, namespace, "app", "WouldStop")
        assert admin.get("deployment", "app", namespace)["metadata"]["generation"] == 1
    assert living_pods(admin, namespace)


def test_lack_of_room_is_a_warning(admin: Kubectl, space: Space) -> None:
    namespace = space(None)
    large = workload("Deployment", "app", 1)
    admin.create(large, namespace)
    eventually(lambda: living_pods(admin, namespace), what="it runs")
    (container,) = large["spec"]["template"]["spec"]["containers"]
    container["resources"] = {"requests": {"memory": "1Ti"}}
    admin.apply(large, namespace=namespace)
    take(admin, namespace, "Deployment", "app")
    accepted(admin, namespace, "app", "Accepted")
    warned = eventually(lambda: events(admin, namespace, "app")["PodsMayWait"], what="a warning")
    assert "has room" in warned


@contextmanager
def insisting(admin: Kubectl, namespace: str, deployment: Json) -> Iterator[list[int]]:
    """Have another controller replace a Deployment again and again. The list counts its writes."""
    done, writes = threading.Event(), [0]

    def insist() -> None:
        while not done.wait(0.5):
            admin.attempt("-n", namespace, "replace", "-f", "-", stdin=json.dumps(deployment))
            writes[0] += 1

    thread = threading.Thread(target=insist)
    thread.start()
    try:
        yield writes
    finally:
        done.set()
        thread.join()


def test_one_that_another_controller_writes_whole_is_not_rolled_out_without_end(
    admin: Kubectl, cluster: Cluster, space: Space
) -> None:
    namespace = space(None)
    deployment = workload("Deployment", "app", 1)
    admin.create(deployment, namespace)
    take(admin, namespace, "Deployment", "app")
    accepted(admin, namespace, "app", "Accepted")

    with insisting(admin, namespace, deployment) as writes:
        said = accepted(admin, namespace, "app", "Contested")
        assert "probably kubectl" in said
        before, count = len(patches_of(cluster, namespace)), writes[0]
        eventually(lambda: writes[0] > count + 10, what="ten more writes of the other one's")
        assert len(patches_of(cluster, namespace)) == before
    assert before == FEW


def patches_of(cluster: Cluster, namespace: str) -> list[Json]:
    """Return the controller's patches of Deployments in a namespace."""
    return [
        entry
        for entry in audit_log.requests_of(cluster, "sovereign-controller")
        if entry["verb"] == "patch"
        and (target := entry.get("objectRef", {})).get("resource") == "deployments"
        and target.get("namespace") == namespace
    ]


# As `helm template` prints it; the API server stores it in another form.
UNTIDY: Json = {
    "nodeSelector": {},
    "tolerations": [],
    "env": [{"name": "EMPTY", "value": ""}],
    "resources": {"requests": {"cpu": "0.01", "memory": "8192Ki"}, "limits": {"cpu": 1, "memory": "1024Mi"}},
}


def test_a_template_in_another_form_than_the_servers_is_applied_once(
    admin: Kubectl, cluster: Cluster, space: Space
) -> None:
    namespace = space()
    spec = workload("Deployment", "app", 1)["spec"]
    pod = spec["template"]["spec"]
    pod |= {key: UNTIDY[key] for key in ("nodeSelector", "tolerations")}
    pod["containers"][0] |= {key: UNTIDY[key] for key in ("env", "resources")}
    admin.apply(sovereign("app", template={"kind": "Deployment", "spec": spec}), namespace=namespace)

    def ready() -> bool:
        return bool(condition(admin, "swl", "app", "Ready", namespace)["status"] == "True")

    eventually(ready, what="ready")
    (first,) = living_pods(admin, namespace)
    admin.run("-n", namespace, "delete", "pod", first["metadata"]["name"], "--wait=true")
    eventually(ready, what="ready with another pod")
    for controller in living_pods(admin, NAMESPACE, CONTROLLER_PODS):
        admin.run("-n", NAMESPACE, "delete", "pod", controller["metadata"]["name"], "--wait=true")
    # Once the new controller has reported on a new object, it has gone through all others.
    admin.apply(sovereign("new", workloadRef={"kind": "Deployment", "name": "none"}), namespace=namespace)
    eventually(lambda: condition(admin, "swl", "new", "Ready", namespace), what="work goes on")
    assert len(patches_of(cluster, namespace)) == 1


def test_a_replica_count_that_an_autoscaler_sets_is_left_to_it(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.apply(
        sovereign("app", template={"kind": "Deployment", "spec": workload("Deployment", "app", 1)["spec"]}),
        namespace=namespace,
    )
    eventually(lambda: admin.get("deployment", "app", namespace), what="the workload")
    admin.create(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "app"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
                "minReplicas": 2,
                "maxReplicas": 3,
            },
        },
        namespace,
    )
    eventually(lambda: len(living_pods(admin, namespace)) == 2, what="two pods")
    eventually(
        lambda: "its replica count is left to" in condition(admin, "swl", "app", "Accepted", namespace)["message"],
        what="the autoscaler named",
    )
    # The operator still reverts changes of other fields.
    admin.run("-n", namespace, "patch", "deployment", "app", "-p", '{"spec":{"minReadySeconds":1,"paused":true}}')
    admin.run("-n", namespace, "label", "deployment", "app", "sovereignty.dev/policy-")
    eventually(
        lambda: admin.get("deployment", "app", namespace)["metadata"]["labels"]["sovereignty.dev/policy"] == POLICY,
        what="the label again",
    )
    assert admin.get("deployment", "app", namespace)["spec"]["replicas"] == 2


def test_a_workload_whose_pods_crash_is_not_ready(admin: Kubectl, space: Space) -> None:
    namespace = space()
    crashing = workload("Deployment", "app", 1)
    crashing["spec"]["template"]["spec"]["containers"][0]["command"] = ["false"]
    admin.create(crashing, namespace)
    take(admin, namespace, "Deployment", "app")

    def is_not_ready() -> bool:
        # Before its pod exists, the workload is in progress as well, but not placed.
        ready, placed = (condition(admin, "swl", "app", kind, namespace) for kind in ("Ready", "Placed"))
        assert (ready["status"], ready["reason"], placed["status"]) == ("False", "WorkloadInProgress", "True")
        return "0 of 1 replica(s) are" in ready["message"]

    eventually(is_not_ready, what="not ready, and placed")


STATEFUL: Json = {"kind": "StatefulSet", "name": "db"}


@pytest.mark.parametrize(
    ("labelled", "spec", "words"),
    [
        (None, {"workloadRef": STATEFUL}, "no policy: name one in spec.policyRef"),
        (None, {"policy": "secnumcluod", "workloadRef": STATEFUL}, "there is no SovereigntyPolicy secnumcluod"),
        (POLICY, {"policy": "hds", "workloadRef": STATEFUL}, f"enforces policy {POLICY}, spec.policyRef names hds"),
        (None, {"policy": POLICY, "workloadRef": STATEFUL}, "the condition Accepted says WouldStop"),
        (None, {"policy": "nowhere", "workloadRef": STATEFUL}, "policy nowhere accepts no node now"),
        (None, {"policy": POLICY, "workloadRef": STATEFUL, "adoption": "Force"}, ""),
        (POLICY, {"workloadRef": {"kind": "Deployment", "name": "app"}}, ""),
    ],
)
@pytest.mark.usefixtures("nowhere")
def test_a_dry_run_says_what_is_known_before(
    admin: Kubectl, space: Space, labelled: str | None, spec: Json, words: str
) -> None:
    namespace = space(labelled)
    asked = json.dumps(sovereign("app", **spec))
    said = admin.attempt("-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=asked)
    assert said.returncode == 0, said.stderr
    assert words in said.stderr
    assert bool(words) == ("Warning: " in said.stderr)


def test_who_labels_a_namespace_hears_that_no_node_is_accepted(admin: Kubectl, space: Space, nowhere: str) -> None:
    namespace = space(None)
    said = admin.attempt("label", "namespace", namespace, f"sovereignty.dev/enforce={nowhere}", "--dry-run=server")
    assert f"policy {nowhere} accepts no node now" in said.stderr
    assert f"running pods of namespace {namespace} are left alone" in said.stderr
