"""One SovereignWorkload: gather what it depends on, decide, act, and say what was seen."""

import asyncio
import logging
from collections.abc import Sequence
from typing import assert_never

from sovereign_operator.api.v1alpha1 import SOVEREIGN_WORKLOAD, SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.sovereign_workload import SovereignWorkloadSpec, WorkloadKind
from sovereign_operator.controller.keys import SovereignWorkloadKey
from sovereign_operator.controller.observed.kopf_trim import trim
from sovereign_operator.controller.reconcile import workload_metrics
from sovereign_operator.controller.reconcile.adoption import adopt, announce, own, preview
from sovereign_operator.controller.reconcile.write_status import write_status
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.workload import manifests
from sovereign_operator.core.workload.decision import decide_workload
from sovereign_operator.core.workload.facts import (
    NOTHING_DONE,
    Action,
    AdoptWorkload,
    ObserveWorkload,
    Outcome,
    OwnWorkload,
    RefuseWorkload,
    WorkloadFacts,
    selector_of_pods,
    workload_of,
)
from sovereign_operator.core.workload.job_run import begins
from sovereign_operator.core.workload.next_look import patience, seconds_to_next_look
from sovereign_operator.core.workload.precedence import older_rival
from sovereign_operator.core.workload.rewrites import after_write
from sovereign_operator.core.workload.status import report_unread, report_workload
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import NotFoundError, RefusedError
from sovereign_operator.kube.objects.pod import ObservedPod
from sovereign_operator.kube.objects.workload import (
    see_claim,
    see_last_write,
    see_run,
    see_sovereign_workload,
    see_workload,
    selector_of,
)
from sovereign_operator.kube.refused_writes import AGAIN_SECONDS
from sovereign_operator.kube.unreadable import Unreadable

logger = logging.getLogger(__name__)


async def reconcile_workload(state: ControllerState, key: SovereignWorkloadKey) -> float | None:
    """Reconcile one SovereignWorkload: adopt or apply its workload, and write its status.

    Return in how many seconds to reconcile again; None if only a change can make a difference.
    """
    obj = state.view.object(SOVEREIGN_WORKLOAD.plural, key.name, key.namespace)
    seen = _see(state, key, obj)
    if obj and isinstance(seen, Unreadable):
        await _write_unread(state, key, obj, seen)
        return None
    if obj is None or not isinstance(seen, tuple) or not _all_is_known(state, _policy(state, key, seen[0])):
        return None
    spec, _ = seen
    workload = workload_of(key.name, spec)
    found = await _find(state, *workload, key.namespace) if workload else None
    if spec.template:
        whole = await _read_whole(state, key, obj)
        if whole is None:
            return None
        obj, seen = whole
    facts = await _gather(state, key, obj, seen, found)
    action, warning = await preview(state, facts, decide_workload(facts), found)
    if begins(facts, action):
        report = report_workload(facts, action)
        if not await write_status(state, SOVEREIGN_WORKLOAD, key.name, report, key.namespace):
            # The status is the only record that the Job ran: do not run it unrecorded.
            return AGAIN_SECONDS
    outcome = await _act(state, facts, action, found, warning)
    if outcome.last_write:
        state.writes[key] = outcome.last_write
    report = report_workload(facts, action, outcome)
    workload_metrics.show(key, report)
    written = await write_status(state, SOVEREIGN_WORKLOAD, key.name, report, key.namespace)
    if why := outcome.refused or (isinstance(action, RefuseWorkload) and action.reason):
        return _retry_seconds(state, key, why)
    state.refused.pop(key, None)
    return seconds_to_next_look(facts) if written else AGAIN_SECONDS


def _policy(state: ControllerState, key: SovereignWorkloadKey, spec: SovereignWorkloadSpec) -> str | None:
    return state.view.policy_in_effect(key.namespace, spec.policy_ref.name if spec.policy_ref else None)


def _all_is_known(state: ControllerState, policy: str | None) -> bool:
    """Whether everything has been observed that a decision rests on. What becomes known last queues the key again."""
    verdicts = state.published.verdicts
    if verdicts is None or state.view.guards.findings is None:
        return False
    return policy is None or state.view.knows_encryption(policy, verdicts.facts.policies.get(policy))


