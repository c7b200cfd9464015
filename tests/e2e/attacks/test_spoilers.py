"""A user makes one object as large or unusual as the API server accepts; all other objects are still handled."""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from hack.cluster import Cluster
from hack.demo.attacks import NODE_LABEL, binding
from hack.install import CONTROLLER_PODS, NAMESPACE
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core.sidecar.contract import CONTAINER, IDENTITY_VOLUME
from tests.e2e.support.estate import host_names, labelled
from tests.e2e.support.guards import injector_places, without_bindings
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.observed import audit, condition
from tests.e2e.support.spaces import Space

INSIDE, SPOILED = "brest-1", "nantes-1"
LARGEST_REQUEST = 1_600_000
"""More bytes than etcd accepts in one request."""
ALL_ANNOTATIONS = 256 * 1024
"""Bytes that the annotations of one object may have in total."""


def restarts(admin: Kubectl) -> dict[str, int]:
    """Return how often each replica's container restarted. Those of a roll-out that is not over do not count."""
    return {
        found["metadata"]["uid"]: found["status"]["containerStatuses"][0]["restartCount"]
        for found in admin.list("pods", NAMESPACE, selector=CONTROLLER_PODS)
        if "deletionTimestamp" not in found["metadata"]
    }


@pytest.mark.every_kubernetes
def test_an_object_of_megabytes_ends_no_replica(admin: Kubectl, space: Space, tmp_path: Path) -> None:
    """The API server writes each `<` as six bytes: the watch event of one pod becomes longer than clients expect."""
    namespace = space()
    before = restarts(admin)
    gated = pod("fat", schedulingGates=[{"name": "example.org/never"}])
    gated["spec"]["containers"][0]["env"] = [{"name": "FAT", "value": "<" * 1_300_000}]
    manifest = tmp_path / "fat.json"
    manifest.write_text(json.dumps(gated), encoding="utf-8")
    words = ("create", "--raw", f"/api/v1/namespaces/{namespace}/pods", "-f", str(manifest))
    if injector_places(admin):  # The injector reads no more than 4 MiB.
        assert "not placed" in admin.refusal(*words)
    else:
        admin.run(*words)
    admin.create(pod("after"), namespace)
    place = eventually(lambda: audit(admin.get("pod", "after", namespace)).get("datacentre"), what="annotations")
    assert place in {"brest", "lyon"}
    assert restarts(admin) == before


@pytest.fixture
def full_node(admin: Kubectl, cluster: Cluster) -> Iterator[str]:
    """A node whose annotations its kubelet has filled."""
    kubelet = Kubectl(cluster.node_kubeconfig(SPOILED))
    annotations = admin.get("node", SPOILED)["metadata"]["annotations"]
    taken = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    filling = {"example.org/full": "x" * (ALL_ANNOTATIONS - taken - 100)}
    patch = json.dumps({"metadata": {"annotations": filling}})
    kubelet.run("patch", "node", SPOILED, "--type=merge", "--patch-file=/dev/stdin", stdin=patch)
    yield SPOILED
    admin.run("annotate", "node", SPOILED, "example.org/full-")


def test_a_node_that_cannot_be_written_holds_up_no_other(admin: Kubectl, full_node: str) -> None:
    policy: Json = {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "SovereigntyPolicy",
        "metadata": {"name": "anywhere"},
        "spec": {"acceptedForeignLaws": ["US"]},
    }
    everywhere = {"brest-1", "lyon-1", "nantes-1", "paris-1"}
    try:
        admin.apply(policy)
        eventually(lambda: labelled(admin, "anywhere") >= everywhere - {full_node}, what="labels on all other nodes")
        eventually(lambda: admin.get("spol", "anywhere")["status"]["conditions"], what="a status")
        assert "brest-1" in host_names(admin, "anywhere")
    finally:
        admin.delete("spol", "anywhere")
    eventually(lambda: not labelled(admin, "anywhere") - {full_node}, what="the labels gone")


def fill(refused: Callable[[int], str]) -> None:
    """Find the largest size that can be written, to fill an object to its limit."""
    fits, too_many = 1_000_000, LARGEST_REQUEST
    assert refused(fits) == ""
    while too_many - fits > 8:
        tried = (fits + too_many) // 2
        fits, too_many = (fits, tried) if refused(tried) else (tried, too_many)
    assert refused(fits) == ""


