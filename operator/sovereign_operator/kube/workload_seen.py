"""What we keep of workloads, and what a SovereignWorkload's status remembers of our own writes."""

from typing import Any

from pydantic import ValidationError

from sovereign_operator.api.v1alpha1.sovereign_workload import (
    JobRunStatus,
    LastWriteStatus,
    WorkloadKind,
)
from sovereign_operator.core import names
from sovereign_operator.core.manifests import pod_template_path
from sovereign_operator.core.readiness import job_outcome, readiness_of
from sovereign_operator.core.selector import Selector
from sovereign_operator.core.workload_facts import JobRun, LastWrite, Workload
from sovereign_operator.kube.api import Json
from sovereign_operator.kube.managed_fields import latest_writer


def see_workload(kind: WorkloadKind, obj: Json) -> Workload:
    """Keep what matters of a workload."""
    metadata = obj["metadata"]
    owner = next((owner["uid"] for owner in metadata.get("ownerReferences", ()) if owner.get("controller")), None)
    writer = latest_writer(metadata, besides={names.FIELD_MANAGER})
    return Workload(
        kind,
        metadata["name"],
        metadata["uid"],
        metadata.get("labels", {}).get(names.POLICY_LABEL),
        pod_template(kind, obj).get("metadata", {}).get("labels", {}).get(names.POLICY_LABEL),
        owner,
        ours=any(entry.get("manager") == names.FIELD_MANAGER for entry in metadata.get("managedFields", ())),
        generation=metadata.get("generation", 0),
        readiness=readiness_of(kind, obj),
        outcome=job_outcome(obj) if kind is WorkloadKind.JOB else "",
        last_writer=writer[0] if writer else "",
        scaled_by=_autoscaler(metadata),
    )


def pod_template(kind: WorkloadKind, obj: Json) -> Json:
    """Return the pod template of a workload; empty if it has none."""
    template: Any = obj
    for key in pod_template_path(kind):
        template = template.get(key) or {}
    found: Json = template
    return found


def selector_of(obj: Json) -> Selector:
    """Return a workload's own pod selector."""
    selector = obj["spec"].get("selector") or {}
    return Selector(selector.get("matchLabels") or {}, tuple(selector.get("matchExpressions") or ()))


def see_run(status: Json) -> JobRun | None:
    """Read what a SovereignWorkload's status remembers of its Job. What cannot be read counts as nothing."""
    try:
        run = JobRunStatus.model_validate(status["run"])
    except (KeyError, ValidationError):
        return None
    return JobRun(run.template, run.asked, run.uid or "", run.outcome or "")


def see_last_write(status: Json) -> LastWrite | None:
    """Read what a SovereignWorkload's status remembers of our last write. What cannot be read counts as nothing."""
    try:
        write = LastWriteStatus.model_validate(status["lastWrite"])
    except (KeyError, ValidationError):
        return None
    return LastWrite(write.uid, write.content, write.generation, write.times, write.at)


def _autoscaler(metadata: Json) -> str:
    """Return the field manager that set the replica count by the subresource ``scale``, but for people's kubectl."""
    return next(
        (
            str(entry["manager"])
            for entry in metadata.get("managedFields", ())
            if entry.get("subresource") == "scale"
            and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
            and not str(entry.get("manager", "kubectl")).startswith("kubectl")
        ),
        "",
    )
