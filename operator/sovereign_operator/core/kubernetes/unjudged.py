"""Rules by which the scheduler chooses nodes that ``node_fit`` does not judge: a preview has to say so."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sovereign_operator.core import names
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
    yield from _spreads(spec.get("topologySpreadConstraints") or ())
    if any(port.get("hostIP", "") not in ANY_ADDRESS for port in ports_of(spec)):
        yield "its pods use a port of one address of their node"


def _spreads(constraints: Iterable[Json]) -> Iterator[str]:
    for constraint in constraints:
        key = str(constraint.get("topologyKey"))
        # One of admission's own asks for a label that accepted nodes have, all with the same value.
        own = key.startswith(names.node_host_label(""))
        if constraint.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule" and not own:
            yield f"its pods have to be spread evenly by {key}"
