"""A SovereignWorkload that owns a Job, and the record of a run of the Job."""

from datetime import timedelta
from typing import Any

from sovereign_operator.api.v1alpha1.sovereign_workload import SovereignWorkloadSpec, WorkloadKind
from sovereign_operator.core.workload.facts import JobRun, Workload
from sovereign_operator.core.workload.job_run import template_digest
from tests.unit.workload.builders import NOW, workload


def spec(ttl: int | None = 5, command: str = "migrate") -> SovereignWorkloadSpec:
    """Build a SovereignWorkload that owns a Job."""
    job: dict[str, Any] = {"template": {"spec": {"containers": [{"name": "c", "command": [command]}]}}}
    if ttl is not None:
        job["ttlSecondsAfterFinished"] = ttl
    return SovereignWorkloadSpec.model_validate(
        {"policyRef": {"name": "secnumcloud"}, "template": {"kind": "Job", "spec": job}}
    )


def job(uid: str = "j", **fields: Any) -> Workload:
    """Build the Job that the SovereignWorkload owns."""
    return workload(WorkloadKind.JOB, uid=uid, owner_uid="s", **fields)


def run(ttl: int | None = 5, **fields: Any) -> JobRun:
    """Build the record of a run of this template."""
    template = spec(ttl).template
    assert template
    usual: dict[str, Any] = {"template": template_digest(template), "asked": NOW - timedelta(seconds=1)}
    return JobRun(**(usual | fields))
