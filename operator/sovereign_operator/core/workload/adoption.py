"""Would taking a workload into scope stop its pods?

The label that takes a workload into scope rolls it out. Where its strategy takes a pod away before the successor is
Ready, and no accepted node can run that successor, the pod is lost: a database, for example, whose volume is in a zone
that the policy refuses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sovereign_operator.api.v1alpha1.sovereign_workload import Adoption, WorkloadKind
from sovereign_operator.core.kubernetes.node_fit import NodeTraits, PodDemands, obstacle
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.workload.facts import RefuseWorkload, WorkloadFacts

Json = Mapping[str, Any]

SPARE_PODS: Final = 100
"""How many more pods of a StatefulSet are looked at than it has by its status, which may lag."""
MOST_PODS: Final = 5000
"""How many pods of a workload are looked at in any case. The API server stores any number up to 2**31 - 1."""


@dataclass(frozen=True)
class RollOut:
    """What a change of the pod template would do to a workload's pods."""

    pods: tuple[PodDemands, ...]
    """What the new pods demand of their nodes, in the order in which they come; one stands for all that are alike."""
    stops_first: bool
    """Whether a pod is taken away before its successor is Ready."""


def is_forced(facts: WorkloadFacts) -> bool:
    """Whether the workload is to be taken into scope though its pods stop."""
    return facts.spec.adoption is Adoption.FORCE


def rolls_out(kind: WorkloadKind, spec: Json) -> bool:
    """Whether a change of the pod template replaces pods, given a workload's spec."""
    strategy = spec.get("updateStrategy") or {}
    match kind:
        case WorkloadKind.DEPLOYMENT:
            return not spec.get("paused") and spec.get("replicas", 1) > 0
        case WorkloadKind.STATEFUL_SET:
            return strategy.get("type") != "OnDelete" and bool(ordinals(spec))
        case WorkloadKind.DAEMON_SET:
            # Admission writes the node label into its template, so whatever its strategy, pods elsewhere are deleted.
            return True
        case WorkloadKind.JOB | WorkloadKind.CRON_JOB:
            return False


def stops_first(kind: WorkloadKind, spec: Json) -> bool:
    """Whether a roll-out takes a pod away before its successor is Ready, given a workload's spec."""
    if kind is not WorkloadKind.DEPLOYMENT:
        return True
    strategy = spec.get("strategy") or {}
    surge = (strategy.get("rollingUpdate") or {}).get("maxSurge", "25%")
    return strategy.get("type") == "Recreate" or str(surge).rstrip("%") == "0"


def replaced(spec: Json, existing: int) -> range:
    """Return the ordinals of the pods that a roll-out of a StatefulSet replaces, in its order: the highest first.

    ``existing``: how many pods it has, by its status. It may ask for two thousand million, and no roll-out stops those
    that were never made. They are made from the lowest on, so the highest are left out.
    """
    wanted = ordinals(spec)
    return wanted[max(0, len(wanted) - min(existing + SPARE_PODS, MOST_PODS)) :]


def ordinals(spec: Json) -> range:
    """Return the ordinals of the pods that a roll-out of a StatefulSet replaces, in its order: the highest first."""
    first = (spec.get("ordinals") or {}).get("start", 0)
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    end = first + spec.get("replicas", 1)
    return range(end - 1, first + (rolling.get("partition") or 0) - 1, -1)


def refuse_to_stop(facts: WorkloadFacts, roll_out: RollOut, accepted: Sequence[NodeTraits]) -> RefuseWorkload | None:
    """Refuse to take a workload into scope if pods of it would stop and never start again."""
    if is_forced(facts) or not roll_out.stops_first or not facts.pods:
        return None
    why = stuck(roll_out, accepted)
    if not why:
        return None
    message = (
        f"taking {facts.called} into scope of policy {facts.policy} would stop its pods: {why}; change that, for "
        "example by moving the data, or set spec.adoption: Force to go on all the same"
    )
    return RefuseWorkload(ConditionReason.WOULD_STOP, message)


def stuck(roll_out: RollOut, accepted: Sequence[NodeTraits]) -> str:
    """Return which pod of a roll-out would find no node, and why; empty if each finds one."""
    for pod in roll_out.pods:
        if why := obstacle(pod, accepted):
            return f"{pod.pod} would find no node among the {len(accepted)} accepted: {why}"
    return ""
