"""Unchanged manifests of other projects: workloads that can run here answer, and the rest is scheduled to accepted
nodes.
"""

from collections.abc import Iterator, Mapping
from uuid import uuid4

import pytest

from hack import estate
from hack.cluster import Cluster
from hack.images import public
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.observed import placed_for
from tests.e2e.support.spaces import Space
from tests.e2e.support.workloads_of_others import (
    _ARCHIVED,
    JOBS,
    MANIFESTS,
    SERVERS,
    put,
    until_answered,
    until_pods_may_start,
)
from tests.workloads import QUESTIONS, Manifest, find_pod_specs

POLICY = "secnumcloud"

OTHERS = [path for path in MANIFESTS if path not in QUESTIONS]


SCHEDULED = "has a node"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
WAITING: Mapping[str, str] = {
    "kubernetes-examples/AI/model-serving-tensorflow/deployment.yaml": 'persistentvolumeclaim "my-model-pvc" not found',
    "kubernetes-examples/AI/vllm-deployment/vllm-deployment.yaml": "2 Insufficient nvidia.com/gpu",
    "kubernetes-examples/databases/cassandra/cassandra-statefulset.yaml": UNBOUND,
    f"{_ARCHIVED}/cockroachdb/cockroachdb-statefulset.yaml": UNBOUND,
    f"{_ARCHIVED}/storage/minio/minio-distributed-statefulset.yaml": UNBOUND,
    f"{_ARCHIVED}/storage/minio/minio-standalone-deployment.yaml": 'persistentvolumeclaim "minio-pv-claim" not found',
    f"{_ARCHIVED}/volumes/nfs/nfs-busybox-deployment.yaml": 'persistentvolumeclaim "nfs" not found',
    f"{_ARCHIVED}/volumes/nfs/nfs-server-deployment.yaml": 'persistentvolumeclaim "nfs-pv-provisioning-demo" not found',
    f"{_ARCHIVED}/volumes/nfs/nfs-web-deployment.yaml": 'persistentvolumeclaim "nfs" not found',
    f"{_ARCHIVED}/volumes/vsphere/simple-statefulset.yaml": UNBOUND,
}
"""Files whose pods fit no node even without the policy, with the scheduler's reason for the accepted nodes."""


def check_placement(pods: list[Json], manifest: Manifest) -> None:
    """Check that pods have the policy's selector and their manifest's own, and run only on accepted nodes."""
    specs = [spec for document in manifest.documents for spec in find_pod_specs(document)]
    for pod in pods:
        name, selector = pod["metadata"]["name"], pod["spec"].get("nodeSelector", {})
        assert placed_for(pod) == {POLICY}, name
        own = {key: value for key, value in selector.items() if not key.endswith(f"/{POLICY}")}
        assert own in [spec.get("nodeSelector", {}) for spec in specs], name
        assert pod["spec"].get("nodeName") in {None, *estate.ACCEPTED}, name


@pytest.fixture(scope="module")
def running(admin: Kubectl, cluster: Cluster) -> Iterator[dict[str, str]]:
    """Start all workloads that can run, at once; return the namespace of each file."""
    cluster.load_image(public.archive_all(sorted({name for path in QUESTIONS for name in MANIFESTS[path].images})))
    batch = uuid4().hex[:6]
    spaces = {path: f"others-{number}-{batch}" for number, path in enumerate(QUESTIONS)}
    labels = {"sovereignty.dev/enforce": POLICY}
    admin.apply(
        *(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
            for name in spaces.values()
        )
    )
    until_pods_may_start(admin, spaces.values())
    for path, namespace in spaces.items():
        put(admin, MANIFESTS[path], namespace)
    yield spaces
    admin.run("delete", "namespace", *spaces.values(), "--wait=false", "--ignore-not-found")


@pytest.mark.parametrize("path", SERVERS)
def test_it_runs_on_accepted_nodes_and_answers(admin: Kubectl, running: dict[str, str], path: str) -> None:
    for question in QUESTIONS[path]:
        until_answered(admin, running[path], question)
    check_placement(admin.list("pods", running[path]), MANIFESTS[path])


@pytest.mark.parametrize("path", OTHERS)
def test_the_rest_is_scheduled_to_accepted_nodes(admin: Kubectl, space: Space, path: str) -> None:
    namespace, manifest = space(POLICY), MANIFESTS[path]
    put(admin, manifest, namespace)
    expected = sum(map(count_pods, manifest.documents))
    assert expected

    def look() -> list[Json]:
        pods = admin.list("pods", namespace)
        assert len(pods) == expected
        for pod in pods:
            assert WAITING.get(path, SCHEDULED) in outcome(pod), outcome(pod)
        return pods

    check_placement(eventually(look, seconds=120, what=f"{expected} pods as far as they can get"), manifest)


@pytest.mark.parametrize("path", JOBS)
def test_it_completes_on_accepted_nodes(admin: Kubectl, running: dict[str, str], path: str) -> None:
    for question in QUESTIONS[path]:
        until_answered(admin, running[path], question)
    pods = admin.list("pods", running[path])
    assert pods
    check_placement(pods, MANIFESTS[path])


def count_pods(document: Json) -> int:
    """Return how many pods a document creates before any of them is ready."""
    spec = document.get("spec", {})
    match document["kind"]:
        case "Deployment":
            return int(spec.get("replicas", 1))
        case "StatefulSet":
            return int(spec.get("replicas", 1)) if spec.get("podManagementPolicy") == "Parallel" else 1
        case "DaemonSet":
            return len(estate.ACCEPTED)
        case "Job":
            return int(spec["parallelism"])
        case _:
            return 0


def outcome(pod: Json) -> str:
    """Return SCHEDULED if a pod has a node, or the scheduler's reason if it has none."""
    if "nodeName" in pod["spec"]:
        return SCHEDULED
    return " ".join(condition.get("message", "") for condition in pod["status"].get("conditions", ()))
