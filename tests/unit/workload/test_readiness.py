"""A workload's progress, in the same states that kubectl wait, Flux and others use."""

from typing import Any

import pytest

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core.workload.readiness import ReadinessState, job_outcome, readiness_of

AVAILABLE = [
    {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
    {"type": "Available", "status": "True"},
]
FULL = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
DEADLINE = {"replicas": 2, "progressDeadlineSeconds": 600}


def condition(kind: str, **fields: str) -> dict[str, str]:
    return {"type": kind, "status": "True", **fields}


def deployment(spec: dict[str, Any] | None = None, **status: Any) -> tuple[WorkloadKind, dict[str, Any]]:
    return WorkloadKind.DEPLOYMENT, _object(DEADLINE | (spec or {}), FULL | {"conditions": AVAILABLE} | status)


def stateful_set(spec: dict[str, Any] | None = None, **status: Any) -> tuple[WorkloadKind, dict[str, Any]]:
    usual = {"replicas": 2, "readyReplicas": 2, "currentRevision": "a", "updateRevision": "a"}
    return WorkloadKind.STATEFUL_SET, _object({"replicas": 2} | (spec or {}), usual | status)


def daemon_set(**status: Any) -> tuple[WorkloadKind, dict[str, Any]]:
    counts = ("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled")
    usual = dict.fromkeys((*counts, "numberAvailable", "numberReady"), 2)
    return WorkloadKind.DAEMON_SET, _object({}, usual | status)


def job(spec: dict[str, Any] | None = None, **status: Any) -> tuple[WorkloadKind, dict[str, Any]]:
    return WorkloadKind.JOB, _object(spec or {}, status)


def _object(spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"generation": 3}, "spec": spec, "status": {"observedGeneration": 3} | status}


def partition(ordinal: int) -> dict[str, Any]:
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": ordinal}}}


CASES: dict[str, tuple[tuple[WorkloadKind, dict[str, Any]], ReadinessState, str]] = {
    "a Deployment as it should be": (deployment(), ReadinessState.CURRENT, ""),
    "one that its controller has not seen": (deployment(observedGeneration=2), ReadinessState.IN_PROGRESS, "not seen"),
    "one that is new": (
        (WorkloadKind.DEPLOYMENT, {"metadata": {"generation": 1}}),
        ReadinessState.IN_PROGRESS,
        "not seen",
    ),
    "one without a replica": (deployment(replicas=1), ReadinessState.IN_PROGRESS, "1 of 2 replica(s) exist"),
    "one that is updated": (deployment(updatedReplicas=1), ReadinessState.IN_PROGRESS, "1 of 2 replica(s) are updated"),
    "one with an old pod": (deployment(replicas=3), ReadinessState.IN_PROGRESS, "1 replica(s) have yet to end"),
    "one whose pods crash": (
        deployment(availableReplicas=0),
        ReadinessState.IN_PROGRESS,
        "0 of 2 replica(s) are available",
    ),
    "one that is not ready": (deployment(readyReplicas=1), ReadinessState.IN_PROGRESS, "1 of 2 replica(s) are ready"),
    "one that made no progress": (
        deployment(conditions=[condition("Progressing", reason="ProgressDeadlineExceeded", message="timed out")]),
        ReadinessState.FAILED,
        "timed out",
    ),
    "one that is rolled out": (
        deployment(conditions=[condition("Progressing", reason="ReplicaSetUpdated"), AVAILABLE[1]]),
        ReadinessState.IN_PROGRESS,
        "roll-out",
    ),
    "one without a deadline": (
        deployment({"progressDeadlineSeconds": 2**31 - 1}, conditions=[AVAILABLE[1]]),
        ReadinessState.CURRENT,
        "",
    ),
    "one that is not available": (deployment(conditions=AVAILABLE[:1]), ReadinessState.IN_PROGRESS, "not available"),
    "one scaled to none": (
        deployment({"replicas": 0}, **dict.fromkeys(FULL, 0)),
        ReadinessState.CURRENT,
        "",
    ),
    "a StatefulSet as it should be": (stateful_set(), ReadinessState.CURRENT, ""),
    "one that has too few": (stateful_set(replicas=1), ReadinessState.IN_PROGRESS, "1 of 2 replica(s) exist"),
    "one whose pod is late": (
        stateful_set(readyReplicas=0),
        ReadinessState.IN_PROGRESS,
        "0 of 2 replica(s) are ready",
    ),
    "one in a roll-out": (stateful_set(updateRevision="b"), ReadinessState.IN_PROGRESS, "roll-out"),
    "one that people roll out": (
        stateful_set({"updateStrategy": {"type": "OnDelete"}}, readyReplicas=0),
        ReadinessState.CURRENT,
        "",
    ),
    "one that is updated in part, as asked": (
        stateful_set(partition(1), updatedReplicas=1, updateRevision="b"),
        ReadinessState.CURRENT,
        "",
    ),
    "one that is to be updated in part": (
        stateful_set(partition(1), updatedReplicas=0),
        ReadinessState.IN_PROGRESS,
        "0 of 1 replica(s) are updated",
    ),
    "a DaemonSet as it should be": (daemon_set(), ReadinessState.CURRENT, ""),
    "one that lacks a pod": (
        daemon_set(currentNumberScheduled=1),
        ReadinessState.IN_PROGRESS,
        "1 of 2 replica(s) exist",
    ),
    "one that is rolled out too": (daemon_set(updatedNumberScheduled=1), ReadinessState.IN_PROGRESS, "are updated"),
    "one whose pods crash too": (daemon_set(numberReady=1), ReadinessState.IN_PROGRESS, "1 of 2 replica(s) are ready"),
    "a Job that runs": (job(startTime="2030-06-15T12:00:00Z", active=1), ReadinessState.CURRENT, ""),
    "a Job that has not started": (job(), ReadinessState.IN_PROGRESS, "not started"),
    "a Job that is to wait": (job({"suspend": True}), ReadinessState.CURRENT, ""),
    "a Job that failed": (
        job(conditions=[condition("Failed", reason="BackoffLimitExceeded", message="it has reached its limit")]),
        ReadinessState.FAILED,
        "it has reached its limit",
    ),
    "a CronJob": ((WorkloadKind.CRON_JOB, {"metadata": {"generation": 1}}), ReadinessState.CURRENT, ""),
}


@pytest.mark.parametrize(("told", "progress", "words"), CASES.values(), ids=CASES.keys())
def test_how_far_it_has_come(told: tuple[WorkloadKind, dict[str, Any]], progress: ReadinessState, words: str) -> None:
    readiness = readiness_of(*told)
    assert readiness.progress is progress
    assert words in readiness.message
    assert bool(words) == bool(readiness.message)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ({}, ""),
        ({"conditions": [condition("SuccessCriteriaMet")]}, ""),
        ({"conditions": [condition("SuccessCriteriaMet"), condition("Complete")]}, "Complete"),
        ({"conditions": [condition("Failed")]}, "Failed"),
        ({"conditions": [condition("Complete") | {"status": "False"}]}, ""),
    ],
)
def test_how_a_job_ended(status: dict[str, Any], outcome: str) -> None:
    assert job_outcome({"status": status}) == outcome
