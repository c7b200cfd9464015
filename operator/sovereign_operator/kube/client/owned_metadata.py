"""Labels and annotations under prefixes that are ours alone."""

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
"""Labels and annotations."""

MARK_SECONDS: Final = 10.0
"""In which an object takes what we write. Most take milliseconds, and others wait meanwhile."""


async def apply_owned_metadata(
    api: Api, resource: Resource, body: Json, seen: OwnedMetadata, is_ours: Callable[[str], bool]
) -> Json:
    """Apply labels and annotations, so that no other key that is ours is left, and return the object.

    ``seen`` are the labels and annotations that it had last, at least those that are ours.

    Raises RefusedError if that is refused, as others fill the object. Then it carries the labels and no annotation, as
    what we said before may not be so any more. If even that is refused, it carries no label that it should not. What
    takes too long counts as refused.
    """
    try:
        return await _apply(api, resource, body, is_ours)
    except RefusedError:
        bare = body | {"metadata": body["metadata"] | {"annotations": {}}}
        try:
            await _apply(api, resource, bare, is_ours)
        except RefusedError:
            await _take_away(api, resource, bare, seen, is_ours)
        raise


async def _take_away(
    api: Api, resource: Resource, body: Json, seen: OwnedMetadata, is_ours: Callable[[str], bool]
) -> None:
    """Take away what is ours and not wanted, and add nothing.

    What an apply notes of its fields may be more than what it takes away. This only makes an object smaller, so that
    none can be too full for it. Labels go first and by themselves: pods are placed by them, and a crowd of annotations
    may be too many for the guards to let even one of them go. They may take as long as any request.
    """
    wanted = body["metadata"]
    for field in ("labels", "annotations"):
        kept = wanted.get(field, {})
        left = [key for key, value in seen.get(field, {}).items() if is_ours(key) and kept.get(key) != value]
        if left:
            removal = _remove(api, resource, wanted, {field: dict.fromkeys(left)})
            with suppress(RefusedError):
                await (removal if field == "labels" else timely(removal))


async def _apply(api: Api, resource: Resource, body: Json, is_ours: Callable[[str], bool]) -> Json:
    """Apply marks. An apply takes away only what we applied; what somebody else forged has to be named."""
    written = await timely(api.apply(resource, body))
    wanted, found = body["metadata"], written["metadata"]
    forged: dict[str, Any] = {}
    for field in ("labels", "annotations"):
        left = [key for key in found.get(field, {}) if is_ours(key) and key not in wanted.get(field, {})]
        if left:
            forged[field] = dict.fromkeys(left)
            logger.warning("%s %s carried what we did not write: %s", body["kind"], wanted["name"], ", ".join(left))
    if not forged:
        return written
    return await timely(_remove(api, resource, wanted, forged))


async def _remove(api: Api, resource: Resource, wanted: Json, gone: Json) -> Json:
    """Remove labels or annotations by name."""
    patch = {"metadata": gone | {"uid": wanted["uid"]}}
    return await api.patch(resource, wanted["name"], patch, content_type=MERGE, namespace=wanted.get("namespace"))


async def timely(write: Awaitable[Json]) -> Json:
    """Await a write of one object. Raises SlowError if it takes longer than others may have to wait for it."""
    try:
        async with asyncio.timeout(MARK_SECONDS):
            return await write
    except TimeoutError as error:
        raise SlowError(0, f"it takes the API server longer than {MARK_SECONDS:g} s") from error
