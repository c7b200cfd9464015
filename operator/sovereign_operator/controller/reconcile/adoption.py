"""Takes a workload into scope: checks beforehand what its roll-out would do to its pods, and reports it afterwards."""

import logging

from sovereign_operator.api.v1alpha1 import SOVEREIGN_WORKLOAD
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.kubernetes.node_fit import NodeTraits, fitting
from sovereign_operator.core.report.conditions import Notice
from sovereign_operator.core.workload import manifests
from sovereign_operator.core.workload.adoption import refuse_to_stop, rolls_out, stuck
from sovereign_operator.core.workload.facts import Action, AdoptWorkload, OwnWorkload, WorkloadFacts
from sovereign_operator.kube.adoption.roll_out import read_roll_out
from sovereign_operator.kube.adoption.room import has_room
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.errors import RefusedError
from sovereign_operator.kube.client.events import post
from sovereign_operator.kube.objects.workload import pod_template

logger = logging.getLogger(__name__)


async def preview(
    state: ControllerState, facts: WorkloadFacts, action: Action, live: Json | None
) -> tuple[Action, str]:
    """Return the action, or a refusal if its roll-out would stop pods; and a warning if new pods may have to wait."""
    kind = facts.kind
    changed = await _rolled_out(state, facts, action, live) if live and facts.pods else None
    if changed is None or kind is None or not rolls_out(kind, changed["spec"]):
        return action, ""
    verdicts = state.published.verdicts
    accepted = [
        NodeTraits(name, seen.node.labels, seen.taints)
        for name in (verdicts.accepted_nodes(facts.policy) if verdicts and facts.policy else ())
        if (seen := state.mirrors.nodes.get(("", name)))
    ]
    roll_out = await read_roll_out(state.api, kind, changed)
    if refusal := refuse_to_stop(facts, roll_out, accepted):
        return refusal, ""
    warning = stuck(roll_out, accepted)
    if not warning:
        spec, fits = pod_template(kind, changed)["spec"], fitting(roll_out.pods[0], accepted)
        if not await has_room(state.api, spec, fits):
            warning = f"none of the {len(fits)} accepted node(s) that can run them has room for one at this moment"
    return action, warning


async def _rolled_out(state: ControllerState, facts: WorkloadFacts, action: Action, live: Json) -> Json | None:
    """Return the workload as the action changes it, if that writes another policy into its pod template."""
    if isinstance(action, OwnWorkload) and facts.target and facts.target.template_policy != facts.policy:
        # The policy changed, and our label with it. Other changes to the template are the user's own decision.
        try:
            return await own(state, facts, action, dry_run=True)
        except RefusedError:
            # The write itself will be refused, and its message reported.
            return None
    return live if isinstance(action, AdoptWorkload) else None


async def own(state: ControllerState, facts: WorkloadFacts, action: OwnWorkload, *, dry_run: bool = False) -> Json:
    """Apply the workload that the template describes, and return it.

    With the uid of the existing workload, the apply fails instead of creating it again if it was deleted meanwhile.
    """
    manifest = dict(action.wanted)
    if facts.target:
        manifest["metadata"] = manifest["metadata"] | {"uid": facts.target.uid}
    return await state.api.apply(resource.WORKLOADS[WorkloadKind(manifest["kind"])], manifest, dry_run=dry_run)


async def adopt(state: ControllerState, facts: WorkloadFacts, action: AdoptWorkload) -> Json:
    """Write our label to a workload and its pod template, and return the workload."""
    target = action.target
    logger.info("%s %s/%s comes into scope of policy %s", target.kind, facts.namespace, target.name, action.policy)
    body = manifests.adoption(target.kind, facts.namespace, target.name, target.uid, action.policy)
    return await state.api.apply(resource.WORKLOADS[target.kind], body)


async def announce(state: ControllerState, facts: WorkloadFacts, warning: str) -> None:
    """Post Events on the SovereignWorkload: what was done, and the warning, if any."""
    obj = state.view.object(SOVEREIGN_WORKLOAD.plural, facts.name, facts.namespace)
    if obj is None:
        return
    message = f"{facts.called} comes into scope of policy {facts.policy}: its pods are rolled out again"
    await post(state.api, obj, Notice("Normal", "Adopted", message))
    if warning:
        await post(state.api, obj, Notice("Warning", "PodsMayWait", f"new pods of {facts.called} may wait: {warning}"))
