"""A developer with ``edit`` in one namespace, and nothing else, finds out why a pod does not run, and mends it."""

import json
import re
from pathlib import Path

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.kubectl import Kubectl, KubectlError, eventually
from sovereign_operator.core import names
from sovereign_operator.kube.client import resource
from tests.documents import REFERENCE
from tests.e2e.support.client import Client
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.observed import condition
from tests.e2e.support.pages import commands, shell
from tests.e2e.support.reports import SOON, served
from tests.e2e.support.spaces import Space

POLICY = "secnumcloud"
PICKY = "picky"
LABEL = "label sovereignty.dev/enforce of namespace"


@pytest.fixture
def dev(admin: Kubectl, cluster: Cluster, space: Space) -> tuple[Kubectl, str]:
    """The developer, and the namespace, which enforces a policy."""
    namespace = space(POLICY)
    return developer(admin, cluster, namespace), namespace


def developer(admin: Kubectl, cluster: Cluster, namespace: str) -> Kubectl:
    """Return somebody who has ``edit`` in a namespace, and nothing else."""
    admin.run("-n", namespace, "create", "rolebinding", "dev", "--clusterrole=edit", f"--user=dev-{namespace}")
    found = Kubectl(cluster.user_kubeconfig(f"dev-{namespace}"))
    eventually(lambda: found.run("-n", namespace, "get", "sovereignworkloads") is not None, what="rights")
    return found


def described(user: Kubectl, namespace: str, kind: str, name: str, *words: str) -> str:
    """Return what ``kubectl describe`` prints, once it has these words."""

    def look() -> str:
        text = " ".join(user.run("-n", namespace, "describe", kind, name).split())
        missing = [word for word in words if word not in text]
        assert not missing, f"{missing} in {text}"
        return text

    return eventually(look, what=f"{kind} {name} described with {words}")


def pending_pod(user: Kubectl, namespace: str) -> str:
    """Return the name of the one pod that waits for a node."""

    def look() -> str:
        waiting = [one["metadata"]["name"] for one in user.list("pods", namespace) if "nodeName" not in one["spec"]]
        assert len(waiting) == 1, waiting
        return str(waiting[0])

    return eventually(look, what="a pod that waits")


@pytest.mark.every_kubernetes
def test_why_a_pod_is_pending_is_found_with_kubectl_alone_and_mended(dev: tuple[Kubectl, str]) -> None:
    user, namespace = dev
    for forbidden in ("nodes", "sovereigntypolicies", "datacentres"):
        with pytest.raises(KubectlError, match="forbidden"):
            user.run("get", forbidden)
    user.apply(
        workload("Deployment", PICKY, 1, nodeSelector={"disk": "ssd"}),
        sovereign(PICKY, workloadRef={"kind": "Deployment", "name": PICKY}),
        namespace=namespace,
    )
    name = pending_pod(user, namespace)
    # The policy, the reason and the next step, in one place.
    described(
        user,
        namespace,
        "pod",
        name,
        "FailedScheduling",
        "WaitsUnderPolicy",
        f"{LABEL} {namespace} holds this pod to policy {POLICY}, which accepts 2 nodes: {', '.join(estate.ACCEPTED)}.",
        "didn't match Pod's node affinity/selector",
        "Change what the pod asks of nodes",
        f"kubectl sovereign explain pod/{name} -n {namespace}",
    )
    waits = f"{name}: 2 node(s) are accepted by policy {POLICY}"
    described(user, namespace, "swl", PICKY, "PodsPending", waits)
    assert "PodsPending" in user.run("-n", namespace, "get", "swl", PICKY)
    assert "WaitsUnderPolicy" in user.run("-n", namespace, "get", "events")

    change = [{"op": "remove", "path": "/spec/template/spec/nodeSelector"}]
    user.run("-n", namespace, "patch", "deployment", PICKY, "--type=json", "-p", json.dumps(change))
    eventually(lambda: condition(user, "swl", PICKY, "Ready", namespace)["status"] == "True", what="a pod that runs")


