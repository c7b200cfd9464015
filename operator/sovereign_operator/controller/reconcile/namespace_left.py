"""Reports that a namespace no longer enforces a policy."""

import logging

from sovereign_operator.api.v1alpha1 import SOVEREIGNTY_POLICY
from sovereign_operator.controller.keys import NamespaceLeftKey
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.report.conditions import Notice
from sovereign_operator.kube.client.events import post

logger = logging.getLogger(__name__)


async def announce_leave(state: ControllerState, key: NamespaceLeftKey) -> None:
    """Post an Event on the policy. Users may take their namespace out of scope, so it must not go unnoticed."""
    policy = state.view.object(SOVEREIGNTY_POLICY.plural, key.policy)
    if policy is None:
        return
    roll_out = f"kubectl -n {key.namespace} rollout restart daemonset"
    message = (
        f"namespace {key.namespace} has left the policy: its pods go on running, new ones start on any node (those of "
        f"DaemonSets once they are rolled out again: {roll_out}), and it gets no certificates, unless "
        "spec.certificateNamespaces has it; the API server's audit log says who did it"
    )
    logger.warning("policy %s: %s", key.policy, message, extra={"policy": key.policy, "namespace": key.namespace})
    await post(state.api, policy, Notice("Warning", "NamespaceLeft", message))
