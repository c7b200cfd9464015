"""Rules by which the scheduler chooses nodes that ``node_fit`` does not judge: a preview has to say so."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sovereign_operator.core.kubernetes.node_room import ports_of

Json = Mapping[str, Any]

SCHEDULER: Final = "default-scheduler"
REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
ANY_ADDRESS: Final = ("", "0.0.0.0", "::")  # noqa: S104 - nothing listens here


def unjudged_rule(pod_spec: Json) -> str:
    """Return the first such rule of a pod as a sentence; empty if there is none."""
    return next(_rules(pod_spec), "")


def _rules(spec: Json) -> Iterator[str]:
    if (scheduler := spec.get("schedulerName") or SCHEDULER) != SCHEDULER:
        yield f"another scheduler places its pods: {scheduler}"
    if spec.get("schedulingGates"):
        yield "its pods wait for scheduling gates, which others take away"
    if spec.get("resourceClaims"):
        yield "its pods claim devices (spec.resourceClaims)"
    if spec.get("runtimeClassName"):
        yield f"its pods take nodes and overhead from RuntimeClass {spec['runtimeClassName']}"
    affinity = spec.get("affinity") or {}
    for field in ("podAffinity", "podAntiAffinity"):
        if (affinity.get(field) or {}).get(REQUIRED):
            yield f"its pods choose nodes by other pods there (required {field})"
    for constraint in spec.get("topologySpreadConstraints") or ():
        if constraint.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule":
            yield f"its pods have to be spread evenly by {constraint.get('topologyKey')}"
    if any(port.get("hostIP", "") not in ANY_ADDRESS for port in ports_of(spec)):
        yield "its pods use a port of one address of their node"
