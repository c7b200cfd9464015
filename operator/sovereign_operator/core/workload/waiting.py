"""What a pod that waits for a node is told of its policy, for developers who may read nothing but their namespace.

The scheduler says how many nodes do not match, and not that a policy is the reason.
"""

from collections.abc import Sequence
from typing import Final

from sovereign_operator.core.report.conditions import Notice, examples
from sovereign_operator.core.workload.sentences import nowhere_to_run

WAITS: Final = "WaitsUnderPolicy"
"""The reason of the Event."""

REFUSED_BINDING: Final = "node not accepted"
"""How ``guard-bindings.yaml`` begins to say that a pod cannot be bound to a node. The scheduler repeats it."""

CREATE_AGAIN: Final = "a pod that is created now avoids such nodes, so delete this one and have it created again"


def chose_refused(said: str) -> bool:
    """Whether the scheduler chose a node that the policy refuses, as far as its last message says."""
    return REFUSED_BINDING in said


def waiting_notice(
    namespace: str, pod: str, policy: str, source: str, accepted: Sequence[str] | None, *, said: str = ""
) -> Notice:
    """Return the Event about a pod that the scheduler has found no node for.

    ``source``: which label holds the pod to the policy. ``accepted``: the nodes that the policy accepts; None: there is
    no such policy, or it cannot be read. ``said``: the scheduler's last message.
    """
    held = f"{source} holds this pod to policy {policy}"
    if accepted is None:
        return Notice(
            "Warning",
            WAITS,
            f"{held}, which does not exist or cannot be read: correct the label, or ask a cluster admin for the policy",
        )
    if not accepted:
        return Notice("Warning", WAITS, f"{held}: {nowhere_to_run(policy)}")
    nodes = "node" if len(accepted) == 1 else "nodes"
    if chose_refused(said):
        return Notice(
            "Warning",
            WAITS,
            f"{held}, which accepts {len(accepted)} {nodes}: {examples(accepted)}. The scheduler chose another one, "
            "which was refused after this pod was created and keeps its label for the pods that run there; it may go "
            f"on choosing it, above all if the accepted nodes have no room: {CREATE_AGAIN}: "
            f"kubectl -n {namespace} delete pod {pod}",
        )
    return Notice(
        "Warning",
        WAITS,
        f"{held}, which accepts {len(accepted)} {nodes}: {examples(accepted)}. The scheduler counts all others among "
        "those that do not match the node selector; whatever else FailedScheduling says is about these. Change what "
        "the pod asks of nodes (selector, affinity, tolerations, volumes, requests), or ask a cluster admin for room "
        f"there. For each node in turn: kubectl sovereign explain pod/{pod} -n {namespace}",
    )


def situation_of(policy: str, source: str, accepted: Sequence[str] | None, *, said: str = "") -> str:
    """Return what stands for all that one Event says to a pod. Which nodes a policy accepts may change all the time."""
    known = "unknown" if accepted is None else "some" if accepted else "none"
    if known == "some" and chose_refused(said):
        known = "refused"
    return f"{policy}|{source}|{known}"
