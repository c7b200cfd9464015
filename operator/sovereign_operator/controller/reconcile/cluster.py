"""The whole cluster: the verdict on each node, host roles, and the statuses of the cluster-scoped kinds."""

import logging
import math
from collections import Counter
from collections.abc import Awaitable, Iterator

from sovereign_operator.api.v1alpha1 import CLOUD_SERVICE, DATACENTRE, SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.cloud_service import QualificationStatus
from sovereign_operator.controller import metrics
from sovereign_operator.controller.keys import StatusesKey
from sovereign_operator.controller.observed.published import ClusterAssessment
from sovereign_operator.controller.reconcile.nodes import NodeWriter
from sovereign_operator.controller.reconcile.pod_counts import pods_not_trusted
from sovereign_operator.controller.reconcile.write_status import write_status
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core import names
from sovereign_operator.core.encryption.status import report_encryption
from sovereign_operator.core.identity.grant import changed_grants, granted_namespaces, listed_namespaces, report_grants
from sovereign_operator.core.placement.calendar import end_instant
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.host_roles import host_role_objects
from sovereign_operator.core.placement.membership import unfound
from sovereign_operator.core.placement.next_change import seconds_to_next_change
from sovereign_operator.core.placement.node_metadata import Placement, plan_placement
from sovereign_operator.core.placement.status import report_datacentre, report_policy, report_service, report_unreadable
from sovereign_operator.core.placement.verdict import NodeVerdict, Verdicts, changed_verdicts, judge
from sovereign_operator.core.workload.next_look import RESYNC_SECONDS
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.crds import kinds_going
from sovereign_operator.kube.objects.host_role import ObservedRole, see_role
from sovereign_operator.kube.refused_writes import AGAIN_SECONDS
from sovereign_operator.runtime import metrics as runtime_metrics
from sovereign_operator.runtime.writes import write_all

logger = logging.getLogger(__name__)

FROZEN_RETRY_SECONDS = 15.0


async def reconcile_cluster(state: ControllerState, nodes: NodeWriter, operator_namespace: str) -> float:
    """Judge all nodes, write the host roles, and queue nodes and statuses. Return in how many seconds to judge again.

    This waits for no write to a node, which the node's kubelet may make slow: ``NodeWriter`` writes nodes afterwards.
    """
    # Lists the pods of namespaces that came into scope. After this no await comes until all facts are gathered.
    await state.mirrors.until_complete()
    facts = state.view.facts()
    verdicts = judge(facts)
    placement = plan_placement(facts, verdicts, state.view.occupied())
    namespaces = state.view.namespace_labels()
    granted = {policy: granted_namespaces(policy, spec, namespaces) for policy, spec in facts.policies.items()}
    assessment = ClusterAssessment(facts, verdicts, placement, granted)
    # After the facts, so that objects that vanish with their CRD are not mistaken for objects that a user deleted.
    if gone := await kinds_going(state.api):
        runtime_metrics.FROZEN.set(1)
        state.published.assessment = None
        logger.error("CRDs missing or being deleted: %s; roles and nodes stay as they are", ", ".join(gone))
        return FROZEN_RETRY_SECONDS
    runtime_metrics.FROZEN.set(0)
    # Before anything that follows from the verdicts is written: no workload may be rolled out by former verdicts.
    for verdict in changed_verdicts(state.published.verdicts, verdicts):
        _log(verdict)
    _publish(state, verdicts, placement.retained)
    _measure(facts, verdicts, placement)
    # Roles first: a refused node may then start no more pods, and an accepted node may host pods before its label
    # sends the scheduler there.
    failures = await write_all(_role_writes(state, assessment, operator_namespace))
    state.published.assessment = assessment
    nodes.enqueue_outdated(assessment)
    state.queue.add(StatusesKey())
    if failures:
        raise failures[0]
    return seconds_to_next_change(facts, state.api.clock.now(), RESYNC_SECONDS)


async def write_statuses(state: ControllerState) -> float | None:
    """Write the statuses that follow from the last assessment. Return in how many seconds to try again, if refused."""
    assessment = state.published.assessment
    if assessment is None:
        return None
    for failure in await write_all(_status_writes(state, assessment)):
        raise failure
    return AGAIN_SECONDS if state.refusals else None


def _role_writes(
    state: ControllerState, assessment: ClusterAssessment, operator_namespace: str
) -> Iterator[Awaitable[None]]:
    policies = assessment.facts.policies
    wanted: dict[str, tuple[Json, ...]] = {
        names.host_role(policy): host_role_objects(
            policy,
            nodes,
            operator_namespace,
            needs_sidecar=state.view.needs_sidecar(policy, policies[policy]),
            namespaces=listed_namespaces(policies[policy], assessment.granted[policy]),
        )
        for policy, nodes in assessment.placement.roles.items()
    }
    for position, (kind, mirror) in enumerate(
        (
            (resource.CLUSTER_ROLES, state.mirrors.roles),
            (resource.CLUSTER_ROLE_BINDINGS, state.mirrors.role_bindings),
        )
    ):
        for name, objects in wanted.items():
            yield _write_role(state.api, kind, objects[position], mirror.get(("", name)))
        for (_, name), seen in list(mirror.items()):
            if name not in wanted:
                yield _delete_role(state.api, kind, name, seen)


