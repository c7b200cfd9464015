"""Whether a SovereignWorkload is Ready: what `kubectl wait`, Argo CD and Flux go by."""

from typing import assert_never

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.conditions import Observation, examples
from sovereign_operator.core.workload.facts import WorkloadFacts
from sovereign_operator.core.workload.job_run import has_run
from sovereign_operator.core.workload.readiness import Readiness, ReadinessState


def judge_ready(facts: WorkloadFacts, accepted: Observation, placed: Observation) -> Observation:
    """Judge the whole: in scope, placed, and as far as its spec asks, by the rules of kstatus."""
    wrong = next((seen for seen in (accepted, placed) if seen.status == "False"), None)
    if wrong:
        return wrong
    called = facts.called
    special = _ready_pods(facts, placed) if facts.spec.pod_selector else _ready_job(facts, called)
    if special:
        return special
    readiness = facts.target.readiness if facts.target else Readiness(ReadinessState.IN_PROGRESS, "it is being created")
    no_pods = f"; {placed.message}" if not facts.pods else ""
    match readiness.progress:
        case ReadinessState.FAILED:
            message = f"{called} does not come to run: {readiness.message}{no_pods}"
            return Observation("Ready", "False", ConditionReason.WORKLOAD_FAILED, message)
        case ReadinessState.IN_PROGRESS:
            message = f"{called} is not ready yet: {readiness.message}{no_pods}"
            return Observation("Ready", "False", ConditionReason.WORKLOAD_IN_PROGRESS, message)
        case ReadinessState.CURRENT:
            if placed.status == "True":
                return placed
            message = f"{called} has no pods at this moment, as its spec asks"
            return Observation("Ready", "True", ConditionReason.WORKLOAD_CURRENT, message)
        case _:
            assert_never(readiness.progress)


def _ready_pods(facts: WorkloadFacts, placed: Observation) -> Observation:
    """Judge pods that no workload is known to own."""
    waiting = [pod.name for pod in facts.pods if not pod.ready]
    if not waiting:
        return Observation("Ready", placed.status, placed.reason, placed.message)
    message = f"{len(waiting)} of {len(facts.pods)} pod(s) are not ready: {examples(sorted(waiting))}"
    return Observation("Ready", "False", ConditionReason.WORKLOAD_IN_PROGRESS, message)


def _ready_job(facts: WorkloadFacts, called: str) -> Observation | None:
    """Judge a Job that ended, or is gone; None if it is none of these."""
    if facts.kind is not WorkloadKind.JOB:
        return None
    gone = has_run(facts)
    outcome = facts.target.outcome if facts.target else facts.run.outcome if facts.run and gone else ""
    again = (
        "; it is gone by now and is not created again: to run it again, change spec.template, or delete this "
        "SovereignWorkload and create it again"
        if gone
        else ""
    )
    if outcome == "Complete":
        return Observation("Ready", "True", ConditionReason.JOB_COMPLETE, f"{called} ran and completed{again}")
    if outcome:
        why = f": {facts.target.readiness.message}" if facts.target else ""
        return Observation("Ready", "False", ConditionReason.JOB_FAILED, f"{called} ran and failed{why}{again}")
    if gone:
        return Observation("Ready", "Unknown", ConditionReason.JOB_GONE, f"how {called} ended was not seen{again}")
    return None
