"""Counts pods: those in scope, those that mount certificates without a grant, and the operator's own."""

from collections import Counter
from collections.abc import Mapping

from sovereign_operator.api.v1alpha1 import SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.controller import metrics
from sovereign_operator.controller.keys import StatusesKey
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core import names
from sovereign_operator.core.identity.grant import ungranted_pods
from sovereign_operator.core.placement.verdict import Place, place_of


def count_pods(state: ControllerState) -> None:
    """Count the pods in scope by namespace, policy and place. Write the statuses that count others."""
    if state.published.verdicts is None:
        return
    policies = {name for _, name in state.view.keys(SOVEREIGNTY_POLICY.plural)}
    counts: dict[tuple[str, str], Counter[Place]] = {}
    for pod in state.view.pods():
        policy = state.view.policy_of(pod)
        if policy in policies and not pod.ended and not pod.terminating:
            verdict = state.published.verdicts.nodes.get((pod.pod.node or "", policy))
            place = place_of(pod.pod.node, verdict, unreadable=pod.pod.unreadable)
            counts.setdefault((pod.namespace, policy), Counter())[place] += 1
    metrics.PODS_IN_SCOPE.clear()
    for (namespace, policy), places in counts.items():
        for place in Place:
            metrics.PODS_IN_SCOPE.labels(namespace, policy, place).set(places[place])
    before, now = state.published.not_trusted, pods_not_trusted(state, state.view.policies())
    for policy in before.keys() | now.keys():
        if before.get(policy) != now.get(policy):
            state.published.statuses.add((SOVEREIGNTY_POLICY.plural, policy))
            state.queue.add(StatusesKey())


def pods_not_trusted(
    state: ControllerState, policies: Mapping[str, SovereigntyPolicySpec]
) -> dict[str, tuple[str, ...]]:
    """Return the pods that mount a policy's certificates in namespaces to which it grants none, by policy."""
    if state.view.identity is None:
        return {}
    mounting = (
        (policy, pod.namespace, pod.pod.name)
        for pod in state.view.pods()
        if pod.pod.certificate_volumes
        and not pod.ended
        and not pod.terminating
        and (policy := state.view.policy_of(pod))
    )
    return ungranted_pods(mounting, policies, state.view.namespace_labels())


def count_processes(state: ControllerState) -> None:
    """Show the operator's own pods on nodes that no policy accepts: such a node holds the tokens of these pods."""
    if state.published.verdicts is None:
        return
    refused = state.published.verdicts.nodes_without_policy()
    metrics.PROCESSES_OUTSIDE.clear()
    if refused == state.published.verdicts.members.keys():
        return
    for pod in state.mirrors.own_pods.values():
        if pod.pod.node in refused and not pod.ended:
            component = pod.labels.get(names.COMPONENT_LABEL, "")
            metrics.PROCESSES_OUTSIDE.labels(component, pod.pod.name, pod.pod.node).set(1)
