"""The whole cluster: the verdict on each node, host roles, and the statuses of the cluster-scoped kinds."""

import logging
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sovereign_operator.api.v1alpha1 import CLOUD_SERVICE, DATACENTRE, DEROGATION, SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.cloud_service import QualificationStatus
from sovereign_operator.controller import metrics
from sovereign_operator.controller.keys import StatusesKey
from sovereign_operator.controller.observed.pending import Pending
from sovereign_operator.controller.reconcile.nodes import NodeWriter
from sovereign_operator.controller.reconcile.roles import role_writes
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.identity.grant import granted_namespaces
from sovereign_operator.core.placement.calendar import end_instant
from sovereign_operator.core.placement.changes import Changes
from sovereign_operator.core.placement.derogation import Derogations
from sovereign_operator.core.placement.facts import Facts, Node
from sovereign_operator.core.placement.membership import unfound
from sovereign_operator.core.placement.next_change import seconds_to
from sovereign_operator.core.placement.verdict import NodeVerdict
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.workload.next_look import RESYNC_SECONDS
from sovereign_operator.kube.client.crds import kinds_going
from sovereign_operator.runtime import metrics as runtime_metrics
from sovereign_operator.runtime.logs import lines_together
from sovereign_operator.runtime.writes import write_all

logger = logging.getLogger(__name__)

FROZEN_RETRY_SECONDS = 15.0
ROLES: Final = 8
"""How many roles are written at the same time."""


async def reconcile_cluster(state: ControllerState, nodes: NodeWriter, operator_namespace: str) -> float:
    """Bring the verdicts up to date, write the host roles that differ, and queue everything that follows.

    Return in how many seconds to look again. This waits for no write to a node, which the node's kubelet may make slow:
    ``NodeWriter`` writes nodes afterwards.
    """
    # Lists the pods of namespaces that came into scope.
    await state.mirrors.until_complete()
    pending = state.view.pending.take()
    try:
        return await _reconcile(state, nodes, operator_namespace, pending)
    except BaseException:
        # To look at something twice costs time and nothing else.
        state.view.pending.add(pending)
        raise


@dataclass(frozen=True)
class Look:
    """What the controller observed when it began to reconcile."""

    facts: Facts
    """What verdicts follow from, apart from nodes."""
    nodes: dict[str, Node | None]
    """The nodes that may have changed; None: gone."""
    first: bool
    """Whether nothing was decided before."""
    whole: bool
    """Whether everything is compared: after a pause of all writes, without a known change, and now and then."""
    vanished: bool
    """Whether an object is gone, or cannot be read any more, on which the verdicts rest so far."""


@dataclass(frozen=True)
class Outdated:
    """What may have to be written."""

    changes: Changes
    roles: frozenset[str]
    """The policies whose role may differ."""
    nodes: frozenset[str]
    statuses: frozenset[tuple[str, str]]
    """Plural and name of the cluster-scoped objects whose status may differ."""


async def _reconcile(state: ControllerState, nodes: NodeWriter, operator_namespace: str, pending: Pending) -> float:
    look = observe(state, pending)
    # After the facts, so that objects that vanish with their CRD are not mistaken for objects that a user deleted.
    if (look.whole or look.vanished) and (gone := await kinds_going(state.api)):
        runtime_metrics.FROZEN.set(1)
        state.published.frozen = True
        state.view.pending.add(pending)
        logger.error("CRDs missing or being deleted: %s; roles and nodes stay as they are", ", ".join(gone))
        return FROZEN_RETRY_SECONDS
    runtime_metrics.FROZEN.set(0)
    verdicts, outdated = decide(state, pending, look)
    with lines_together():
        for key in outdated.changes.verdicts:
            _log(verdicts.nodes[key])
    # Which nodes stay attractive for running pods alone stands in the roles, so that new pods avoid these.
    roles = outdated.roles | nodes.note_retained(outdated.nodes)
    # If a write fails, ``pending`` has them written again.
    pending.roles |= roles
    # Roles before all else: a refused node may then start no more pods, and an accepted node may host pods before its
    # label sends the scheduler there.
    state.published.roles_done.clear()
    try:
        failures = await write_all(role_writes(state, verdicts, sorted(roles), operator_namespace), at_once=ROLES)
    finally:
        state.published.roles_done.set()
        # What changed is known only now: no later look would find it.
        state.triggers.verdicts_changed(outdated.changes, first=look.first)
        state.published.frozen = False
        nodes.enqueue_outdated(outdated.nodes)
        state.published.statuses |= outdated.statuses
        state.queue.add(StatusesKey())
    _measure(verdicts, state.published.retained, sites=look.whole or bool(outdated.changes.datacentres))
    if look.whole or outdated.changes.derogations:
        _measure_derogations(verdicts.facts.derogations)
    if failures:
        raise failures[0]
    # A derogation may end on which no verdict rests.
    changes = (verdicts.next_change, look.facts.derogations.next_end(look.facts.now))
    return seconds_to(min(filter(None, changes), default=None), state.api.clock.now(), RESYNC_SECONDS)


def observe(state: ControllerState, pending: Pending) -> Look:
    """Gather all facts, with no await between them."""
    first, facts = state.published.verdicts is None, state.view.facts()
    late = abs((facts.now - state.published.compared).total_seconds()) >= RESYNC_SECONDS
    whole = first or state.published.frozen or late or not pending
    names = [name for _, name in state.mirrors.nodes] if whole else ()
    before = state.published.verdicts.facts if state.published.verdicts else facts
    vanished = any(
        old.keys() - new.keys()
        for old, new in (
            (before.services, facts.services),
            (before.datacentres, facts.datacentres),
            (before.policies, facts.policies),
            (before.derogations, facts.derogations),
        )
    )
    return Look(facts, state.view.observed_nodes({*names, *pending.nodes}), first, whole, vanished)