def own_keys(obj: Json, field: str, policy: str) -> set[str]:
    """Return the operator's labels or annotations that name a policy."""
    return {key for key in obj["metadata"].get(field, {}) if "sovereignty" in key and key.endswith(f"/{policy}")}


def refusals(admin: Kubectl, node: str) -> list[str]:
    """Return the messages of Events that report why a node is not written."""
    found = admin.list("events", "default")
    return [
        one["message"]
        for one in found
        if (one.get("reason"), one["involvedObject"].get("name")) == ("NotWritten", node)
    ]


@pytest.fixture
def everywhere(admin: Kubectl) -> Iterator[str]:
    """Create a policy that accepts the node to be filled, and return its name."""
    name = "everywhere"
    kind = {"apiVersion": "sovereignty.dev/v1alpha1", "kind": "SovereigntyPolicy"}
    admin.apply(kind | {"metadata": {"name": name}, "spec": {"acceptedForeignLaws": ["US"]}})
    eventually(lambda: SPOILED in labelled(admin, name), what="a label on the node")
    yield name
    admin.run("delete", "spol", name, "--ignore-not-found")


def test_a_label_is_withdrawn_from_a_node_that_is_full(admin: Kubectl, cluster: Cluster, everywhere: str) -> None:
    """The kubelet fills the node to the last byte that etcd accepts; a server-side apply then fails with error 500."""
    kubelet = Kubectl(cluster.node_kubeconfig(SPOILED))

    def refused(size: int) -> str:
        node = kubelet.get("node", SPOILED)
        del node["metadata"]["resourceVersion"]
        others = [found for found in node["status"]["conditions"] if found["type"] != "Full"]
        node["status"]["conditions"] = [*others, {"type": "Full", "status": "True", "message": "x" * size}]
        path = f"/api/v1/nodes/{SPOILED}/status"
        return kubelet.attempt("replace", "--raw", path, "-f", "-", stdin=json.dumps(node)).stderr

    try:
        fill(refused)
        admin.run("delete", "spol", everywhere)
        eventually(lambda: not labelled(admin, everywhere), what="no label on any node")
        eventually(lambda: not own_keys(admin.get("node", SPOILED), "annotations", everywhere), what="no annotation")
        told = eventually(lambda: refusals(admin, SPOILED), what="an Event")
        assert "too large" in told[0]
    finally:
        gone = json.dumps({"status": {"conditions": [{"type": "Full", "$patch": "delete"}]}})
        admin.run("patch", "node", SPOILED, "--subresource=status", "-p", gone)


def test_no_crowd_of_labels_hides_one_from_the_guard(admin: Kubectl) -> None:
    """If the guard exceeded the API server's CEL budget, it would admit the request, because it must not block
    kubelets.
    """
    crowd = {f"example.org/{number}": "" for number in range(40_000)}
    some = dict(islice(crowd.items(), 1900))

    def attempt(labels: dict[str, str]) -> tuple[int, str]:
        patch = json.dumps({"metadata": {"labels": labels}})
        arguments = ("patch", "node", "paris-1", "--type=merge", "--dry-run=server", "--patch-file=/dev/stdin")
        done = admin.attempt(*arguments, stdin=patch)
        return done.returncode, done.stderr

    _, said = attempt(crowd | {NODE_LABEL: "accepted"})
    assert "ValidatingAdmissionPolicy 'sovereignty-guard-nodes'" in said
    assert "too many labels" in said
    _, said = attempt(some | {NODE_LABEL: "accepted"})
    assert "may not change policy.sovereignty" in said
    assert attempt(some) == (0, "")
    with without_bindings(admin, "sovereignty-guard-nodes"):
        eventually(lambda: attempt(crowd | {NODE_LABEL: "accepted"}) == (0, ""), what="success without the guard")


