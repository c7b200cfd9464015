"""When to reconcile a SovereignWorkload again if no change is observed, in seconds."""

from typing import Final

from sovereign_operator.core.workload.facts import WorkloadFacts
from sovereign_operator.core.workload.readiness import ReadinessState

UNFINISHED_RETRY_SECONDS: Final = 10.0
LONGEST_RETRY_SECONDS: Final = 300.0
"""No watch reports when a workload is created that a SovereignWorkload already refers to."""

MOMENT_SECONDS: Final = 1.0

RESYNC_SECONDS: Final = 600.0
"""The interval after which the controller reconciles everything again, in case it missed a change."""


def seconds_to_next_look(facts: WorkloadFacts) -> float:
    """Return when to look again at one that is carried out."""
    if facts.target and facts.target.readiness.progress is ReadinessState.IN_PROGRESS:
        # Its pods are watched, the workload is not: its own controller needs a moment to count ready pods.
        return MOMENT_SECONDS if all(pod.ready for pod in facts.pods) else UNFINISHED_RETRY_SECONDS
    return RESYNC_SECONDS


def patience(refused_for: float) -> float:
    """Return when to look again at one that cannot be carried out: after half the time for which that has been so."""
    return min(max(refused_for / 2, UNFINISHED_RETRY_SECONDS), LONGEST_RETRY_SECONDS)