def _see(
    state: ControllerState, key: SovereignWorkloadKey, obj: Json | None
) -> tuple[SovereignWorkloadSpec, str] | Unreadable | None:
    """Return spec and template problem, Unreadable, or None if it is being deleted: then its deletion decides."""
    seen = see_sovereign_workload(obj) if obj else None
    error = seen.error if isinstance(seen, Unreadable) else ""
    state.view.own.unreadable[SOVEREIGN_WORKLOAD.plural].note((key.namespace, key.name), error)
    if obj is None:
        _forget(state, key)
    return seen


async def _read_whole(
    state: ControllerState, key: SovereignWorkloadKey, obj: Json
) -> tuple[Json, tuple[SovereignWorkloadSpec, str]] | None:
    """Read one with its template, which kopf does not keep. Return None if it cannot be carried out as it is.

    It is read after its workload: its status is the only record that a Job ran, and kopf's copy may be older than the
    controller's last write.
    """
    live = await state.api.lasting(resource.OURS[SOVEREIGN_WORKLOAD.plural], key.name, key.namespace)
    if live is None or live["metadata"]["uid"] != obj["metadata"]["uid"]:
        # It was deleted or replaced: the event follows.
        return None
    seen, live = _see(state, key, live), trim(live)
    if isinstance(seen, Unreadable):
        await _write_unread(state, key, live, seen)
    return (live, seen) if isinstance(seen, tuple) else None


async def _write_unread(state: ControllerState, key: SovereignWorkloadKey, obj: Json, seen: Unreadable) -> None:
    report = report_unread(obj.get("status", {}), seen.error)
    workload_metrics.show(key, report)
    await write_status(state, SOVEREIGN_WORKLOAD, key.name, report, key.namespace)


def _retry_seconds(state: ControllerState, key: SovereignWorkloadKey, why: str) -> float:
    """Return in how many seconds to retry one that is refused for this reason: less often the longer it lasts."""
    now = asyncio.get_running_loop().time()
    # The hash alone, as the reason may quote a whole template.
    reason = hash(why)
    reported, since = state.refused.get(key, (reason, now))
    if reported != reason:
        since = now
    state.refused[key] = reason, since
    return patience(now - since)


async def _gather(
    state: ControllerState,
    key: SovereignWorkloadKey,
    obj: Json,
    seen: tuple[SovereignWorkloadSpec, str],
    found: Json | None,
) -> WorkloadFacts:
    spec, template_problem = seen
    workload = workload_of(key.name, spec)
    policy = _policy(state, key, spec)
    policies = frozenset(name for _, name in state.view.keys(SOVEREIGNTY_POLICY.plural))
    pods = await _pods_of_workload(state, key, spec, workload[0] if workload else None, found)
    target = see_workload(workload[0], found) if workload and found else None
    wanted = (
        manifests.owned(
            spec.template,
            namespace=key.namespace,
            name=key.name,
            owner_uid=obj["metadata"]["uid"],
            policy=policy,
            scaled=bool(target and target.scaled_by),
        )
        if spec.template and policy
        else None
    )
    status = obj.get("status", {})
    last_write = state.writes.get(key) or see_last_write(status)
    verdicts = state.published.verdicts
    assert verdicts is not None
    return WorkloadFacts(
        namespace=key.namespace,
        name=key.name,
        uid=obj["metadata"]["uid"],
        spec=spec,
        enforced=state.view.enforced(key.namespace),
        in_system_namespace=key.namespace in state.view.system_namespaces,
        policies=policies,
        target=target,
        taken_by=_older_rival(state, key, workload, policies) if workload else None,
        pods=tuple(pod.pod for pod in pods),
        verdicts=verdicts.nodes.by(policy) if policy else {},
        accepted_nodes=len(verdicts.accepted_nodes(policy)) if policy else 0,
        wanted=wanted,
        as_rendered=bool(found and wanted and manifests.stands(found, wanted, last_write)),
        guards_broken=state.view.guards.broken,
        authorities=state.view.identity.authorities(policy) if state.view.identity and policy else None,
        encryption=state.view.sidecars.of_pods(policy, pods) if state.view.sidecars and policy else None,
        now=state.api.clock.now(),
        run=see_run(status),
        last_write=last_write,
        template_problem=template_problem,
    )


