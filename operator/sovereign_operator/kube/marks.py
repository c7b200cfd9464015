"""Labels and annotations under prefixes that are ours alone."""

import logging
from collections.abc import Callable
from typing import Any

from sovereign_operator.kube.api import MERGE, Api, Json
from sovereign_operator.kube.errors import RefusedError
from sovereign_operator.kube.resource import Resource

logger = logging.getLogger(__name__)


async def apply_marks(api: Api, resource: Resource, body: Json, is_ours: Callable[[str], bool]) -> Json:
    """Apply labels and annotations, so that no other key that is ours is left, and return the object.

    Raises RefusedError if the annotations are refused, as those of others fill the object. Then it carries the labels
    and no annotation, as what we said before may not be so any more.
    """
    try:
        return await _apply(api, resource, body, is_ours)
    except RefusedError:
        await _apply(api, resource, body | {"metadata": body["metadata"] | {"annotations": {}}}, is_ours)
        raise


async def _apply(api: Api, resource: Resource, body: Json, is_ours: Callable[[str], bool]) -> Json:
    """Apply marks. An apply takes away only what we applied; what somebody else forged has to be named."""
    written = await api.apply(resource, body)
    wanted, found = body["metadata"], written["metadata"]
    forged: dict[str, Any] = {}
    for field in ("labels", "annotations"):
        left = [key for key in found.get(field, {}) if is_ours(key) and key not in wanted.get(field, {})]
        if left:
            forged[field] = dict.fromkeys(left)
            logger.warning("%s %s carried what we did not write: %s", body["kind"], wanted["name"], ", ".join(left))
    if not forged:
        return written
    patch = {"metadata": forged | {"uid": wanted["uid"]}}
    return await api.patch(resource, wanted["name"], patch, content_type=MERGE, namespace=wanted.get("namespace"))
