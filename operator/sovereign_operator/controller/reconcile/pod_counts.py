"""Counts pods: those in scope, those that mount certificates without a grant, and the operator's own."""

from collections.abc import Collection, Mapping
from typing import Any

from prometheus_client import Gauge

from sovereign_operator.api.v1alpha1 import SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.controller import metrics
from sovereign_operator.controller.keys import StatusesKey
from sovereign_operator.controller.observed.judged_pods import CountedPod, JudgedPods, shared
from sovereign_operator.controller.reconcile.pods_outside import measure_outside
from sovereign_operator.controller.reconcile.shown_pods import due_statuses, note_nodes
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core import names
from sovereign_operator.core.identity.grant import ungranted_pods
from sovereign_operator.core.placement.verdict import Place
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.workload.judgement import PLACES, Count, judge_pod
from sovereign_operator.core.workload.scope import Judge, Mode
from sovereign_operator.kube.mirror import ObjectKey


def count_pods(state: ControllerState) -> None:
    """Count the pods that policies judge, by namespace, policy and place. Write the statuses that count others."""
    shown, now = state.published.not_trusted, pods_not_trusted(state, state.view.policies())
    for policy in shown.keys() - now.keys():
        del shown[policy]
    outdated = {(SOVEREIGNTY_POLICY.plural, policy) for policy in now if now[policy] != shown.get(policy)}
    outdated |= due_statuses(state)
    if outdated:
        state.published.statuses |= outdated
        state.queue.add(StatusesKey())


def pods_not_trusted(
    state: ControllerState, policies: Mapping[str, SovereigntyPolicySpec]
) -> dict[str, tuple[str, ...]]:
    """Return the pods that mount a policy's certificates in namespaces to which it grants none, by policy."""
    count_outdated(state)
    if state.view.identity is None:
        return {}
    return ungranted_pods(state.view.tally.mounting, policies, state.view.namespace_labels())


def count_outdated(state: ControllerState) -> None:
    """Count the pods again that may have changed, or the verdict on whose node has."""
    if (verdicts := state.published.verdicts) is None:
        return
    outdated, state.view.tally.outdated = state.view.tally.outdated, set()
    policies = {name for _, name in state.view.keys(SOVEREIGNTY_POLICY.plural)}
    counted = {key: _counted(state, verdicts, policies, key) for key in outdated}
    changed = state.view.tally.update(counted)
    state.view.tally.outdated_statuses |= {(SOVEREIGNTY_POLICY.plural, judge.policy) for _, judge in changed.judged}
    note_nodes(state, verdicts, changed.nodes)
    state.triggers.add_reports({namespace for namespace, _ in changed.judged})
    for namespace, judge in changed.judged:
        _measure(state.view.tally.judged, namespace, judge)
    measure_outside(state, verdicts, counted, changed.judged)


def _counted(
    state: ControllerState, verdicts: Verdicts, policies: Collection[str], key: ObjectKey
) -> CountedPod | None:
    """Return what counts of a pod; None if it is gone, ends, or is judged by no policy."""
    pod = state.view.pod(*key)
    judges = state.view.judges_of(pod) if pod and not pod.ended and not pod.terminating else ()
    if pod is None or not judges:
        return None
    judged = tuple(
        (
            judge,
            judge_pod(
                judge,
                pod.pod,
                verdicts.nodes.get((pod.pod.node or "", judge.policy)),
                known=judge.policy in policies,
                placed_for=pod.labels.get(names.PLACED_LABEL),
                static=pod.static,
                bare=judge.policy in state.triggers.former.needing_sidecars and pod.transit != judge.policy,
            ),
        )
        for judge in judges
    )
    inside = any(judge.mode is Mode.ENFORCE and judgement.place is Place.INSIDE for judge, judgement in judged)
    return CountedPod(
        pod.owner,
        shared(judged),
        mounts_certificates=bool(pod.pod.certificate_volumes),
        rests_on=(pod.pod.node or "") if inside else "",
    )


def _measure(judged: JudgedPods, namespace: str, judge: Judge) -> None:
    """Show how a policy judges the pods of a namespace; nothing if it judges none."""
    numbers = {count: judged.numbers[namespace, judge, count] for count in Count}
    here = {"namespace": namespace, "policy": judge.policy}
    places = {place: numbers[place] for place in PLACES}
    _show(metrics.PODS_JUDGED, here | {"mode": judge.mode.value}, places)
    if judge.mode is Mode.ENFORCE:
        _show(metrics.PODS_IN_SCOPE, here, {place: numbers[Count(place.value)] for place in Place})
        for metric, count in ((metrics.PODS_OLDER, Count.OLDER), (metrics.PODS_BARE, Count.BARE)):
            if any(places.values()):
                metric.labels(**here).set(numbers[count])
            else:
                metric.remove_by_labels(here)


def _show(metric: Gauge, labels: Mapping[str, str], numbers: Mapping[Any, int]) -> None:
    """Show the numbers of all places; none of them if all are 0."""
    for place, number in numbers.items():
        if any(numbers.values()):
            metric.labels(**labels, place=place.value).set(number)
        else:
            metric.remove_by_labels({**labels, "place": place.value})


def count_processes(state: ControllerState) -> None:
    """Show the operator's own pods on nodes that no policy accepts: such a node holds the tokens of these pods."""
    if (verdicts := state.published.verdicts) is None:
        return
    metrics.PROCESSES_OUTSIDE.clear()
    if verdicts.accept_none:
        return
    for pod in state.mirrors.own_pods.values():
        node = pod.pod.node
        if node in verdicts.members and not verdicts.accepted_at_all(node) and not pod.ended:
            component = pod.labels.get(names.COMPONENT_LABEL, "")
            metrics.PROCESSES_OUTSIDE.labels(component, pod.pod.name, node).set(1)