async def _is_wanted(api: Api, facts: WorkloadFacts) -> bool:
    """Whether a SovereignWorkload exists and is not being deleted.

    If a workload that was just orphaned got its former owner back, the garbage collector would delete it.
    """
    live = await api.lasting(resource.OURS[SOVEREIGN_WORKLOAD.plural], facts.name, facts.namespace)
    return live is not None and live["metadata"]["uid"] == facts.uid


async def _find(state: ControllerState, kind: WorkloadKind, name: str, namespace: str) -> Json | None:
    try:
        return await state.api.get(resource.WORKLOADS[kind], name, namespace)
    except NotFoundError:
        return None


async def _pods_of_workload(
    state: ControllerState,
    key: SovereignWorkloadKey,
    spec: SovereignWorkloadSpec,
    kind: WorkloadKind | None,
    workload: Json | None,
) -> Sequence[ObservedPod]:
    """Return the pods of a SovereignWorkload that have neither ended nor begun to terminate."""
    selected = selector_of_pods(spec)
    selectors = [selected] if selected else []
    is_cron_job = kind is WorkloadKind.CRON_JOB
    if workload and is_cron_job:
        uid = workload["metadata"]["uid"]
        selectors += [
            selector_of(job)
            async for jobs, _ in state.api.pages(resource.WORKLOADS[WorkloadKind.JOB], key.namespace)
            for job in jobs
            if any(owner["uid"] == uid for owner in job["metadata"].get("ownerReferences", ()))
        ]
    elif workload:
        selectors.append(selector_of(workload))
    # No watch reports a new workload or a new Job of a CronJob, but the pods that it makes are seen.
    may_change = is_cron_job or not (workload or selected)
    state.view.selectors.record((key.namespace, key.name), None if may_change else selectors)
    found = state.view.pods_selected(key.namespace, selectors).values()
    return [pod for pod in found if not pod.ended and not pod.terminating]


def _older_rival(
    state: ControllerState, key: SovereignWorkloadKey, workload: tuple[WorkloadKind, str], policies: frozenset[str]
) -> str | None:
    """Return the name of the older SovereignWorkload that holds the workload; None if this one holds it."""
    kind, name = workload
    referrers = (name for _, name in state.view.references.referring_to((kind, key.namespace, name)))
    found = (state.view.object(SOVEREIGN_WORKLOAD.plural, referrer, key.namespace) for referrer in referrers)
    claims = [see_claim(obj) for obj in found if obj]
    enforced = state.view.enforced(key.namespace)
    return older_rival(key.name, claims, namespace=key.namespace, enforced=enforced, policies=policies)


async def _act(
    state: ControllerState, facts: WorkloadFacts, action: Action, live: Json | None, warning: str
) -> Outcome:
    """Carry out a decision."""
    try:
        match action:
            case AdoptWorkload():
                written = await adopt(state, facts, action)
                await announce(state, facts, warning)
            case OwnWorkload():
                if not await _is_wanted(state.api, facts):
                    return NOTHING_DONE
                written = await own(state, facts, action)
            case ObserveWorkload() | RefuseWorkload():
                return NOTHING_DONE
            case _:
                assert_never(action)
    except RefusedError as error:
        return Outcome(refused=error.message)
    before = live["metadata"] if live else {}
    after = written["metadata"]
    changed = (before.get("generation"), before.get("labels")) != (after["generation"], after.get("labels"))
    return Outcome(last_write=after_write(facts, after["uid"], after["generation"], changed=changed))


def _forget(state: ControllerState, key: SovereignWorkloadKey) -> None:
    state.writes.pop(key, None)
    state.refused.pop(key, None)
    state.view.selectors.forget((key.namespace, key.name))
    state.refusals.forget(resource.OURS[SOVEREIGN_WORKLOAD.plural], (key.namespace, key.name))
    workload_metrics.forget(key)
