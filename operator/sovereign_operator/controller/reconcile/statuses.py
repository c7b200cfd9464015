"""Statuses of the cluster-scoped kinds: services, datacentres, policies and derogations."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sovereign_operator.api.v1alpha1 import CLOUD_SERVICE, DATACENTRE, DEROGATION, SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.kind import Kind
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.controller import metrics
from sovereign_operator.controller.reconcile.pod_counts import pods_not_trusted
from sovereign_operator.controller.reconcile.shown_pods import show_pods
from sovereign_operator.controller.reconcile.write_status import write_status
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.encryption.status import report_encryption
from sovereign_operator.core.identity.grant import changed_grants, report_grants
from sovereign_operator.core.identity.kubelets import report_pod_certificates
from sovereign_operator.core.placement.declared_nodes import changed_nodes
from sovereign_operator.core.placement.derogation_status import report_derogation
from sovereign_operator.core.placement.status import report_datacentre, report_policy, report_service, report_unreadable
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.conditions import Notice
from sovereign_operator.core.report.report import Report
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.refused_writes import AGAIN_SECONDS
from sovereign_operator.runtime.writes import write_all

KINDS = (CLOUD_SERVICE, DATACENTRE, SOVEREIGNTY_POLICY, DEROGATION)


@dataclass(frozen=True)
class NewStatus:
    """What the status of one object should say."""

    kind: Kind
    name: str
    report: Report
    news: tuple[Notice, ...] = ()
    """What to post besides changed conditions."""


async def write_statuses(state: ControllerState) -> float | None:
    """Write the statuses that may differ. Return in how many seconds to try again, if one is refused."""
    if state.published.frozen or state.published.verdicts is None:
        return None
    for kind in KINDS:
        state.refusals.keep(resource.OURS[kind.plural], state.view.objects(kind.plural))
    outdated, state.published.statuses = state.published.statuses, set()
    decided = decide_statuses(state, state.published.verdicts, outdated)
    failures = await write_all(write_status(state, one.kind, one.name, one.report, news=one.news) for one in decided)
    if failures or state.refusals:
        state.published.statuses |= outdated
    if failures:
        raise failures[0]
    return AGAIN_SECONDS if state.refusals else None


def decide_statuses(state: ControllerState, verdicts: Verdicts, outdated: Iterable[tuple[str, str]]) -> list[NewStatus]:
    """Return what these statuses should say, and remember what each of them says of pods."""
    not_trusted = pods_not_trusted(state, verdicts.facts.policies)
    outdated = {*outdated}
    show_pods(state, verdicts, outdated)
    decided = [*reports(state, verdicts, outdated, not_trusted)]
    for one in decided:
        if one.kind is SOVEREIGNTY_POLICY and one.name in not_trusted:
            state.published.not_trusted[one.name] = not_trusted[one.name]
            metrics.PODS_NOT_TRUSTED.labels(one.name).set(len(not_trusted[one.name]))
    return decided


def reports(
    state: ControllerState,
    verdicts: Verdicts,
    outdated: Iterable[tuple[str, str]],
    not_trusted: Mapping[str, tuple[str, ...]],
) -> Iterator[NewStatus]:
    """Yield what these statuses, by plural and name, should say, and those of all objects that cannot be read.

    ``not_trusted``: by policy, the pods that mount its certificates without a grant; empty without certificates.
    """
    facts = verdicts.facts
    for plural, name in sorted(outdated):
        pods = _shown_pods(state, plural, name)
        if plural == CLOUD_SERVICE.plural and name in facts.services:
            yield NewStatus(CLOUD_SERVICE, name, report_service(name, facts, verdicts) + pods)
        elif plural == DATACENTRE.plural and name in facts.datacentres:
            report = report_datacentre(name, facts, verdicts) + pods
            before = _former_status(state, DATACENTRE, name)
            yield NewStatus(DATACENTRE, name, report, changed_nodes(name, verdicts, before, report.status))
        elif plural == DEROGATION.plural and name in facts.derogations:
            yield NewStatus(DEROGATION, name, report_derogation(name, facts, verdicts.sites))
        elif plural == SOVEREIGNTY_POLICY.plural and (spec := facts.policies.get(name)):
            yield from _policy_reports(state, verdicts, name, spec, not_trusted.get(name))
    for kind in KINDS:
        for (_, name), why in sorted(state.view.own.unreadable[kind.plural].errors.items()):
            yield NewStatus(kind, name, report_unreadable(kind, why))


def _policy_reports(
    state: ControllerState,
    verdicts: Verdicts,
    name: str,
    spec: SovereigntyPolicySpec,
    not_trusted: tuple[str, ...] | None,
) -> Iterator[NewStatus]:
    """Yield the policy's report; none before it is known how far its encryption has come, which queues it again."""
    if not state.view.knows_encryption(name, spec):
        return
    trusted = state.view.identity.trusted(name) if state.view.identity else ()
    report = report_policy(name, verdicts.facts, verdicts, trusted)
    report += _shown_pods(state, SOVEREIGNTY_POLICY.plural, name)
    if not_trusted is not None:
        report += report_grants(name, state.published.granted[name], not_trusted)
    seen = state.view.sidecars.seen.get(name) if state.view.sidecars else None
    report += report_encryption(spec.encryption_in_transit, seen)
    identity = state.view.identity
    if spec.encryption_in_transit and state.settings.by_token and identity and identity.kubelets_may_ask:
        report += report_pod_certificates(state.view.former_kubelets.nodes)
    before = _former_status(state, SOVEREIGNTY_POLICY, name)
    yield NewStatus(SOVEREIGNTY_POLICY, name, report, changed_grants(before, report.status))


def _shown_pods(state: ControllerState, plural: str, name: str) -> Report:
    """Return what a status says of pods, which may be older than the rest of it."""
    shown = state.published.pods.get((plural, name))
    return shown.report if shown else Report({}, ())


def _former_status(state: ControllerState, kind: Kind, name: str) -> Mapping[str, Any]:
    status: Mapping[str, Any] = (state.view.object(kind.plural, name) or {}).get("status", {})
    return status
