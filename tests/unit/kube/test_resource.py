"""The apiVersion and kind of each resource type."""

import pytest

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.resource import Resource

HEADERS = {
    "core": (resource.CONFIG_MAPS, "v1", "ConfigMap"),
    "a group": (resource.TRUST_BUNDLES, "certificates.k8s.io/v1", "ClusterTrustBundle"),
    "ours": (resource.OURS["sovereigntypolicies"], "sovereignty.dev/v1alpha1", "SovereigntyPolicy"),
    "a workload": (resource.WORKLOADS[WorkloadKind.CRON_JOB], "batch/v1", "CronJob"),
    "admission": (
        resource.ADMISSION["MutatingAdmissionPolicyBinding"],
        "admissionregistration.k8s.io/v1",
        "MutatingAdmissionPolicyBinding",
    ),
}


@pytest.mark.parametrize(("of", "version", "kind"), HEADERS.values(), ids=HEADERS)
def test_an_object_begins_with_version_and_kind(of: Resource, version: str, kind: str) -> None:
    assert of.header == {"apiVersion": version, "kind": kind}


def test_a_plural_is_its_kind_in_lower_case_with_an_ending() -> None:
    known = [value for value in vars(resource).values() if isinstance(value, Resource)]
    for found in (*known, *resource.OURS.values(), *resource.WORKLOADS.values(), *resource.ADMISSION.values()):
        assert found.plural.startswith(found.kind.lower().removesuffix("y"))