def decide(state: ControllerState, pending: Pending, look: Look) -> tuple[Verdicts, Outdated]:
    """Bring the verdicts up to date. Return them, and what may have to be written.

    They are published before anything that follows from them is written: no workload may be rolled out by former ones.
    """
    if look.whole:
        state.published.compared = look.facts.now
    verdicts = state.published.verdicts or Verdicts(Facts({}, {}, {}, {}, look.facts.now))
    changes = verdicts.update(look.facts, look.nodes)
    state.published.verdicts = verdicts
    regranted = (
        _grant(state, look.facts, pending, whole=look.whole)
        if look.whole or pending.namespaces or pending.policies
        else frozenset()
    )
    roles = changes.accepted | pending.roles | regranted
    if look.whole:
        roles |= verdicts.policies | {seen.policy for seen in state.mirrors.roles.values()}
    statuses = _outdated_statuses(state, changes, pending, regranted, whole=look.whole)
    return verdicts, Outdated(changes, roles, changes.nodes | look.nodes.keys(), statuses)


def _grant(state: ControllerState, facts: Facts, pending: Pending, *, whole: bool) -> frozenset[str]:
    """Publish to which namespaces policies give certificates. Return the policies for which these changed."""
    before, labels = state.published.granted, state.view.namespace_labels()
    changed_policies = facts.policies.keys() if whole else pending.policies | facts.policies.keys() - before.keys()
    changed = {name: labels[name] for name in pending.namespaces if name in labels}
    granted = {}
    for policy, spec in facts.policies.items():
        if policy in changed_policies:
            granted[policy] = granted_namespaces(policy, spec, labels)
        else:
            others = {*before[policy]} - pending.namespaces
            granted[policy] = tuple(sorted({*granted_namespaces(policy, spec, changed), *others}))
    state.published.granted = granted
    return frozenset(policy for policy in granted if granted[policy] != before.get(policy))


def _outdated_statuses(
    state: ControllerState, changes: Changes, pending: Pending, regranted: frozenset[str], *, whole: bool
) -> frozenset[tuple[str, str]]:
    """Return the objects whose statuses may differ, as plural and name."""
    if whole:
        kinds = (CLOUD_SERVICE, DATACENTRE, SOVEREIGNTY_POLICY, DEROGATION)
        return frozenset((kind.plural, name) for kind in kinds for _, name in state.view.keys(kind.plural))
    policies = changes.accepted | changes.judging | regranted | {pair.policy for pair in changes.sites}
    datacentres = changes.datacentres | {pair.datacentre for pair in changes.sites}
    # A service shows how many datacentres it has.
    services = [name for _, name in state.view.keys(CLOUD_SERVICE.plural)] if changes.datacentres else []
    return frozenset(
        pending.statuses
        | {(SOVEREIGNTY_POLICY.plural, name) for name in policies}
        | {(DATACENTRE.plural, name) for name in datacentres}
        | {(CLOUD_SERVICE.plural, name) for name in services}
        | {(DEROGATION.plural, name) for name in changes.derogations}
    )


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


def _measure(verdicts: Verdicts, retained: Mapping[str, frozenset[str]], *, sites: bool) -> None:
    """Show accepted and retained nodes, and, with ``sites``, what follows from services and datacentres."""
    metrics.NODES_ACCEPTED.clear()
    metrics.NODES_RETAINED.clear()
    kept = Counter(policy for policies in retained.values() for policy in policies)
    for policy in verdicts.policies:
        metrics.NODES_ACCEPTED.labels(policy).set(len(verdicts.accepted_nodes(policy)))
        metrics.NODES_RETAINED.labels(policy).set(kept[policy])
    if not sites:
        return
    facts = verdicts.facts
    metrics.DATACENTRE_NODES.clear()
    metrics.DATACENTRE_INFO.clear()
    for name, datacentre in facts.datacentres.items():
        metrics.DATACENTRE_INFO.labels(name, datacentre.service_ref.name, datacentre.country).set(1)
        missing = unfound(datacentre, facts.nodes)
        present = verdicts.node_count(name)
        states = {"present": present, "lost": len(missing.lost), "replaced": len(missing.replaced)}
        for label, number in states.items():
            metrics.DATACENTRE_NODES.labels(name, label).set(number)
    metrics.QUALIFICATION_END.clear()
    # Only services with a datacentre: the rest of a catalogue is not used.
    for name in facts.services.keys() & {datacentre.service_ref.name for datacentre in facts.datacentres.values()}:
        for entry in facts.services[name].qualifications:
            if entry.status is QualificationStatus.QUALIFIED:
                end = end_instant(entry.valid_until).timestamp() if entry.valid_until else math.inf
                metrics.QUALIFICATION_END.labels(name, entry.scheme, entry.id).set(end)


def _measure_derogations(derogations: Derogations) -> None:
    """Show when each derogation ends that somebody approved."""
    metrics.DEROGATION_END.clear()
    for name, one in derogations.items():
        if one.approval.counts:
            labels = name, one.spec.policy_ref.name, one.spec.service_ref.name, one.spec.scheme
            metrics.DEROGATION_END.labels(*labels).set(end_instant(one.spec.until).timestamp())
