"""To which object a pod belongs, as people are told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.workload.owner import Owner, pod_itself, top_owner
from sovereign_operator.kube.objects.pod import see_pod

RECORDS = Owner("apps/v1", "ReplicaSet", "records-5d9c8b7f6")
CANARY = Owner("apps/v1", "ReplicaSet", "records-66b5")
HASH = {"pod-template-hash": "5d9c8b7f6"}

# What controls a pod, the pod's labels, and the owner that people are told.
OWNERS: dict[str, tuple[Owner, dict[str, str], str]] = {
    "a Deployment's": (RECORDS, HASH, "apps/v1 Deployment/records"),
    "a Rollout's of Argo": (CANARY, {"rollouts-pod-template-hash": "66b5"}, "argoproj.io/v1alpha1 Rollout/records"),
    "a ReplicaSet of nobody": (RECORDS, {}, "apps/v1 ReplicaSet/records-5d9c8b7f6"),
    "a ReplicaSet with the hash of another": (
        RECORDS,
        {"pod-template-hash": "77"},
        "apps/v1 ReplicaSet/records-5d9c8b7f6",
    ),
    "an empty hash": (RECORDS, {"pod-template-hash": ""}, "apps/v1 ReplicaSet/records-5d9c8b7f6"),
    "nothing but a hash": (
        Owner("apps/v1", "ReplicaSet", "-77"),
        {"pod-template-hash": "77"},
        "apps/v1 ReplicaSet/-77",
    ),
    "a CronJob's": (Owner("batch/v1", "Job", "nightly-29933280"), {}, "batch/v1 CronJob/nightly"),
    "a CronJob's with a number": (Owner("batch/v1", "Job", "nightly-2-29933280"), {}, "batch/v1 CronJob/nightly-2"),
    "a Job": (Owner("batch/v1", "Job", "import"), {}, "batch/v1 Job/import"),
    "a Job with a short number": (Owner("batch/v1", "Job", "import-2"), {}, "batch/v1 Job/import-2"),
    "a Job of a day": (Owner("batch/v1", "Job", "import-20261130"), {}, "batch/v1 Job/import-20261130"),
    "a Job with a number in another script": (Owner("batch/v1", "Job", "a-٢٩٩٣٣٢٨"), {}, "batch/v1 Job/a-٢٩٩٣٣٢٨"),
    "a StatefulSet": (Owner("apps/v1", "StatefulSet", "db"), HASH, "apps/v1 StatefulSet/db"),
    "a kind of others that another one owns": (
        Owner("core.strimzi.io/v1beta2", "StrimziPodSet", "queue-brokers"),
        {"strimzi.io/cluster": "queue", "strimzi.io/kind": "Kafka"},
        "core.strimzi.io/v1beta2 StrimziPodSet/queue-brokers",
    ),
    "a kind of others": (
        Owner("postgresql.cnpg.io/v1", "Cluster", "db-29933280"),
        HASH,
        "postgresql.cnpg.io/v1 Cluster/db-29933280",
    ),
}


@pytest.mark.parametrize(("controller", "labels", "expected"), OWNERS.values(), ids=OWNERS)
def test_a_pod_belongs_to(controller: Owner, labels: dict[str, str], expected: str) -> None:
    found = top_owner(controller, labels)
    assert f"{found.api_version} {found}" == expected


@given(
    st.builds(Owner, st.just("v1"), st.sampled_from(["ReplicaSet", "Job", "Pod"]), st.text("ab-29", max_size=12)),
    st.dictionaries(st.sampled_from([*HASH, "rollouts-pod-template-hash"]), st.text("ab-29", max_size=4)),
)
def test_an_owner_always_has_a_name_that_the_direct_one_begins_with(direct: Owner, labels: dict[str, str]) -> None:
    found = top_owner(direct, labels)
    assert found == direct or (found.name and direct.name.startswith(f"{found.name}-"))


def references(*owners: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "app-1", "namespace": "ns", "uid": "u", "labels": HASH, "ownerReferences": list(owners)}
    return {"metadata": metadata, "spec": {"containers": []}}


def test_only_the_controller_of_a_pod_counts() -> None:
    direct = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "records-5d9c8b7f6", "uid": "r"}
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "app", "uid": "c"}
    assert str(see_pod(references(other, direct | {"controller": True})).owner) == "Deployment/records"
    for without in (references(other), references(), references(direct | {"controller": False})):
        assert see_pod(without).owner == pod_itself("app-1")


def test_the_pods_of_one_owner_share_its_texts() -> None:
    direct = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "records-5d9c8b7f6", "controller": True}
    one, two = (see_pod(references(direct)).owner for _ in range(2))
    assert all(a is b for a, b in zip(one, two, strict=True))
