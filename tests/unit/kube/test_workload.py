"""What is kept of a workload: who last wrote it, who scales it, and which records in the status can be read back."""

from typing import Any

import pytest

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core.workload.status import records_of
from sovereign_operator.kube.objects.workload import see_last_write, see_run, see_workload
from tests.unit.workload.builders import written
from tests.unit.workload.job_runs import run

REPLICAS: dict[str, Any] = {"f:spec": {"f:replicas": {}}}


def entry(manager: str, time: str = "2030-01-01T00:00:00Z", **fields: Any) -> dict[str, Any]:
    """Build an entry of managedFields."""
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": REPLICAS} | fields


def seen(*managed: dict[str, Any]) -> Any:
    """Observe a Deployment with these managedFields."""
    metadata = {"name": "app", "uid": "w", "generation": 1, "managedFields": list(managed)}
    return see_workload(WorkloadKind.DEPLOYMENT, {"metadata": metadata, "spec": {"template": {}}})


@pytest.mark.parametrize(
    ("managed", "scaled_by"),
    [
        ((), ""),
        ((entry("kube-controller-manager", subresource="scale"),), "kube-controller-manager"),
        ((entry("keda", subresource="scale"),), "keda"),
        # A replica count that a person sets with kubectl scale, or that a tool sets in the spec, is reverted.
        ((entry("kubectl", subresource="scale"),), ""),
        ((entry("helm"),), ""),
        # A manager that does not own the replica count (any more).
        ((entry("kube-controller-manager", subresource="scale", fieldsV1={}),), ""),
    ],
)
def test_who_scales_a_workload(managed: tuple[dict[str, Any], ...], scaled_by: str) -> None:
    assert seen(*managed).scaled_by == scaled_by


@pytest.mark.parametrize("kind", [WorkloadKind.DEPLOYMENT, WorkloadKind.CRON_JOB])
@pytest.mark.parametrize(
    ("crowded", "said"),
    [
        ((), ""),
        (("metadata", "labels"), "2001 labels"),
        (("metadata", "annotations"), "2001 annotations"),
        (("template", "metadata", "labels"), "2001 labels in its pod template"),
        (("template", "spec", "nodeSelector"), "2001 entries in the nodeSelector of its pod template"),
    ],
)
def test_what_a_workload_has_too_much_of(kind: WorkloadKind, crowded: tuple[str, ...], said: str) -> None:
    few, many = ({f"{number}": "" for number in range(count)} for count in (2000, 2001))
    metadata: dict[str, Any] = {"name": "app", "uid": "w", "labels": few, "annotations": few}
    template: dict[str, Any] = {"metadata": {"labels": few}, "spec": {"nodeSelector": few}}
    spec = (
        {"jobTemplate": {"spec": {"template": template}}} if kind is WorkloadKind.CRON_JOB else {"template": template}
    )
    if crowded:
        *path, last = crowded
        within: Any = {"metadata": metadata, "template": template}
        for key in path:
            within = within[key]
        within[last] = many
    assert see_workload(kind, {"metadata": metadata, "spec": spec}).crowd == said


@pytest.mark.parametrize(
    ("managed", "writer"),
    [
        ((), ""),
        ((entry("sovereign-operator", "2030-01-02T00:00:00Z"), entry("helm")), "helm"),
        ((entry("helm"), entry("argocd", "2030-01-02T00:00:00Z")), "argocd"),
        ((entry("helm"), entry("kube-controller-manager", "2030-01-02T00:00:00Z", subresource="status")), "helm"),
    ],
)
def test_who_wrote_it_last(managed: tuple[dict[str, Any], ...], writer: str) -> None:
    assert seen(*managed).last_writer == writer


def test_what_a_status_remembers_is_read_back() -> None:
    assert see_run(records_of(run(uid="j", outcome="Failed"), None)) == run(uid="j", outcome="Failed")
    assert see_run(records_of(run(), None)) == run()
    assert see_last_write(records_of(None, written())) == written()


@pytest.mark.parametrize("status", [{}, {"run": {}, "lastWrite": {}}, {"run": {"template": 1}, "lastWrite": None}])
def test_what_cannot_be_read_counts_as_nothing(status: dict[str, Any]) -> None:
    assert see_run(status) is None
    assert see_last_write(status) is None
