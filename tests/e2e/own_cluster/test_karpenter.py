"""Karpenter starts nodes for pods in scope: its NodePool promises that they are accepted, and the claim keeps that."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from hack.kwok import FAKE
from sovereign_operator.core import names
from tests.e2e.support.autoscalers import karpenter, node_pool
from tests.e2e.support.estate import host_names, labelled
from tests.e2e.support.manifests import workload
from tests.e2e.support.observed import told
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.field

POLICY, POOL = "pooled", "general"
LABEL = "pool.node-restriction.kubernetes.io/name"
PROMISE = {names.node_policy_label(POLICY): names.ACCEPTED, names.node_host_label(POLICY): names.ACCEPTED}


def claims() -> list[Json]:
    """Return a service of whose nodes no form is known, and its datacentre with a pool."""
    (service, *_) = estate.services(datetime.now(UTC).date())
    spec = {key: value for key, value in service["spec"].items() if key != "nodeForm"}
    pool = {"name": POOL, "nodeSelector": {LABEL: POOL}, "providerIDs": ["kwok://"]}
    site = {"serviceRef": {"name": "armor-pools"}, "country": "FR", "nodePools": [pool]}
    return [
        service | {"metadata": {"name": "armor-pools"}, "spec": spec},
        {"apiVersion": service["apiVersion"], "kind": "Datacentre", "metadata": {"name": "pools"}, "spec": site},
    ]


@pytest.fixture(scope="module")
def scaled(cluster: Cluster, admin: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A policy that accepts pools, and Karpenter. Yields the folder of its log."""
    admin.apply(estate.policy(admin, POLICY, nodeEvidence="PoolDeclared"), *claims())
    eventually(lambda: host_names(admin, POLICY) == list(estate.ACCEPTED), what="the policy's nodes")
    logs = tmp_path_factory.mktemp("karpenter")
    with karpenter(cluster, admin, logs):
        yield logs
        for kind in ("nodepools", "nodeclaims"):
            admin.run("delete", kind, "--all", "--timeout=90s")
    admin.delete("datacentre", "pools")
    admin.delete("cloudservice", "armor-pools")
    admin.delete("sovereigntypolicy", POLICY)


def fake_workload(name: str) -> Json:
    """Return a Deployment whose one pod fits on no real node."""
    return workload("Deployment", name, 1, nodeSelector={FAKE: "true"})


def claimed(admin: Kubectl) -> list[str]:
    """Return the nodes of NodeClaims."""
    return [found["status"].get("nodeName", "") for found in admin.list("nodeclaims") if "status" in found]


def runs_on(admin: Kubectl, namespace: str) -> str:
    """Return the node of the one pod that runs; empty if there is none."""
    running = [
        pod["spec"]["nodeName"]
        for pod in admin.list("pods", namespace)
        if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
    ]
    return running[0] if len(running) == 1 else ""


def test_a_node_that_karpenter_starts_is_accepted_and_so_is_the_next(
    admin: Kubectl, scaled: Path, space: Space
) -> None:
    namespace = space(POLICY)
    admin.apply(node_pool(POOL, {LABEL: POOL, **PROMISE}, cpu="100"))
    admin.apply(fake_workload("app"), namespace=namespace)
    first = eventually(lambda: runs_on(admin, namespace), seconds=120, what="a pod on a new node")
    assert claimed(admin) == [first], (scaled / "karpenter.log").read_text(encoding="utf-8")[-4000:]
    node = admin.get("node", first)
    assert node["metadata"]["labels"]["karpenter.sh/registered"] == "true"
    assert node["metadata"]["labels"][names.NODE_UID_LABEL] == node["metadata"]["uid"]
    assert first in labelled(admin, POLICY)
    assert first in host_names(admin, POLICY)
    assert first not in host_names(admin, "secnumcloud")

    admin.run("delete", "nodeclaims", "--all", "--timeout=120s")
    second = eventually(
        lambda: (found := runs_on(admin, namespace)) != first and found, seconds=120, what="a pod on the next node"
    )
    assert second in host_names(admin, POLICY)


@pytest.mark.usefixtures("scaled")
def test_a_promise_that_nothing_keeps_starts_no_pod_and_stops_at_the_limit(admin: Kubectl, space: Space) -> None:
    """The NodePool lacks the pool's label, so its nodes are in no datacentre."""
    namespace = space(POLICY)
    wrong = {"example.org/wrong": "true"}
    admin.run("delete", "nodepools", "--all")
    admin.apply(node_pool("wrong", {**wrong, **PROMISE}, cpu="4"))
    admin.apply(workload("Deployment", "app", 1, nodeSelector={FAKE: "true", **wrong}), namespace=namespace)
    started = eventually(lambda: admin.list("nodes", selector="example.org/wrong"), seconds=120, what="a node")
    name = started[0]["metadata"]["name"]
    eventually(
        lambda: admin.get("node", name)["metadata"]["labels"].get("karpenter.sh/registered") == "true",
        what="a node that is registered all the same",
    )
    eventually(lambda: name not in labelled(admin, POLICY), what="the promise taken away")
    verdict = admin.get("node", name)["metadata"]["annotations"][names.verdict_annotation(POLICY)]
    assert verdict.startswith(f"refused: {name} is in no datacentre")
    eventually(lambda: told(admin, namespace, f"holds this pod to policy {POLICY}"), what="an Event that says why")
    assert not runs_on(admin, namespace)
