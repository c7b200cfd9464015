"""How far a workload has come, by the rules of kstatus, which kubectl, Flux and others wait by.

Source: https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, assert_never

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core.report.conditions import condition_of
from sovereign_operator.core.report.reasons import line

Json = Mapping[str, Any]

NO_DEADLINE: Final = 2**31 - 1
"""The progressDeadlineSeconds with which a Deployment has no deadline, and no condition Progressing."""


class ReadinessState(Enum):
    """How far a workload's controller has come with what its spec asks for."""

    CURRENT = "Current"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"


@dataclass(frozen=True)
class Readiness:
    """How far a workload has come. ``message`` is a part of a sentence: 1 of 2 replicas are available."""

    progress: ReadinessState
    message: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", line(self.message))


CURRENT: Final = Readiness(ReadinessState.CURRENT)
"""All is as the spec asks."""


def readiness_of(kind: WorkloadKind, obj: Json) -> Readiness:
    """Judge a workload, given as the API server has it."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if kind is not WorkloadKind.CRON_JOB and _is_unobserved(kind, obj["metadata"], status):
        return _waiting("its controller has not seen the last change yet")
    match kind:
        case WorkloadKind.DEPLOYMENT:
            return _deployment(spec, status)
        case WorkloadKind.STATEFUL_SET:
            return _stateful_set(spec, status)
        case WorkloadKind.DAEMON_SET:
            return _daemon_set(status)
        case WorkloadKind.JOB:
            return _job(spec, status)
        case WorkloadKind.CRON_JOB:
            return CURRENT
        case _:
            assert_never(kind)


def job_outcome(obj: Json) -> str:
    """Return how a Job ended, Complete or Failed; empty while it has not."""
    for outcome in ("Complete", "Failed"):
        if condition_of(obj.get("status") or {}, outcome).get("status") == "True":
            return outcome
    return ""


def _is_unobserved(kind: WorkloadKind, metadata: Json, status: Json) -> bool:
    # A Job's status has no observedGeneration.
    return kind is not WorkloadKind.JOB and status.get("observedGeneration", 0) < metadata.get("generation", 0)


def _deployment(spec: Json, status: Json) -> Readiness:
    progressing = condition_of(status, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Readiness(
            ReadinessState.FAILED, f"its roll-out made no progress in time: {progressing.get('message', '')}"
        )
    wanted = spec.get("replicas", 1)
    steps = (
        _fewer(status, "replicas", wanted, "exist"),
        _fewer(status, "updatedReplicas", wanted, "are updated"),
        _surplus(status, wanted),
        _fewer(status, "availableReplicas", status.get("updatedReplicas", 0), "are available"),
        _fewer(status, "readyReplicas", wanted, "are ready"),
    )
    waiting = next((step for step in steps if step), None)
    if waiting:
        return waiting
    has_deadline = spec.get("progressDeadlineSeconds", NO_DEADLINE) != NO_DEADLINE
    if has_deadline and progressing.get("reason") != "NewReplicaSetAvailable":
        return _waiting("its roll-out has not ended")
    if condition_of(status, "Available").get("status") != "True":
        return _waiting("it is not available")
    return CURRENT


def _stateful_set(spec: Json, status: Json) -> Readiness:
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return CURRENT
    wanted = spec.get("replicas", 1)
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    steps = (
        _fewer(status, "replicas", wanted, "exist"),
        _fewer(status, "readyReplicas", wanted, "are ready"),
        _surplus(status, wanted),
        _fewer(status, "updatedReplicas", max(wanted - partition, 0), "are updated") if partition else None,
    )
    waiting = next((step for step in steps if step), None)
    if waiting or partition:
        return waiting or CURRENT
    if status.get("currentRevision") != status.get("updateRevision"):
        return _waiting("its roll-out has not ended")
    return CURRENT


def _daemon_set(status: Json) -> Readiness:
    wanted = status.get("desiredNumberScheduled", 0)
    steps = (
        _fewer(status, "currentNumberScheduled", wanted, "exist"),
        _fewer(status, "updatedNumberScheduled", wanted, "are updated"),
        _fewer(status, "numberAvailable", wanted, "are available"),
        _fewer(status, "numberReady", wanted, "are ready"),
    )
    return next((step for step in steps if step), None) or CURRENT


def _job(spec: Json, status: Json) -> Readiness:
    """Judge a Job: one that runs is as its spec asks."""
    failed = condition_of(status, "Failed")
    if failed.get("status") == "True":
        return Readiness(ReadinessState.FAILED, f"it failed: {failed.get('message') or failed.get('reason', '')}")
    if spec.get("suspend") or status.get("startTime"):
        return CURRENT
    return _waiting("it has not started")


def _fewer(status: Json, field: str, wanted: int, what: str) -> Readiness | None:
    found = status.get(field, 0)
    return _waiting(f"{found} of {wanted} replica(s) {what}") if found < wanted else None


def _surplus(status: Json, wanted: int) -> Readiness | None:
    surplus = status.get("replicas", 0) - wanted
    return _waiting(f"{surplus} replica(s) have yet to end") if surplus > 0 else None


def _waiting(message: str) -> Readiness:
    return Readiness(ReadinessState.IN_PROGRESS, message)
