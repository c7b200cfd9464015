"""Mirror: a copy of a collection in memory, kept up to date by list and watch. Informers do this in Go.

kopf lists and watches without selectors or pages, and keeps whole objects. Nodes and pods are too many and too large
for that: a mirror keeps only what ``convert`` returns for each.
"""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from sovereign_operator.aio.tasks import FIRST_PAUSE, LONGEST_PAUSE, TASKS_FAILED
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import ApiError, GoneError, NotFoundError, UnavailableError
from sovereign_operator.kube.client.resource import Resource
from sovereign_operator.kube.unreadable import Unreadable, UnreadableObjects

logger = logging.getLogger(__name__)

T = TypeVar("T")
ObjectKey = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""

STALLED_SECONDS = 240
"""A mirror that has received nothing for this long is stuck: a watch that receives nothing ends after half of it, and
the API server then confirms the version before the next one."""

OUTAGE_SECONDS = 3.0
"""After no API server has answered for this long, a mirror lists again: their store may have been restored from a
backup, and come past the version that the mirror knows, with other objects. To restore a store, all API servers are
stopped, and none starts that fast. While one of several restarts, another one answers."""


def key_of(obj: Json) -> ObjectKey:
    """Return the key of an object."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


class _Outage:
    """How long no API server has answered."""

    def __init__(self) -> None:
        self._since: float | None = None

    def lasts(self, error: ApiError) -> bool:
        """Note an error. Return whether no API server has answered for OUTAGE_SECONDS."""
        if not (isinstance(error, UnavailableError) and error.no_answer):
            self.end()
            return False
        now = asyncio.get_running_loop().time()
        self._since = now if self._since is None else self._since
        return now - self._since >= OUTAGE_SECONDS

    def end(self) -> None:
        """Note an answer."""
        self._since = None


def _nothing(_: Json) -> None:
    """Ignore an object that cannot be read, where its absence is the worst case."""


def _no_news() -> None:
    """Do nothing about a collection that is served now, or no longer."""


class Mirror(Mapping[ObjectKey, T], Generic[T]):
    """The objects of one collection, by key: what ``convert`` returned for each, unless that is None.

    ``changed`` is called with key, old and new value (None if absent) after each change of a converted value; it must
    not block. If ``convert`` raises an exception, the mirror keeps what ``worst`` returns for the object. By default it
    then ignores the object, which is right only where nothing follows from its absence. ``run`` never returns.

    A collection that the API server does not serve is kept as it was, as its CRD may be deleted at the moment. With
    ``optional``, which is for kinds that not every cluster has, it is empty, and ``served_changed`` is called whenever
    it turns out that the collection is served, or no longer.
    """

    def __init__(
        self,
        api: Api,
        resource: Resource,
        convert: Callable[[Json], T | None],
        changed: Callable[[ObjectKey, T | None, T | None], None],
        *,
        worst: Callable[[Json], T | None] = _nothing,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        optional: bool = False,
        served_changed: Callable[[], None] = _no_news,
    ) -> None:
        self._optional = optional
        self._served_changed = served_changed
        self._api = api
        self._resource = resource
        self._convert = convert
        self._worst = worst
        self._changed = changed
        # The arguments of ``Api.pages`` and ``Api.watch`` after the resource and the version.
        self._which = (namespace, label_selector, field_selector)
        self._objects: defaultdict[str, dict[str, T]] = defaultdict(dict)
        self._unreadable = UnreadableObjects(resource.plural)
        self.served = True
        """Whether the API server serves this collection, as far as is known."""
        self.synced = asyncio.Event()
        self.last_received = time.monotonic()
        """When the API server last sent an event or a page, or confirmed a version, on the monotonic clock."""

    @property
    def name(self) -> str:
        """What it mirrors, for logs and /healthz."""
        namespace, *_ = self._which
        return f"{self._resource.plural} in {namespace}" if namespace else self._resource.plural

    def __getitem__(self, key: ObjectKey) -> T:
        namespace, name = key
        return self.within(namespace)[name]

    def __iter__(self) -> Iterator[ObjectKey]:
        return ((namespace, name) for namespace, objects in self._objects.items() for name in objects)

    def __len__(self) -> int:
        return sum(map(len, self._objects.values()))

    def within(self, namespace: str) -> Mapping[str, T]:
        """Return the objects of one namespace, by name."""
        return self._objects.get(namespace, {})

    async def run(self) -> None:
        """List and watch indefinitely; start again after errors, with growing pauses."""
        try:
            await self._follow()
        finally:
            self._unreadable.keep()

    async def _follow(self) -> None:
        pause, version, failed = FIRST_PAUSE, "", False
        outage = _Outage()
        while True:
            try:
                if not version:
                    version = await self._list()
                    self._note_served(served=True)
                    failed = False
                else:
                    await self._api.reached(self._resource, version, *self._which)
                    self.last_received = time.monotonic()
                outage.end()
                async for kind, obj in self._api.watch(self._resource, version, *self._which):
                    version = obj["metadata"]["resourceVersion"]
                    self.last_received = time.monotonic()
                    pause, failed = FIRST_PAUSE, False
                    self._take(kind, obj)
                    # Free its memory, which may be megabytes: the next event may take long.
                    del obj
                failed = False
            except GoneError as error:
                logger.info("watch of %s: %s; listing again", self.name, error)
                version = ""
            except ApiError as error:
                if outage.lasts(error):
                    version = ""
                # The watch of a quiet collection may break off now and then: warn only if the next attempt fails, too.
                level = logging.WARNING if failed else logging.INFO
                if isinstance(error, NotFoundError):
                    self.last_received = time.monotonic()
                    if self._optional:
                        version, level = "", logging.DEBUG
                        self._replace({})
                        self._note_served(served=False)
                logger.log(level, "watch of %s: %s; trying again", self.name, error)
                failed = True
                pause = await self._rest(pause)
            except Exception:
                # No object is known to cause this. If one does, the list still brings all others up to date.
                TASKS_FAILED.labels(f"watch of {self._resource.plural}").inc()
                logger.exception("watch of %s failed, and is begun again with a list", self.name)
                version = ""
                pause = await self._rest(pause)

    def _note_served(self, *, served: bool) -> None:
        changed, self.served = served is not self.served, served
        if changed:
            self._served_changed()

    async def _rest(self, pause: float) -> float:
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing
        return min(pause * 2, LONGEST_PAUSE)

    async def _list(self) -> str:
        fresh: dict[ObjectKey, T] = {}
        present: set[ObjectKey] = set()
        version = ""
        async for objects, version in self._api.pages(self._resource, *self._which):  # noqa: B007
            self.last_received = time.monotonic()
            for obj in objects:
                present.add(key_of(obj))
                converted = self._see(obj)
                if converted is not None:
                    fresh[key_of(obj)] = converted
        self._unreadable.keep(present)
        self._replace(fresh)
        return version

    def _see(self, obj: Json) -> T | None:
        """Convert an object. One that cannot be converted must not keep the mirror from reading the others."""
        try:
            converted = self._convert(obj)
        except Exception as error:  # noqa: BLE001 - it is reported, in the log and in a metric
            self._unreadable.note(key_of(obj), repr(error))
            return self._worst(obj)
        self._unreadable.note(key_of(obj), converted.error if isinstance(converted, Unreadable) else "")
        return converted

    def _replace(self, fresh: Mapping[ObjectKey, T]) -> None:
        for key in [key for key in self if key not in fresh]:
            self._set(key, None)
        for key, value in fresh.items():
            self._set(key, value)
        self.synced.set()

    def _take(self, kind: str, obj: Json) -> None:
        if kind in {"ADDED", "MODIFIED"}:
            self._set(key_of(obj), self._see(obj))
        elif kind == "DELETED":
            self._unreadable.note(key_of(obj), "")
            self._set(key_of(obj), None)

    def _set(self, key: ObjectKey, value: T | None) -> None:
        namespace, name = key
        old = self.get(key)
        if value is not None:
            self._objects[namespace][name] = value
        elif old is not None:
            del self._objects[namespace][name]
            if not self._objects[namespace]:
                del self._objects[namespace]
        if old != value:
            try:
                self._changed(key, old, value)
            except Exception:
                TASKS_FAILED.labels(f"watch of {self._resource.plural}").inc()
                logger.exception("a change of %s %s could not be processed", self.name, "/".join(key))


def stalled(mirrors: Iterable[Mirror[Any]]) -> list[str]:
    """Return the names of mirrors that have received no answer for STALLED_SECONDS."""
    now = time.monotonic()
    return [mirror.name for mirror in mirrors if now - mirror.last_received > STALLED_SECONDS]