async def _delete_role(api: Api, kind: resource.Resource, name: str, seen: ObservedRole) -> None:
    logger.info("policy %s was deleted: no node may host its pods any more", seen.policy)
    await api.delete(kind, name, seen.uid)


async def _write_role(api: Api, kind: resource.Resource, wanted: Json, seen: ObservedRole | None) -> None:
    if seen is None:
        await api.apply(kind, wanted)
        return
    version = {"resourceVersion": seen.version}
    fenced = wanted | {"metadata": wanted["metadata"] | version}
    if see_role(fenced | {"metadata": fenced["metadata"] | {"uid": seen.uid}}).content != seen.content:
        logger.info("the nodes that may host policy %s change", seen.policy)
        await api.apply(kind, fenced)


def _publish(state: ControllerState, verdicts: Verdicts, retained: frozenset[tuple[str, str]]) -> None:
    """Publish the verdicts, and have everything that depends on them reconciled if they changed."""
    before, state.published.verdicts = state.published.verdicts, verdicts
    state.published.retained = retained
    if before is None or before.nodes != verdicts.nodes:
        state.triggers.verdicts_changed()


def _log(verdict: NodeVerdict) -> None:
    """Log a verdict, as a record of why a node was accepted or refused."""
    logger.info(
        "decision %s: node %s, policy %s: %s",
        verdict.decision_id,
        verdict.node,
        verdict.policy,
        verdict.sentence,
        extra={
            "decision": verdict.decision_id,
            "node": verdict.node,
            "nodeUID": verdict.uid,
            "policy": verdict.policy,
            "datacentre": verdict.datacentre,
            "service": verdict.service,
            "accepted": verdict.accepted,
        },
    )


def _measure(facts: Facts, verdicts: Verdicts, placement: Placement) -> None:
    metrics.NODES_ACCEPTED.clear()
    metrics.NODES_RETAINED.clear()
    for policy, nodes in placement.roles.items():
        metrics.NODES_ACCEPTED.labels(policy).set(len(nodes))
        metrics.NODES_RETAINED.labels(policy).set(sum(kept == policy for _, kept in placement.retained))
    present = Counter(member.datacentre for member in verdicts.members.values())
    metrics.DATACENTRE_NODES.clear()
    for name, datacentre in facts.datacentres.items():
        missing = unfound(datacentre, facts.nodes)
        states = {"present": present[name], "lost": len(missing.lost), "replaced": len(missing.replaced)}
        for label, number in states.items():
            metrics.DATACENTRE_NODES.labels(name, label).set(number)
    metrics.QUALIFICATION_END.clear()
    # Only services with a datacentre: the rest of a catalogue is not used.
    for name in facts.services.keys() & {datacentre.service_ref.name for datacentre in facts.datacentres.values()}:
        for entry in facts.services[name].qualifications:
            if entry.status is QualificationStatus.QUALIFIED:
                end = end_instant(entry.valid_until).timestamp() if entry.valid_until else math.inf
                metrics.QUALIFICATION_END.labels(name, entry.scheme, entry.id).set(end)


def _status_writes(state: ControllerState, assessment: ClusterAssessment) -> Iterator[Awaitable[object]]:
    facts, verdicts = assessment.facts, assessment.verdicts
    for kind in (CLOUD_SERVICE, DATACENTRE, SOVEREIGNTY_POLICY):
        state.refusals.keep(resource.OURS[kind.plural], state.view.objects(kind.plural))
    for name in sorted(facts.services):
        yield write_status(state, CLOUD_SERVICE, name, report_service(name, facts))
    for name in sorted(facts.datacentres):
        yield write_status(state, DATACENTRE, name, report_datacentre(name, facts, verdicts))
    state.published.not_trusted = pods_not_trusted(state, facts.policies)
    metrics.PODS_NOT_TRUSTED.clear()
    for name in sorted(facts.policies):
        trusted = state.view.identity.trusted(name) if state.view.identity else ()
        report = report_policy(name, facts, verdicts, trusted)
        if name in state.published.not_trusted:
            metrics.PODS_NOT_TRUSTED.labels(name).set(len(state.published.not_trusted[name]))
            report += report_grants(name, assessment.granted[name], state.published.not_trusted[name])
        seen = state.view.sidecars.seen.get(name) if state.view.sidecars else None
        report += report_encryption(facts.policies[name].encryption_in_transit, seen)
        before = (state.view.object(SOVEREIGNTY_POLICY.plural, name) or {}).get("status", {})
        yield write_status(state, SOVEREIGNTY_POLICY, name, report, news=changed_grants(before, report.status))
    for kind in (CLOUD_SERVICE, DATACENTRE, SOVEREIGNTY_POLICY):
        for (_, name), why in sorted(state.view.unreadable[kind.plural].errors.items()):
            yield write_status(state, kind, name, report_unreadable(kind, why))
