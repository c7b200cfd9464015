"""What we keep of workloads, and what a SovereignWorkload's status remembers of our own writes."""

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
"""In bytes of JSON. What a workload's template says is written, compared and hashed whole each time."""
DEEPEST_TEMPLATE: Final = 100
"""In levels. No field of a workload lies half as deep; what lies too deep to be read must not be left out silently."""


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
        crowd=_crowd(metadata, pod_template(kind, obj)),
    )


def _crowd(metadata: Json, template: Json) -> str:
    """Say of what a workload has more than can be written in time; empty if it has not."""
    within = template.get("metadata") or {}
    found = {
        "labels": metadata.get("labels"),
        "annotations": metadata.get("annotations"),
        "labels in its pod template": within.get("labels"),
        "entries in the nodeSelector of its pod template": (template.get("spec") or {}).get("nodeSelector"),
    }
    return next((f"{len(some)} {what}" for what, some in found.items() if some and len(some) > MOST_ENTRIES), "")


def see_sovereign_workload(obj: Json) -> tuple[SovereignWorkloadSpec, str] | Unreadable | None:
    """Read the spec of a SovereignWorkload.

    Also say why its template cannot be carried out; the template has no spec then. One that is being deleted counts
    for nothing.
    """
    spec = obj.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    problem = _problem_of(template.get("spec")) if isinstance(template, dict) else ""
    if problem:
        obj = obj | {"spec": obj["spec"] | {"template": obj["spec"]["template"] | {"spec": {}}}}
    seen = see_spec(obj, SovereignWorkloadSpec)
    return (seen, problem) if isinstance(seen, SovereignWorkloadSpec) else seen


def see_claim(obj: Json) -> WorkloadClaim:
    """Keep of a SovereignWorkload that can be read what decides whether it has its workload."""
    metadata, named = obj["metadata"], obj["spec"].get("policyRef") or {}
    return WorkloadClaim(metadata["creationTimestamp"], metadata["name"], named.get("name"))


def _problem_of(template: Any) -> str:
    """Say why a template is not carried out, by its size alone; empty if that is as it should be."""
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
        if (most := max(len(inner) for inner in level)) > MOST_ENTRIES:
            return (
                f"a field in spec.template.spec has {most} entries, and may have {MOST_ENTRIES}, as the API server "
                "takes too long to write one that has more: remove some"
            )
        level = [item for inner in level for item in (inner.values() if isinstance(inner, Mapping) else inner)]
    return ""


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
