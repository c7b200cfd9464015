"""Published manifests of other projects: how the tests apply them and check that they work."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import assert_never

import yaml

from hack.kubectl import Json, Kubectl, eventually
from tests.asking import ask
from tests.workloads import QUESTIONS, Complete, Get, Manifest, Ping, Question, Run, list_manifests

MANIFESTS = {manifest.path: manifest for manifest in list_manifests()}

JOBS = [path for path, questions in QUESTIONS.items() if any(isinstance(asked.ask, Complete) for asked in questions)]
SERVERS = [path for path in QUESTIONS if path not in JOBS]

CLUSTER_WIDE = {"APIService", "ClusterRole", "ClusterRoleBinding", "StorageClass"}
"""Cluster-wide kinds in these files. They contain no pods, and would outlive the test."""

_ARCHIVED = "kubernetes-examples/_archived"
ONE_FAMILY = "this cluster is not configured for dual-stack services"
UNKNOWN_HERE: Mapping[str, str] = {
    "istio-samples/samples/bookinfo/platform/kube/bookinfo-details-dualstack.yaml": ONE_FAMILY,
    "istio-samples/samples/bookinfo/platform/kube/bookinfo-dualstack.yaml": ONE_FAMILY,
    "istio-samples/samples/bookinfo/platform/kube/bookinfo-ratings-dualstack.yaml": ONE_FAMILY,
    "istio-samples/samples/helloworld/helloworld-dual-stack.yaml": ONE_FAMILY,
    f"{_ARCHIVED}/cockroachdb/cockroachdb-statefulset.yaml": 'version "policy/v1beta1"',
}
"""Files that the API server accepts only in part, with any user, and the error for the rest."""


def contents(manifest: Manifest) -> str:
    """Return the manifest's namespaced objects without their namespace, so that they can be applied to any."""
    kept = [document for document in manifest.documents if document["kind"] not in CLUSTER_WIDE]
    moved = [
        document | {"metadata": {key: value for key, value in document["metadata"].items() if key != "namespace"}}
        for document in kept
    ]
    return yaml.safe_dump_all(moved)


def until_pods_may_start(admin: Kubectl, namespaces: Iterable[str]) -> None:
    """Wait until new namespaces have the service account that a pod needs."""
    for namespace in namespaces:
        eventually(partial(admin.get, "serviceaccount", "default", namespace), what="a service account")


def put(admin: Kubectl, manifest: Manifest, namespace: str) -> None:
    """Apply a manifest, or create it if it uses generated names. Raises AssertionError on an unexpected answer."""
    verb = "create" if manifest.has_generated_names else "apply"
    done = admin.attempt("-n", namespace, verb, "-f", "-", stdin=contents(manifest))
    missing = UNKNOWN_HERE.get(manifest.path)
    assert bool(done.returncode) == bool(missing), done.stderr
    if missing:
        assert missing in done.stderr
        assert "sovereignty" not in done.stderr


def until_answered(admin: Kubectl, namespace: str, question: Question) -> None:
    """Wait until a workload works: until each of its pods answers, or its Job is complete."""
    kind, _, name = question.workload.partition("/")
    match question.ask:
        case Complete(seconds):
            # The tests' cluster has two busy accepted nodes; the timeouts were measured on three idle ones.
            eventually(lambda: complete(admin, namespace, name), seconds=2 * seconds, what=question.workload)
        case Get() | Ping() | Run() as asked:
            for pod in eventually(
                lambda: ready_pods(admin, namespace, kind, name), seconds=180, what=f"pods of {name}"
            ):
                eventually(partial(answers, admin, pod, asked), seconds=90, what=question.workload)
        case _:
            assert_never(question.ask)


def complete(admin: Kubectl, namespace: str, name: str) -> bool:
    """Return whether the Job with this name, or one whose name begins with it, is complete."""
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
    """Return whether a pod answers as expected. Raises AssertionError with the wrong answer."""
    if isinstance(question, Run):
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        return question.text in admin.run("-n", namespace, "exec", name, "--", *question.command)
    instead = ask(pod["status"]["podIP"], question)
    assert not instead, instead
    return True
