"""A work queue of keys to reconcile, for controller and signer. One worker at a time handles a key; errors are retried.

It is level-based: a key names what to reconcile, not what happened. Adding a key that is queued changes nothing. Adding
a key that is being handled has it handled once more. Tenants take turns, and one key may precede all others.
"""

import asyncio
import heapq
import itertools
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Generic, TypeVar

from sovereign_operator.aio.tasks import keep_running
from sovereign_operator.kube.client.errors import ApiError, ConflictError
from sovereign_operator.runtime import metrics
from sovereign_operator.runtime.fair_turns import FairTurns

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF = 0.2
LONGEST_BACKOFF = 60.0


class AgainError(Exception):
    """A reconcile could not be completed and should be retried. The text states what failed, and why."""


class WorkQueue(Generic[K]):
    """A queue of keys. ``handle`` may return a number of seconds after which to handle the key again.

    ``tenant_of`` returns the tenant of a key. Tenants take turns, and at most ``share`` keys of each are handled at
    once, as its objects may be slow to write. The key ``first`` waits for no other key, as it has a worker of its own.
    While it is handled, another key is started only if no third one is being handled: all share one processor.
    """

    def __init__(
        self,
        handle: Callable[[K], Awaitable[float | None]],
        *,
        tenant_of: Callable[[K], Hashable] = type,
        first: K | None = None,
        share: int | None = None,
    ) -> None:
        self._handle = handle
        self._first = first
        self._tenant_of = tenant_of
        self._share = share
        self._workers = 0
        self._turns = FairTurns(tenant_of)
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._busy: set[K] = set()
        self._again: dict[K, float] = {}
        self._backoff: dict[K, float] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due) + len(self._turns)

    def add(self, key: K, delay: float = 0.0) -> None:
        """Queue a key to be handled after ``delay`` seconds, or sooner if it is queued for an earlier time."""
        due = asyncio.get_running_loop().time() + delay
        if key in self._busy:
            self._again[key] = min(due, self._again.get(key, due))
        elif key not in self._turns and (key not in self._due or due < self._due[key]):
            self._due[key] = due
            heapq.heappush(self._heap, (due, next(self._order), key))
            self._wake.set()

    async def run(self, workers: int) -> None:
        """Handle keys indefinitely, this many at once, besides ``first``."""
        self._workers = workers
        async with asyncio.TaskGroup() as group:
            for _ in range(workers if self._first is None else workers + 1):
                group.create_task(keep_running("worker of a queue", self._work))

    async def _work(self) -> None:
        while True:
            key = await self._next()
            self._busy.add(key)
            try:
                delay = await self._attempt(key)
            finally:
                self._busy.discard(key)
                if self._turns:
                    # A tenant, or the whole queue, may have been at its limit: let a waiting worker check again.
                    self._wake.set()
            if delay is not None:
                self.add(key, delay)
            if key in self._again:
                due = self._again.pop(key)
                self.add(key, max(0.0, due - asyncio.get_running_loop().time()))

    async def _next(self) -> K:
        """Wait for a key that is due, and whose turn it is."""
        while True:
            now = asyncio.get_running_loop().time()
            while self._heap and (self._heap[0][0] <= now or self._due.get(self._heap[0][2]) != self._heap[0][0]):
                due, _, key = heapq.heappop(self._heap)
                # A different time means that the key was added again with an earlier time: this entry is outdated.
                if self._due.get(key) == due:
                    del self._due[key]
                    if key == self._first:
                        return key
                    self._turns.add(key)
            if self._may_begin():
                with suppress(LookupError):
                    return self._turns.take(self._at_most())
            self._wake.clear()
            pause = self._heap[0][0] - now if self._heap else None
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue

    def _may_begin(self) -> bool:
        """Whether a worker may start a key other than ``first``."""
        if self._first in self._busy:
            return len(self._busy) == 1
        return len(self._busy) < self._workers

    def _at_most(self) -> set[Hashable]:
        """Return the tenants that have reached their share."""
        busy = Counter(self._tenant_of(key) for key in self._busy)
        return {tenant for tenant, number in busy.items() if self._share is not None and number >= self._share}

    async def _attempt(self, key: K) -> float | None:
        """Handle a key once. Return the seconds until the next time, which after an error are the backoff; or None."""
        name = type(key).__name__
        try:
            with metrics.RECONCILE_SECONDS.labels(name).time():
                delay = await self._handle(key)
        except ApiError as error:
            # A conflict is usual: the mirror was a moment behind. It needs no warning.
            logger.log(
                logging.DEBUG if isinstance(error, ConflictError) else logging.WARNING,
                "%s failed and will be tried again: %s",
                key,
                error,
            )
        except AgainError as error:
            logger.warning("%s; it will be tried again", error)
        except Exception:
            logger.exception("%s failed and will be tried again", key)
        else:
            self._backoff.pop(key, None)
            metrics.RECONCILES.labels(name, "ok").inc()
            return delay
        metrics.RECONCILES.labels(name, "error").inc()
        backoff = self._backoff[key] = min(2 * self._backoff.get(key, FIRST_BACKOFF / 2), LONGEST_BACKOFF)
        return backoff
