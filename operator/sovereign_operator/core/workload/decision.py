"""What to do with the workload that a SovereignWorkload refers to.

Admission writes the placement into pods, not this. A workload that users own gets one label only, on the
object and on its pod template, which names the policy that its pods are held to.
"""

from typing import Final

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core import names
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.conditions import examples
from sovereign_operator.core.workload.adoption import is_forced
from sovereign_operator.core.workload.facts import (
    Action,
    AdoptWorkload,
    ObserveWorkload,
    OwnWorkload,
    RefuseWorkload,
    Workload,
    WorkloadFacts,
)
from sovereign_operator.core.workload.job_run import has_run
from sovereign_operator.core.workload.rewrites import hold_back
from sovereign_operator.core.workload.scope import effective_policy

MOST_ENTRIES: Final = 2000
"""Labels, annotations and entries of a nodeSelector that a workload may have to be taken into scope, of each."""


def decide_workload(facts: WorkloadFacts) -> Action:
    """Decide what to do with the workload."""
    refusal = _refuse_namespace(facts) or _refuse_policy(facts) or _refuse_target(facts)
    if refusal:
        return refusal
    policy = facts.policy
    assert policy is not None
    if facts.spec.pod_selector:
        return ObserveWorkload()
    action = _decide_owned(facts) if facts.spec.template else _decide_named(facts, policy)
    return hold_back(facts, action) or action


def _decide_owned(facts: WorkloadFacts) -> Action:
    assert facts.wanted is not None
    return ObserveWorkload() if facts.as_rendered or has_run(facts) else OwnWorkload(facts.wanted)


def _decide_named(facts: WorkloadFacts, policy: str) -> Action:
    target = facts.target
    assert target is not None
    if facts.kind is WorkloadKind.JOB:
        return ObserveWorkload() if facts.enforced is not None else _watch_job(target, policy, facts.namespace)
    if _is_adopted(target, policy) or _needs_no_adoption(facts, target, policy):
        return ObserveWorkload()
    return _refuse_crowd(target) or _refuse_to_stop(facts, policy) or AdoptWorkload(target, policy)


def _refuse_crowd(target: Workload) -> RefuseWorkload | None:
    """Refuse a workload that takes the API server too long to write, as other writes would wait for it."""
    if not target.crowd:
        return None
    message = (
        f"{target.kind} {target.name} has {target.crowd}, but only {MOST_ENTRIES} are allowed: the API server takes "
        "too long to write more; remove some"
    )
    return RefuseWorkload(ConditionReason.WORKLOAD_TOO_LARGE, message)


def _refuse_to_stop(facts: WorkloadFacts, policy: str) -> RefuseWorkload | None:
    """Refuse a roll-out of running pods while the policy accepts no node."""
    if facts.accepted_nodes or not facts.pods or facts.kind is WorkloadKind.CRON_JOB or is_forced(facts):
        return None
    message = (
        f"policy {policy} accepts no node now, and taking {facts.called} into scope would stop its {len(facts.pods)} "
        f"pod(s) for nothing: the operator waits for an accepted node; kubectl describe sovereigntypolicy {policy} "
        "says why"
    )
    return RefuseWorkload(ConditionReason.NO_NODE_ACCEPTED, message)


def _is_adopted(target: Workload, policy: str) -> bool:
    return target.ours and target.policy == policy and target.template_policy == policy


def _needs_no_adoption(facts: WorkloadFacts, target: Workload, policy: str) -> bool:
    """Whether the namespace's label is enough: then labelling the workload would roll it out for nothing.

    Pods that were created before the namespace was labelled are not placed, and have to be rolled out.
    """
    namespace_places = facts.enforced is not None and target.template_policy in {None, policy}
    return namespace_places and all(policy in pod.placed_for for pod in facts.pods)


def _refuse_namespace(facts: WorkloadFacts) -> RefuseWorkload | None:
    if not facts.in_system_namespace:
        return None
    message = f"namespace {facts.namespace} is never in scope: use a namespace of your own"
    return RefuseWorkload(ConditionReason.SYSTEM_NAMESPACE, message)


def _refuse_policy(facts: WorkloadFacts) -> RefuseWorkload | None:
    named = facts.spec.policy_ref.name if facts.spec.policy_ref else None
    return refuse_policy(facts.namespace, facts.enforced, named, facts.policies)


def refuse_policy(
    namespace: str, enforced: str | None, named: str | None, policies: frozenset[str]
) -> RefuseWorkload | None:
    """Refuse a SovereignWorkload that names no policy, one that does not exist, or another than its namespace's."""
    policy = effective_policy(enforced, named)
    if not policy:
        message = (
            "no policy: name one in spec.policyRef, or label the namespace: "
            f"kubectl label namespace {namespace} {names.ENFORCE_LABEL}=POLICY"
        )
        return RefuseWorkload(ConditionReason.NO_POLICY, message)
    if named and named != policy:
        message = (
            f"namespace {namespace} enforces policy {policy}, spec.policyRef names {named}: "
            "leave spec.policyRef out or use another namespace"
        )
        return RefuseWorkload(ConditionReason.POLICY_CONFLICT, message)
    if policy not in policies:
        known = examples(sorted(policies)) or "none"
        message = f"there is no SovereigntyPolicy {policy}: create it or correct the name; there are: {known}"
        return RefuseWorkload(ConditionReason.UNKNOWN_POLICY, message)
    return None


def _refuse_target(facts: WorkloadFacts) -> RefuseWorkload | None:
    if facts.template_problem:
        return RefuseWorkload(ConditionReason.TEMPLATE_TOO_LARGE, facts.template_problem)
    if facts.taken_by:
        message = f"SovereignWorkload {facts.taken_by} already refers to {facts.called}: delete one of the two"
        return RefuseWorkload(ConditionReason.ALREADY_TAKEN, message)
    if facts.spec.workload_ref and facts.target is None:
        message = f"there is no {facts.called} in namespace {facts.namespace}: create it, it is taken into scope then"
        return RefuseWorkload(ConditionReason.WORKLOAD_NOT_FOUND, message)
    if facts.spec.template and facts.target and facts.target.owner_uid != facts.uid:
        message = (
            f"{facts.called} exists, and this SovereignWorkload did not create it: take it into scope with "
            "spec.workloadRef, or choose another name for this SovereignWorkload"
        )
        return RefuseWorkload(ConditionReason.NAME_TAKEN, message)
    return None


def _watch_job(job: Workload, policy: str, namespace: str) -> Action:
    """Accept a Job as it stands or refuse it: its pod template is immutable."""
    if job.template_policy == policy:
        return ObserveWorkload()
    message = (
        f"the pod template of Job {job.name} cannot be changed: label the namespace "
        f"(kubectl label namespace {namespace} {names.ENFORCE_LABEL}={policy}), or create the Job with "
        f"the label {names.POLICY_LABEL}={policy} in its pod template"
    )
    return RefuseWorkload(ConditionReason.JOB_IMMUTABLE, message)


def is_abandoned(workload: Workload, *, referenced: bool) -> bool:
    """Whether to release a workload that the operator labelled, as no SovereignWorkload refers to it.

    A workload that a SovereignWorkload owns is deleted with its owner, by garbage collection.
    """
    return workload.ours and workload.policy is not None and workload.owner_uid is None and not referenced
