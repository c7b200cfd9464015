"""What the statuses of policies, datacentres and services say of pods.

Pods come and go, so a status may be half a minute old in this.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sovereign_operator.api.v1alpha1 import CLOUD_SERVICE, DATACENTRE, SOVEREIGNTY_POLICY
from sovereign_operator.controller.keys import PodCountsKey
from sovereign_operator.controller.observed.published import ShownPods
from sovereign_operator.controller.reconcile.judged import answers_of, judged_owner
from sovereign_operator.controller.reconcile.pace import wait_after
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.placement.facts import datacentres_of
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.report import Report
from sovereign_operator.core.workload.judgement import Count
from sovereign_operator.core.workload.policy_pods import report_pods


def note_nodes(state: ControllerState, verdicts: Verdicts, nodes: Iterable[str]) -> None:
    """Note that another number of pods rests on these nodes."""
    members = (verdicts.members.get(node) for node in nodes)
    datacentres = {member.datacentre for member in members if member and member.datacentre}
    services = {verdicts.facts.datacentres[name].service_ref.name for name in datacentres}
    state.view.tally.outdated_statuses |= {(DATACENTRE.plural, name) for name in datacentres}
    state.view.tally.outdated_statuses |= {(CLOUD_SERVICE.plural, name) for name in services}


def show_pods(state: ControllerState, verdicts: Verdicts, statuses: Iterable[tuple[str, str]]) -> None:
    """Bring up to date what these statuses, by plural and name, say of pods; later, if that was done within PACE."""
    now, tally = state.api.clock.now(), state.view.tally
    for key in statuses:
        if not _is_known(verdicts, *key):
            continue
        if _wait(state, key, now):
            # The verdict behind a sentence may have changed as well.
            tally.outdated_statuses.add(key)
        else:
            state.published.pods[key] = ShownPods(_report(state, verdicts, *key), now)
            tally.outdated_statuses.discard(key)
    due_statuses(state)


def due_statuses(state: ControllerState) -> set[tuple[str, str]]:
    """Return the statuses that are to say what is new of pods, and have the others looked at later."""
    if (verdicts := state.published.verdicts) is None:
        return set()
    now, tally, shown = state.api.clock.now(), state.view.tally, state.published.pods
    for key in [key for key in shown if not _is_known(verdicts, *key)]:
        del shown[key]
    tally.outdated_statuses = {key for key in tally.outdated_statuses if _is_known(verdicts, *key)}
    waits = {key: _wait(state, key, now) for key in tally.outdated_statuses}
    if later := [wait for wait in waits.values() if wait]:
        state.queue.add(PodCountsKey(), min(later).total_seconds())
    return {key for key, wait in waits.items() if not wait}


def _is_known(verdicts: Verdicts, plural: str, name: str) -> bool:
    """Whether there is such an object that can be read, and whose status speaks of pods."""
    facts = verdicts.facts
    match plural:
        case SOVEREIGNTY_POLICY.plural:
            return name in facts.policies
        case DATACENTRE.plural:
            return name in facts.datacentres
        case CLOUD_SERVICE.plural:
            return name in facts.services
        case _:
            return False


def _wait(state: ControllerState, key: tuple[str, str], now: datetime) -> timedelta:
    """Return how long a status has to go on saying the same of pods."""
    shown = state.published.pods.get(key)
    return wait_after(shown.since if shown else None, now)


def _report(state: ControllerState, verdicts: Verdicts, plural: str, name: str) -> Report:
    if plural == SOVEREIGNTY_POLICY.plural:
        return _report_policy(state, verdicts, name)
    datacentres = (name,) if plural == DATACENTRE.plural else datacentres_of(name, verdicts.facts)
    resting = state.view.tally.resting
    return Report({"pods": sum(resting[node] for place in datacentres for node in verdicts.nodes_in(place))}, ())


def _report_policy(state: ControllerState, verdicts: Verdicts, policy: str) -> Report:
    judged = state.view.tally.judged
    held, tried = ({count: judged.totals[policy, held, count] for count in Count} for held in (True, False))
    troubled = (judged_owner(state, group) for group in judged.troubled(policy))
    return report_pods(held, tried, troubled, answers_of(verdicts, policy))
