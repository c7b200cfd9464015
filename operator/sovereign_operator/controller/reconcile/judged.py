"""Gathers what is said of the pods of one owner, as one policy judges them."""

from sovereign_operator.controller.observed.judged_pods import OwnedBy
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.workload.judged_owner import JudgedOwner, PolicyAnswers


def judged_owner(state: ControllerState, group: OwnedBy) -> JudgedOwner:
    """Return the pods of one owner, as one policy judges them."""
    owned = state.view.tally.judged.groups[group]
    by_pod_label = state.view.enforced(group.namespace) is None
    return JudgedOwner(*group, owned.pods, owned.numbers, by_pod_label=by_pod_label)


def answers_of(verdicts: Verdicts, policy: str) -> PolicyAnswers:
    """Return what a policy says of nodes."""
    return PolicyAnswers(
        verdicts.nodes.by(policy), len(verdicts.accepted_nodes(policy)), readable=policy in verdicts.policies
    )
