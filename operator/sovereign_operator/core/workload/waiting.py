"""What a pod that waits for a node is told of its policy, for developers who may read nothing but their namespace.

The scheduler says how many nodes do not match, and not that a policy is the reason.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Final

from sovereign_operator.core.report.conditions import MAX_EXAMPLES, Notice, examples
from sovereign_operator.core.workload.sentences import nowhere_to_run

WAITS: Final = "WaitsUnderPolicy"
"""The reason of the Event."""


def waiting_notice(namespace: str, pod: str, policy: str, source: str, accepted: Sequence[str] | None) -> Notice:
    """Return the Event about a pod that the scheduler has found no node for.

    ``source``: which label holds the pod to the policy. ``accepted``: the nodes that the policy accepts; None: there is
    no such policy, or it cannot be read.
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
    return Notice(
        "Warning",
        WAITS,
        f"{held}, which accepts {len(accepted)} {nodes}: {examples(accepted)}. The scheduler counts all others among "
        "those that do not match the node selector; whatever else FailedScheduling says is about these. Change what "
        "the pod asks of nodes (selector, affinity, tolerations, volumes, requests), or ask a cluster admin for room "
        f"there. For each node in turn: kubectl sovereign explain pod/{pod} -n {namespace}",
    )


def situation_of(policy: str, source: str, accepted: Sequence[str] | None) -> str:
    """Return what stands for all that one Event says to a pod. Which nodes a policy accepts may change all the time."""
    known = "unknown" if accepted is None else "some" if accepted else "none"
    return f"{policy}|{source}|{known}"


class PostedEvents:
    """Which pods have an Event about what, so that each gets it once, and at most ten pods of one owner at a time."""

    def __init__(self) -> None:
        self._posted: dict[Hashable, tuple[Hashable, Hashable]] = {}
        self._numbers: Counter[Hashable] = Counter()

    def is_due(self, pod: Hashable, owner: Hashable, what: Hashable) -> bool:
        """Whether an Event about this is to be posted for a pod of an owner; if so, it counts as posted."""
        before = self._posted.get(pod)
        if before == (owner, what) or (before is None and self._numbers[owner] >= MAX_EXAMPLES):
            return False
        self.forget(pod)
        self._posted[pod] = owner, what
        self._numbers[owner] += 1
        return True

    def forget(self, pod: Hashable) -> None:
        """Forget a pod that waits no more. Another one of its owner may get an Event then."""
        owner, _ = self._posted.pop(pod, (None, None))
        if owner is not None:
            self._numbers[owner] -= 1
            if not self._numbers[owner]:
                del self._numbers[owner]
