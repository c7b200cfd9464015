"""A copy of a collection, kept up to date by list and watch.

kopf lists and watches without selectors or pages and hands over whole objects; nodes and pods are
too many and too large for that. A mirror keeps what `convert` makes of each.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from sovereign_operator.kube.api import Api, Json
from sovereign_operator.kube.errors import ApiError, GoneError, NotFoundError
from sovereign_operator.kube.resource import Resource

logger = logging.getLogger(__name__)

T = TypeVar("T")
Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0


def key_of(obj: Json) -> Key:
    """Return the key of an object."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


class Mirror(Mapping[Key, T], Generic[T]):
    """The objects of one collection, by key, as last seen.

    ``changed`` is called with key, old and new (None: not there) after each change that `convert`
    shows; it must not wait. ``run`` never ends by itself.
    """

    def __init__(
        self,
        api: Api,
        resource: Resource,
        convert: Callable[[Json], T],
        changed: Callable[[Key, T | None, T | None], None],
        *,
        namespace: str | None = None,
        label_selector: str = "",
    ) -> None:
        self._api = api
        self._resource = resource
        self._convert = convert
        self._changed = changed
        self._namespace = namespace
        self._label_selector = label_selector
        self._objects: dict[Key, T] = {}
        self.synced = asyncio.Event()
        self.heard = time.monotonic()
        """When the server was last heard from, on the monotonic clock."""

    @property
    def name(self) -> str:
        """What it mirrors, for people."""
        return f"{self._resource.plural} in {self._namespace}" if self._namespace else self._resource.plural

    def __getitem__(self, key: Key) -> T:
        return self._objects[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    async def run(self) -> None:
        """List and watch for ever; begin anew after errors, with growing pauses."""
        pause, version = FIRST_PAUSE, ""
        while True:
            try:
                if not version:
                    version = await self._list()
                async for kind, obj in self._api.watch(self._resource, version, self._namespace, self._label_selector):
                    version = obj["metadata"]["resourceVersion"]
                    self.heard = time.monotonic()
                    pause = FIRST_PAUSE
                    self._take(kind, obj)
            except GoneError:
                version = ""
            except NotFoundError:
                # The kind itself is gone, or not there yet: then so are its objects.
                self._replace({})
                self.heard = time.monotonic()
                version = ""
                pause = await self._rest(pause)
            except ApiError as error:
                logger.warning("watch of %s: %s; trying again", self.name, error)
                pause = await self._rest(pause)

    async def _rest(self, pause: float) -> float:
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing
        return min(pause * 2, LONGEST_PAUSE)

    async def _list(self) -> str:
        objects, version = await self._api.list(self._resource, self._namespace, self._label_selector)
        self.heard = time.monotonic()
        self._replace({key_of(obj): self._convert(obj) for obj in objects})
        return version

    def _replace(self, fresh: Mapping[Key, T]) -> None:
        for key in [*self._objects.keys() - fresh.keys()]:
            self._set(key, None)
        for key, value in fresh.items():
            self._set(key, value)
        self.synced.set()

    def _take(self, kind: str, obj: Json) -> None:
        if kind in {"ADDED", "MODIFIED"}:
            self._set(key_of(obj), self._convert(obj))
        elif kind == "DELETED":
            self._set(key_of(obj), None)

    def _set(self, key: Key, value: T | None) -> None:
        old = self._objects.get(key)
        if value is None:
            self._objects.pop(key, None)
        else:
            self._objects[key] = value
        if old != value:
            self._changed(key, old, value)
