"""Writing labels and annotations under prefixes that belong to the operator alone, on nodes and pods.

Nobody but the operator should write such keys. A write therefore also removes keys that another client forged, and
falls back to smaller writes if the API server refuses the object because others have filled it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from sovereign_operator.kube.client.api import MERGE, Api, Json
from sovereign_operator.kube.client.errors import RefusedError, SlowError
from sovereign_operator.kube.client.resource import Resource

logger = logging.getLogger(__name__)

OwnedMetadata = Mapping[str, Mapping[str, str]]
"""The metadata fields "labels" and "annotations", each by key."""

MARK_SECONDS: Final = 10.0
"""How long a write may take. Most take milliseconds, and other objects wait meanwhile."""


async def apply_owned_metadata(
    api: Api, resource: Resource, body: Json, seen: OwnedMetadata, is_ours: Callable[[str], bool]
) -> Json:
    """Apply labels and annotations, remove every other key of the operator, and return the object.

    ``seen`` are its last known labels and annotations, at least those of the operator.

    Raises RefusedError if the API server refuses the write, for example because others have filled the object. The
    object then has the labels, but no annotation of the operator, as the former ones may be outdated. If that is
    refused, too, the wrong labels and annotations are removed. A write that takes too long counts as refused.
    """
    try:
        return await _apply(api, resource, body, is_ours)
    except RefusedError:
        bare = body | {"metadata": body["metadata"] | {"annotations": {}}}
        try:
            await _apply(api, resource, bare, is_ours)
        except RefusedError:
            await _remove_unwanted(api, resource, bare, seen, is_ours)
        raise


async def _remove_unwanted(
    api: Api, resource: Resource, body: Json, seen: OwnedMetadata, is_ours: Callable[[str], bool]
) -> None:
    """Remove the operator's keys that are not wanted, and add nothing.

    An apply may add more to managedFields than it removes elsewhere. This patch only makes an object smaller, so no
    object is too full for it. Labels are removed first, in a request of their own, as they place pods: with too many
    annotations, the guards may deny the removal of even one. The removal of labels may take as long as any request.
    """
    wanted = body["metadata"]
    for field in ("labels", "annotations"):
        values = wanted.get(field, {})
        unwanted = [key for key, value in seen.get(field, {}).items() if is_ours(key) and values.get(key) != value]
        if unwanted:
            removal = _remove(api, resource, wanted, {field: dict.fromkeys(unwanted)})
            with suppress(RefusedError):
                await (removal if field == "labels" else timely(removal))


async def _apply(api: Api, resource: Resource, body: Json, is_ours: Callable[[str], bool]) -> Json:
    """Apply labels and annotations. An apply removes only keys that we applied; forged keys are removed by name."""
    written = await timely(api.apply(resource, body))
    wanted, metadata = body["metadata"], written["metadata"]
    forged: dict[str, Any] = {}
    for field in ("labels", "annotations"):
        foreign = [key for key in metadata.get(field, {}) if is_ours(key) and key not in wanted.get(field, {})]
        if foreign:
            forged[field] = dict.fromkeys(foreign)
            logger.warning(
                "%s %s had %s that the operator did not write, and that are now removed: %s",
                body["kind"],
                wanted["name"],
                field,
                ", ".join(foreign),
            )
    if not forged:
        return written
    return await timely(_remove(api, resource, wanted, forged))


async def _remove(api: Api, resource: Resource, wanted: Json, gone: Json) -> Json:
    """Remove labels or annotations by name."""
    patch = {"metadata": gone | {"uid": wanted["uid"]}}
    return await api.patch(resource, wanted["name"], patch, content_type=MERGE, namespace=wanted.get("namespace"))


async def timely(write: Awaitable[Json]) -> Json:
    """Await a write of one object. Raises SlowError if it takes longer than MARK_SECONDS."""
    try:
        async with asyncio.timeout(MARK_SECONDS):
            return await write
    except TimeoutError as error:
        raise SlowError(0, f"it takes the API server longer than {MARK_SECONDS:g} s") from error
