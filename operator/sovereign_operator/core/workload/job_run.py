"""A Job that a SovereignWorkload owns runs once for each template, even if the Job was deleted since.

A TTL, a clean-up script or a person removes Jobs that ended. Creating one again would run a migration or an
invoicing twice. So the status records a run before the Job is created, and what becomes of it.
"""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind, WorkloadTemplate
from sovereign_operator.core.workload.facts import Action, JobRun, OwnWorkload, WorkloadFacts


def template_digest(template: WorkloadTemplate) -> str:
    """Return 16 hexadecimal digits that stand for what a user wrote, whatever this version makes of it."""
    content = json.dumps(template.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def has_run(facts: WorkloadFacts) -> bool:
    """Whether the template's Job was created, and is gone.

    A creation that was asked for and never seen may have failed, so it is asked for again: but only as long as the Job
    cannot have ended and been removed since.
    """
    template, run = facts.spec.template, facts.run
    if template is None or template.kind is not WorkloadKind.JOB or facts.target or run is None:
        return False
    if run.template != template_digest(template):
        return False
    if run.uid:
        return True
    seconds = template.spec.get("ttlSecondsAfterFinished")
    return isinstance(seconds, int) and facts.now >= run.asked + timedelta(seconds=seconds)


def begins(facts: WorkloadFacts, action: Action) -> bool:
    """Whether an action creates a Job, which has to be recorded first."""
    return isinstance(action, OwnWorkload) and facts.kind is WorkloadKind.JOB and facts.target is None


def record(facts: WorkloadFacts, action: Action) -> JobRun | None:
    """Return what is to be recorded of the run, before the action is carried out."""
    template, run, job = facts.spec.template, facts.run, facts.target
    if template is None or template.kind is not WorkloadKind.JOB:
        return None
    if begins(facts, action):
        return JobRun(template_digest(template), facts.now)
    if job is None or job.owner_uid != facts.uid:
        return run
    if run is None or run.uid not in {"", job.uid}:
        # Created by a version that kept no record. Whether from this template, its annotation says.
        run = JobRun(template_digest(template) if facts.as_rendered else "", facts.now)
    return replace(run, uid=job.uid, outcome=job.outcome or run.outcome)
