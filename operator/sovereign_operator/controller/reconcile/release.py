"""Releases a workload to which no SovereignWorkload refers any more."""

import logging

from sovereign_operator.api.v1alpha1 import SOVEREIGN_WORKLOAD
from sovereign_operator.controller.keys import LabelledWorkloadKey
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.workload import manifests
from sovereign_operator.core.workload.decision import is_abandoned
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import MERGE
from sovereign_operator.kube.client.crds import kinds_going
from sovereign_operator.kube.client.errors import ConflictError, NotFoundError, RefusedError

logger = logging.getLogger(__name__)


async def release_abandoned(state: ControllerState, key: LabelledWorkloadKey) -> None:
    """Remove our label from a workload if no SovereignWorkload refers to it any more."""
    seen = state.view.workload(key.kind, key.namespace, key.name)
    referenced = bool(state.view.references.referring_to((key.kind, key.namespace, key.name)))
    if seen is None or not is_abandoned(seen, referenced=referenced):
        return
    if await kinds_going(state.api, SOVEREIGN_WORKLOAD):
        # The SovereignWorkloads vanish with their CRD: no user has released the workload.
        return
    logger.info("%s %s/%s is released: no SovereignWorkload refers to it", key.kind, key.namespace, key.name)
    kind = resource.WORKLOADS[key.kind]
    try:
        try:
            await state.api.apply(kind, manifests.release(key.kind, key.namespace, key.name, seen.uid))
        except RefusedError:
            # It was created from a template and orphaned: an apply would remove all fields, as we own every one.
            patch = manifests.unlabelled(key.kind, seen.uid)
            await state.api.patch(kind, key.name, patch, content_type=MERGE, namespace=key.namespace)
    except (ConflictError, NotFoundError):
        # It was deleted or replaced, so nothing of ours is left on it.
        return