def test_no_crowd_of_annotations_hides_one_from_the_guard(admin: Kubectl, space: Space) -> None:
    """This guard, too, would admit the request, because it must not keep kubelets from reporting the status of pods."""
    namespace = space(None)
    few = {f"example.org/{number}": "" for number in range(1900)}
    crowd = {f"{number}": "" for number in range(40_000)}
    forged = {"audit.sovereignty.dev/verdict": "accepted"}

    def attempt(body: Json, annotations: dict[str, str], *words: str) -> tuple[int, str]:
        changed = body | {"metadata": body["metadata"] | {"annotations": annotations}}
        done = admin.attempt("-n", namespace, *words, stdin=json.dumps(changed))
        return done.returncode, done.stderr

    admin.create(pod("one", schedulerName="nobody"), namespace)
    create = ("create", "-f", "-", "--dry-run=server")
    change = ("patch", "pod", "one", "--type=merge", "--patch-file=/dev/stdin", "--dry-run=server")
    bind = ("create", "--raw", f"/api/v1/namespaces/{namespace}/pods/one/binding?dryRun=All", "-f", "-")
    ways: list[tuple[Json, tuple[str, ...]]] = [
        (pod("two"), create),
        ({"metadata": {}}, change),
        (binding("one", INSIDE), bind),
    ]
    for body, words in ways:
        assert "may not write audit.sovereignty.dev/verdict of pod" in attempt(body, few | forged, *words)[1]
        assert "too many annotations" in attempt(body, crowd | forged, *words)[1]
        assert attempt(body, few, *words) == (0, "")
    # The rules of the guard share one budget: here is the most of all that they go through.
    # With the service account's, it has a thousand volumes.
    volumes = [{"name": name, "emptyDir": {}} for name in (*(f"v{number}" for number in range(998)), IDENTITY_VOLUME)]
    full = pod("two", initContainers=[{"name": CONTAINER, "image": "x", "restartPolicy": "Always"}], volumes=volumes)
    full["metadata"]["labels"] = {f"example.org/{number}": "" for number in range(2000)}
    long = {f"{key}{'x' * 50}": "y" * 64 for key in few}
    assert "may not write audit.sovereignty.dev/verdict of pod" in attempt(full, long | forged, *create)[1]
    assert "not in scope: pod" in attempt(full, long, *create)[1]
    with without_bindings(admin, "sovereignty-guard-every-pod"):
        eventually(
            lambda: all(attempt(body, crowd | forged, *words) == (0, "") for body, words in ways),
            what="success without the guard",
        )


def test_a_crowd_of_labels_on_workloads_keeps_nobody_else_waiting(admin: Kubectl, space: Space) -> None:
    """Writing one such workload took longer than a request may, and there are as many of them as the controller has
    workers.
    """
    crowded, other = space(None), space(None)
    before = restarts(admin)
    crowd = {f"{number}": "" for number in range(30_000)}
    for number in range(8):
        name = f"crowd-{number}"
        full = workload("Deployment", name, 0) | {"metadata": {"name": name, "labels": crowd, "annotations": crowd}}
        admin.create(full, crowded)
    references = [
        sovereign(name, policy="secnumcloud", workloadRef={"kind": "Deployment", "name": name})
        for name in (*(f"crowd-{number}" for number in range(8)), "app")
    ]
    admin.apply(*references[:-1], namespace=crowded)
    admin.apply(workload("Deployment", "app", 1), references[-1], namespace=other)
    eventually(
        lambda: condition(admin, "swl", "app", "Accepted", other)["status"] == "True", seconds=10, what="another's turn"
    )
    for number in range(8):
        eventually(
            lambda: condition(admin, "swl", f"crowd-{number}", "Accepted", crowded)["reason"] == "WorkloadTooLarge",  # noqa: B023 - called at once
            what="an answer",
        )
    assert restarts(admin) == before


@pytest.mark.parametrize(
    "name", ["../../../../../../api/v1/nodes/paris-1", "..", "app/status", "app?dryRun=All", "APP"]
)
def test_a_name_is_a_name(admin: Kubectl, space: Space, name: str) -> None:
    """The name becomes part of a URL path when the operator reads the workload."""
    odd = sovereign("odd", policy="secnumcloud", workloadRef={"kind": "Deployment", "name": name})
    refused = admin.refusal("-n", space(None), "create", "--dry-run=server", "-f", "-", stdin=json.dumps(odd))
    assert "spec.workloadRef.name" in refused
