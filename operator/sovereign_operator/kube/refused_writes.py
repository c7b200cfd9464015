"""Objects whose writes the API server refuses. A process reports each once, and goes on with all others.

The controller uses this for objects that other clients fill with labels or annotations, and for quotas.
"""

import asyncio
import logging
from collections.abc import Awaitable, Collection
from typing import Any, Final

from prometheus_client import Gauge

from sovereign_operator.core.report.conditions import Notice
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import RefusedError
from sovereign_operator.kube.client.events import post
from sovereign_operator.kube.client.resource import Resource
from sovereign_operator.kube.mirror import ObjectKey

logger = logging.getLogger(__name__)

NOT_WRITTEN: Final = Gauge(
    "sovereign_objects_not_written",
    "Objects to which the API server refuses what this process has to write, as they are full or slow, by resource.",
    ["resource"],
)

AGAIN_SECONDS: Final = 60.0
"""When to try again: no event reports that an object has become smaller or a quota larger."""


class RefusedWrites:
    """The objects whose last write was refused."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, dict[ObjectKey, float]] = {}
        """When the last write of each was tried, on the event loop's clock, by plural of the resource."""

    def __len__(self) -> int:
        return sum(map(len, self._known.values()))

    def of(self, resource: Resource, namespace: str) -> int:
        """Return how many objects of a namespace could not be written."""
        return sum(key[0] == namespace for key in self._known.get(resource.plural, ()))

    async def attempt(self, resource: Resource, obj: Json, write: Awaitable[Any], *, about: Json | None = None) -> bool:
        """Await a write that concerns an object. Return False if it is refused, and post an Event the first time.

        Pass ``about`` to post the Event about another object, if this one may not exist. Other errors are raised.
        """
        metadata = obj["metadata"]
        key = metadata.get("namespace", ""), metadata["name"]
        try:
            await write
        except RefusedError as error:
            known = self._known.setdefault(resource.plural, {})
            new = key not in known
            known[key] = asyncio.get_running_loop().time()
            if new:
                NOT_WRITTEN.labels(resource.plural).inc()
                name = f"{obj['kind']} {'/'.join(part for part in key if part)}"
                logger.warning("%s is not written, all other objects are: %s", name, error)
                await post(self._api, about or obj, Notice("Warning", "NotWritten", _message(name, error)))
            return False
        self.forget(resource, key)
        return True

    def is_due(self, resource: Resource, key: ObjectKey) -> bool:
        """Whether to try a write: not if one was refused less than AGAIN_SECONDS ago."""
        tried = self._known.get(resource.plural, {}).get(key)
        return tried is None or asyncio.get_running_loop().time() - tried >= AGAIN_SECONDS

    def forget(self, resource: Resource, key: ObjectKey) -> None:
        """Forget an object that was written or deleted."""
        if self._known.get(resource.plural, {}).pop(key, None) is not None:
            NOT_WRITTEN.labels(resource.plural).dec()

    def keep(self, resource: Resource, keys: Collection[ObjectKey], name: str | None = None) -> None:
        """Forget all objects that are not in ``keys``, as they were deleted; with ``name``, only those of this name."""
        for key in [key for key in self._known.get(resource.plural, ()) if key not in keys]:
            if name in (None, key[1]):
                self.forget(resource, key)


def _message(name: str, error: RefusedError) -> str:
    return (
        f"{name} cannot be written: {error}. What the operator wrote on it before is removed "
        "where it no longer holds. If the object is too large, or has thousands of labels or annotations, it has to be "
        "made smaller by those who filled it"
    )