def test_whether_a_pod_that_is_older_than_the_label_is_outside_is_on_the_pod_itself(
    admin: Kubectl, cluster: Cluster, space: Space, tmp_path: Path
) -> None:
    """Without reports, a SovereignWorkload or the plugin."""
    namespace = space(None)
    user = developer(admin, cluster, namespace)
    user.create(pod("old", nodeName="paris-1"), namespace)
    admin.run("label", "namespace", namespace, f"sovereignty.dev/enforce={POLICY}")
    why = "refused: paris: Globex West Europe has no SecNumCloud qualification"
    described(user, namespace, "pod", "old", f"{names.audit_annotation('verdict')}: {why}")
    script = commands(REFERENCE / "sovereignworkload.md", "VERDICT:").replace("hospital", namespace)
    shown = shell(script, user.kubeconfig, tmp_path)
    assert re.search(rf"^old +paris-1 +{why}", shown, re.MULTILINE), shown


def test_the_plugin_says_the_same_to_a_developer(dev: tuple[Kubectl, str]) -> None:
    user, namespace = dev
    user.apply(workload("Deployment", PICKY, 1, nodeSelector={"disk": "ssd"}), namespace=namespace)
    name = pending_pod(user, namespace)
    described(user, namespace, "pod", name, "FailedScheduling")
    client = Client(user.kubeconfig)
    for subject in (f"pod/{name}", f"deployment/{PICKY}"):
        text = client.text("explain", subject, "-n", namespace, code=1)
        assert f"Policy: {POLICY}: namespace {namespace} enforces it" in text
        assert "What to do: " in text
        assert "You may not read: " in text
    assert "didn't match Pod's node affinity/selector" in client.text("explain", f"pod/{name}", "-n", namespace, code=1)


def test_a_report_says_it_where_the_cluster_has_reports(admin: Kubectl, dev: tuple[Kubectl, str]) -> None:
    user, namespace = dev
    columns = "custom-columns=SAYS:.results[*].message"
    with served(admin, resource.REPORTS):
        user.apply(workload("Deployment", PICKY, 1, nodeSelector={"disk": "ssd"}), namespace=namespace)
        pending_pod(user, namespace)
        said = eventually(
            lambda: (
                "the scheduler says: 0/"
                in (text := user.run("-n", namespace, "get", "report", names.REPORT, "-o", columns))
                and text
            ),
            seconds=SOON,
            what="a report about the pod",
        )
    assert f"1 of 1 pod(s) wait for a node: {PICKY}-" in said
    assert f"2 node(s) are accepted by policy {POLICY}" in said


def test_why_pods_are_refused_is_said_when_written_and_in_events(dev: tuple[Kubectl, str]) -> None:
    user, namespace = dev
    manifest = json.dumps(workload("Deployment", "pinned", 1, nodeName="paris-1"))
    done = user.attempt("-n", namespace, "apply", "-f", "-", stdin=manifest)
    assert done.returncode == 0
    assert f"policy {POLICY} refuses the pods of Deployment {namespace}/pinned" in done.stderr
    eventually(lambda: "node not accepted" in user.run("-n", namespace, "get", "events"), what="the refusal in Events")
    text = Client(user.kubeconfig).text("explain", "deployment/pinned", "-n", namespace, code=1)
    assert "leave spec.nodeName out and let the scheduler choose" in text


def test_a_policy_without_a_node_sends_the_developer_to_the_cluster_admin(
    admin: Kubectl, cluster: Cluster, space: Space
) -> None:
    policy = "nowhere"
    admin.apply(estate.policy(admin, policy, countries=["DE"]))
    try:
        eventually(lambda: condition(admin, "sovereigntypolicy", policy, "Ready")["status"] == "False", what="judged")
        namespace = space(policy)
        user = developer(admin, cluster, namespace)
        user.apply(workload("Deployment", "app", 1), namespace=namespace)
        described(
            user,
            namespace,
            "pod",
            pending_pod(user, namespace),
            f"no node is accepted by policy {policy}: ask a cluster admin to read",
        )
    finally:
        admin.delete("sovereigntypolicy", policy)
