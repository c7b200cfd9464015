"""Manifests that others wrote, as they are: what can run here answers, the rest is scheduled where it may be."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import assert_never
from uuid import uuid4

import pytest
import yaml

from hack import estate
from hack.cluster import Cluster
from hack.images import public
from hack.kubectl import Json, Kubectl, eventually
from tests.asking import ask
from tests.e2e.support.observed import placed_for
from tests.e2e.support.spaces import Space
from tests.workloads import QUESTIONS, Complete, Get, Manifest, Ping, Question, Run, find_pod_specs, list_manifests

POLICY = "secnumcloud"
MANIFESTS = {manifest.path: manifest for manifest in list_manifests()}

JOBS = [path for path, questions in QUESTIONS.items() if any(isinstance(asked.ask, Complete) for asked in questions)]
SERVERS = [path for path in QUESTIONS if path not in JOBS]
OTHERS = [path for path in MANIFESTS if path not in QUESTIONS]

CLUSTER_WIDE = {"APIService", "ClusterRole", "ClusterRoleBinding", "StorageClass"}
"""Kinds that files bring along for a cluster of their own. They hold no pods, and would outlive the test."""

_ARCHIVED = "kubernetes-examples/_archived"
ONE_FAMILY = "this cluster is not configured for dual-stack services"
UNKNOWN_HERE: Mapping[str, str] = {
    "istio-samples/samples/bookinfo/platform/kube/bookinfo-details-dualstack.yaml": ONE_FAMILY,
    "istio-samples/samples/bookinfo/platform/kube/bookinfo-dualstack.yaml": ONE_FAMILY,
    "istio-samples/samples/bookinfo/platform/kube/bookinfo-ratings-dualstack.yaml": ONE_FAMILY,
    "istio-samples/samples/helloworld/helloworld-dual-stack.yaml": ONE_FAMILY,
    f"{_ARCHIVED}/cockroachdb/cockroachdb-statefulset.yaml": 'version "policy/v1beta1"',
}
"""Files of which the API server knows or can do a part no more, whoever asks: that part, as it says."""

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
"""Files whose pods find no node whatever the policy says: what the scheduler misses on the accepted ones."""


def contents(manifest: Manifest) -> str:
    """Return what belongs into one namespace, as kustomize would move it there: into whichever it is applied."""
    kept = [document for document in manifest.documents if document["kind"] not in CLUSTER_WIDE]
    moved = [
        document | {"metadata": {key: value for key, value in document["metadata"].items() if key != "namespace"}}
        for document in kept
    ]
    return yaml.safe_dump_all(moved)


def put(admin: Kubectl, manifest: Manifest, namespace: str) -> None:
    """Apply a manifest, or create it where that is all it allows. Raises AssertionError on an unexpected answer."""
    verb = "create" if manifest.has_generated_names else "apply"
    done = admin.attempt("-n", namespace, verb, "-f", "-", stdin=contents(manifest))
    missing = UNKNOWN_HERE.get(manifest.path)
    assert bool(done.returncode) == bool(missing), done.stderr
    if missing:
        assert missing in done.stderr
        assert "sovereignty" not in done.stderr


def check_placement(pods: list[Json], manifest: Manifest) -> None:
    """Check that pods select on the policy's nodes and on all that their manifest says, and are nowhere else."""
    specs = [spec for document in manifest.documents for spec in find_pod_specs(document)]
    for pod in pods:
        name, selector = pod["metadata"]["name"], pod["spec"].get("nodeSelector", {})
        assert placed_for(pod) == {POLICY}, name
        own = {key: value for key, value in selector.items() if not key.endswith(f"/{POLICY}")}
        assert own in [spec.get("nodeSelector", {}) for spec in specs], name
        assert pod["spec"].get("nodeName") in {None, *estate.ACCEPTED}, name


@pytest.fixture(scope="module")
def running(admin: Kubectl, cluster: Cluster) -> Iterator[dict[str, str]]:
    """Start all that can run, at once; return in which namespace what runs."""
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


def until_answered(admin: Kubectl, namespace: str, question: Question) -> None:
    """Wait until a workload does its job: until each of its pods answers, or its Job is complete."""
    kind, _, name = question.workload.partition("/")
    match question.ask:
        case Complete(seconds):
            # They have two busy nodes, not three idle ones.
            eventually(lambda: complete(admin, namespace, name), seconds=2 * seconds, what=question.workload)
        case Get() | Ping() | Run() as asked:
            for pod in eventually(
                lambda: ready_pods(admin, namespace, kind, name), seconds=180, what=f"pods of {name}"
            ):
                eventually(partial(answers, admin, pod, asked), seconds=90, what=question.workload)
        case _:
            assert_never(question.ask)


def complete(admin: Kubectl, namespace: str, name: str) -> bool:
    """Whether the Job of this name, or one whose name begins so, is complete."""
    jobs = [job for job in admin.list("jobs", namespace) if job["metadata"]["name"].startswith(name)]
    conditions = [condition for job in jobs for condition in job.get("status", {}).get("conditions", ())]
    assert not any(condition["type"] == "Failed" for condition in conditions), conditions
    return any(condition["type"] == "Complete" and condition["status"] == "True" for condition in conditions)


def ready_pods(admin: Kubectl, namespace: str, kind: str, name: str) -> list[Json]:
    """Return a workload's pods, which must all be ready."""
    spec = admin.get(kind.lower(), name, namespace)["spec"]
    selector = ",".join(f"{key}={value}" for key, value in spec["selector"]["matchLabels"].items())
    pods = admin.list("pods", namespace, selector)
    assert len(pods) == spec["replicas"]
    for pod in pods:
        conditions = {condition["type"]: condition["status"] for condition in pod["status"].get("conditions", ())}
        assert conditions.get("Ready") == "True", pod["status"]
    return pods


def answers(admin: Kubectl, pod: Json, question: Get | Ping | Run) -> bool:
    """Whether a pod answers as it should. Raises AssertionError with what it did instead."""
    if isinstance(question, Run):
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        return question.text in admin.run("-n", namespace, "exec", name, "--", *question.command)
    instead = ask(pod["status"]["podIP"], question)
    assert not instead, instead
    return True


def count_pods(document: Json) -> int:
    """Return how many pods a document makes before any of them is ready."""
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
    """Return how far a pod got: that it has a node, or why the scheduler finds none."""
    if "nodeName" in pod["spec"]:
        return SCHEDULED
    return " ".join(condition.get("message", "") for condition in pod["status"].get("conditions", ()))
