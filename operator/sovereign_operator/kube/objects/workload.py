"""What the controller keeps of workloads and SovereignWorkloads, and what their status records of its own writes."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import to_json

from sovereign_operator.api.v1alpha1.sovereign_workload import (
    JobRunStatus,
    LastWriteStatus,
    SovereignWorkloadSpec,
    WorkloadKind,
)
from sovereign_operator.core import names
from sovereign_operator.core.kubernetes.selector import Selector
from sovereign_operator.core.workload.decision import MOST_ENTRIES
from sovereign_operator.core.workload.facts import JobRun, LastWrite, Workload
from sovereign_operator.core.workload.manifests import pod_template_path
from sovereign_operator.core.workload.precedence import WorkloadClaim
from sovereign_operator.core.workload.readiness import job_outcome, readiness_of
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.managed_fields import latest_writer
from sovereign_operator.kube.objects.spec import see_spec
from sovereign_operator.kube.unreadable import Unreadable

LARGEST_TEMPLATE: Final = 256 * 1024
"""In bytes of JSON. Each reconcile writes, compares and hashes a workload's template as a whole."""
DEEPEST_TEMPLATE: Final = 100
"""In levels. No field of a workload is half as deep. A deeper template is refused rather than read in part."""


def see_workload(kind: WorkloadKind, obj: Json) -> Workload:
    """Read a workload of this kind."""
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
        crowd=_crowd(metadata, pod_template(kind, obj)),
    )


def _crowd(metadata: Json, template: Json) -> str:
    """Return which map of a workload has more entries than the API server can write in time, as text; or empty."""
    maps = {
        "labels": metadata.get("labels"),
        "annotations": metadata.get("annotations"),
        "labels in its pod template": (template.get("metadata") or {}).get("labels"),
        "entries in the nodeSelector of its pod template": (template.get("spec") or {}).get("nodeSelector"),
    }
    crowds = (f"{len(entries)} {what}" for what, entries in maps.items() if entries and len(entries) > MOST_ENTRIES)
    return next(crowds, "")


def see_sovereign_workload(obj: Json) -> tuple[SovereignWorkloadSpec, str] | Unreadable | None:
    """Read the spec of a SovereignWorkload, and why its template is refused; None if it is being deleted.

    The reason is empty if the template is fine. A refused template is returned with an empty spec.
    """
    spec = obj.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    problem = _problem_of(template.get("spec")) if isinstance(template, dict) else ""
    if problem:
        obj = obj | {"spec": obj["spec"] | {"template": obj["spec"]["template"] | {"spec": {}}}}
    seen = see_spec(obj, SovereignWorkloadSpec)
    return (seen, problem) if isinstance(seen, SovereignWorkloadSpec) else seen


def see_claim(obj: Json) -> WorkloadClaim:
    """Read from a valid SovereignWorkload what decides which of several for the same workload takes precedence."""
    metadata, policy_ref = obj["metadata"], obj["spec"].get("policyRef") or {}
    return WorkloadClaim(metadata["creationTimestamp"], metadata["name"], policy_ref.get("name"))


def _problem_of(template: Any) -> str:
    """Return why a template is too large, too deep or too wide to be written; empty if it is not."""
    size = len(to_json(template))
    if size > LARGEST_TEMPLATE:
        return (
            f"spec.template.spec has {size} bytes of JSON, and may have {LARGEST_TEMPLATE}: move what is large in it "
            "into a ConfigMap"
        )
    level, depth = [template], 0
    while level := [inner for inner in level if isinstance(inner, dict | list)]:
        depth += 1
        if depth > DEEPEST_TEMPLATE:
            return f"spec.template.spec is nested deeper than {DEEPEST_TEMPLATE} levels: no workload has such a field"
        if (widest := max(len(inner) for inner in level)) > MOST_ENTRIES:
            return (
                f"a field in spec.template.spec has {widest} entries, and may have {MOST_ENTRIES}, as the API server "
                "takes too long to write one that has more: remove some"
            )
        level = [item for inner in level for item in (inner.values() if isinstance(inner, Mapping) else inner)]
    return ""


def pod_template(kind: WorkloadKind, obj: Json) -> Json:
    """Return the pod template of a workload; empty if it has none."""
    template: Any = obj
    for key in pod_template_path(kind):
        template = template.get(key) or {}
    result: Json = template
    return result


def selector_of(obj: Json) -> Selector:
    """Return a workload's own pod selector."""
    selector = obj["spec"].get("selector") or {}
    return Selector(selector.get("matchLabels") or {}, tuple(selector.get("matchExpressions") or ()))


def see_run(status: Json) -> JobRun | None:
    """Read what a SovereignWorkload's status records of its Job; None if it is absent or invalid."""
    try:
        run = JobRunStatus.model_validate(status["run"])
    except (KeyError, ValidationError):
        return None
    return JobRun(run.template, run.asked, run.uid or "", run.outcome or "")


def see_last_write(status: Json) -> LastWrite | None:
    """Read what a SovereignWorkload's status records of the operator's last write; None if it is absent or invalid."""
    try:
        write = LastWriteStatus.model_validate(status["lastWrite"])
    except (KeyError, ValidationError):
        return None
    return LastWrite(write.uid, write.content, write.generation, write.times, write.at)


def _autoscaler(metadata: Json) -> str:
    """Return the field manager that set the replica count by the subresource ``scale``; kubectl does not count."""
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
