"""What the status of a policy says of the pods that it judges. Pods come and go, so it may be half a minute old."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sovereign_operator.controller.keys import PodCountsKey
from sovereign_operator.controller.observed.published import ShownPods
from sovereign_operator.controller.reconcile.judged import answers_of, judged_owner
from sovereign_operator.controller.reconcile.pace import wait_after
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.report import Report
from sovereign_operator.core.workload.judgement import Count
from sovereign_operator.core.workload.policy_pods import report_pods


def show_pods(state: ControllerState, verdicts: Verdicts, policies: Iterable[str]) -> None:
    """Bring up to date what the statuses of these policies say of pods; later, if that was done within PACE."""
    now, tally = state.api.clock.now(), state.view.tally
    for policy in policies:
        if _wait(state, policy, now):
            # The verdict behind a sentence may have changed as well.
            tally.outdated_policies.add(policy)
        else:
            state.published.pods[policy] = ShownPods(_report(state, verdicts, policy), now)
            tally.outdated_policies.discard(policy)
    due_policies(state)


def due_policies(state: ControllerState) -> set[str]:
    """Return the policies whose status is to say what is new of pods, and have the others looked at later."""
    now, published = state.api.clock.now(), state.published
    known = published.verdicts.policies if published.verdicts else frozenset()
    for policy in published.pods.keys() - known:
        del published.pods[policy]
    waits = {policy: _wait(state, policy, now) for policy in state.view.tally.outdated_policies & known}
    if later := [wait for wait in waits.values() if wait]:
        state.queue.add(PodCountsKey(), min(later).total_seconds())
    return {policy for policy, wait in waits.items() if not wait}


def _wait(state: ControllerState, policy: str, now: datetime) -> timedelta:
    """Return how long a status has to go on saying the same of pods."""
    shown = state.published.pods.get(policy)
    return wait_after(shown.since if shown else None, now)


def _report(state: ControllerState, verdicts: Verdicts, policy: str) -> Report:
    judged = state.view.tally.judged
    held, tried = ({count: judged.totals[policy, held, count] for count in Count} for held in (True, False))
    troubled = (judged_owner(state, group) for group in judged.troubled(policy))
    return report_pods(held, tried, troubled, answers_of(verdicts, policy))
