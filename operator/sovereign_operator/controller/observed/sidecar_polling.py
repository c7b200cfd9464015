"""Polls the sidecars of pods: which settings each has loaded, and whether it still accepts plaintext connections.

The controller polls, because a pod that may write its own state could write that of its neighbours, who would be
disconnected by it. An answer counts for the sidecar that gave it only: a sidecar that lies advances or delays the
encryption of its own policy. While a Service claims the address of a pod, another pod may answer in its place, so no
answer from that address counts.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from sovereign_operator.controller import metrics
from sovereign_operator.core.bounded_json import read_json
from sovereign_operator.core.sidecar.contract import REDIRECTED_PORT, STATE_PATH
from sovereign_operator.kube.objects.pod import ObservedPod

logger = logging.getLogger(__name__)

FAST_SECONDS: Final = 2.0
"""How often to poll the sidecars of a policy whose next step waits for them."""
SLOW_SECONDS: Final = 60.0
"""How often to poll all others."""
TIMEOUT_SECONDS: Final = 2.0
"""How long one sidecar may take to answer."""
LONGEST_ANSWER: Final = 65_536
"""Bytes of one answer."""
LONGEST_VERSION: Final = 64
"""Characters of a version that are kept."""
HIGHEST_COUNT: Final = 2**53
"""The highest number of connections that is believed, and that a metric can hold."""
MOST_REFUSED: Final = 1_000_000
"""How many refused connections of one poll are counted. A pod that lies must not fill the metric of its policy: to a
very high number nothing is added any more."""
AT_A_TIME: Final = 32
"""How many sidecars to poll at the same time."""

VERSION: Final = "listener_manager.lds.version_text"
PLAIN: Final = "cluster.inbound-plain.upstream_cx_"
REFUSED: Final = re.compile(r"listener\..*\.downstream_\w+|overload\..*\.shed_load_count")
"""The counts of connections that were refused, or ended for want of memory. See ``dataplane/admin.py``."""


@dataclass(frozen=True)
class SidecarStats:
    """The last answer of a sidecar."""

    loaded: str = ""
    """The version of the settings that it has loaded; empty if it has not answered."""
    plain_open: int = 0
    """Open inbound plaintext connections."""
    plain_total: int = 0
    """Inbound plaintext connections since the sidecar started."""
    plain_seen: datetime | None = None
    """When the controller last saw ``plain_total`` grow."""
    refused: int | None = None
    """Connections that it has refused since it started, because it carried as many as its memory takes. None: it has
    not answered, or is of an earlier version, which does not say."""
    refused_seen: datetime | None = None
    """When the controller last saw ``refused`` grow. What a sidecar has refused before its first answer does not count:
    each new controller would report it again."""


class SidecarPolling:
    """Polls all sidecars, again and again."""

    def __init__(
        self,
        now: Callable[[], datetime],
        pods: Callable[[], Iterable[ObservedPod]],
        changed: Callable[[str], None],
        claimant: Callable[[ObservedPod], str],
    ) -> None:
        """``pods`` are those to poll, ``changed`` is called with the policy of a sidecar whose answer differs.

        ``claimant`` returns the Service that claims an address of a pod; empty if none does.
        """
        self._now = now
        self._pods = pods
        self._changed = changed
        self._claimant = claimant
        self._stats: dict[str, SidecarStats] = {}
        """By uid of the pod."""
        self._polled_at: dict[str, float] = {}
        """By uid of the pod: when it was polled last, on the event loop's clock."""
        self._answered_at: dict[str, float] = {}
        """By uid of the pod: when the poll began that it answered last, on the event loop's clock."""
        self.polled_fast: set[str] = set()
        """The policies whose next step waits for their sidecars."""

    def stats(self, pod: ObservedPod) -> SidecarStats:
        """Return the last answer of a pod's sidecar, without its state if another pod may have given the answer."""
        stats = self._stats.get(pod.pod.uid, SidecarStats())
        return replace(stats, loaded="", plain_open=0, refused_seen=None) if self._claimant(pod) else stats

    def never_polled(self, policy: str) -> frozenset[str]:
        """Return the uids of a policy's pods that are yet to be polled for the first time."""
        return frozenset(uid for uid, pod in self._to_poll() if pod.transit == policy and uid not in self._stats)

    def answered_since(self, uid: str, time: float) -> bool:
        """Whether a pod's sidecar has answered a poll that began at ``time`` or later, on the event loop's clock."""
        return self._answered_at.get(uid, float("-inf")) >= time

    async def run(self) -> None:
        """Poll until cancelled."""
        gate = asyncio.Semaphore(AT_A_TIME)
        async with polling_session() as session:
            while True:
                pods = dict(self._to_poll())
                self._stats = {uid: stats for uid, stats in self._stats.items() if uid in pods}
                self._polled_at = {uid: time for uid, time in self._polled_at.items() if uid in pods}
                self._answered_at = {uid: time for uid, time in self._answered_at.items() if uid in pods}
                await asyncio.gather(*(self._poll(session, gate, pod) for pod in pods.values() if self._is_due(pod)))
                await asyncio.sleep(FAST_SECONDS)

    def _to_poll(self) -> Iterator[tuple[str, ObservedPod]]:
        return ((pod.pod.uid, pod) for pod in self._pods() if pod.addresses and not pod.ended)

    def _is_due(self, pod: ObservedPod) -> bool:
        if self._claimant(pod):
            # The last answer may have been another pod's, too.
            return True
        wait = FAST_SECONDS if pod.transit in self.polled_fast else SLOW_SECONDS
        # Half of it, as the first of two rounds may have come a moment late.
        return asyncio.get_running_loop().time() - self._polled_at.get(pod.pod.uid, float("-inf")) > wait / 2

    async def _poll(self, session: aiohttp.ClientSession, gate: asyncio.Semaphore, pod: ObservedPod) -> None:
        before = self._stats.get(pod.pod.uid, SidecarStats())
        async with gate:
            begun = self._polled_at[pod.pod.uid] = asyncio.get_running_loop().time()
            try:
                stats = await self._poll_unclaimed(session, pod)
                self._answered_at[pod.pod.uid] = begun
            except Exception as error:  # noqa: BLE001 - no answer of a pod may end the controller
                # The pod starts, ends, or has no sidecar. The policy's condition names the pods that it waits for.
                logger.debug("sidecar of %s/%s: %r", pod.namespace, pod.pod.name, error)
                stats = replace(before, loaded="")
        taken = growth(before.plain_total, stats.plain_total)
        refused = growth(before.refused, stats.refused)
        if refused:
            metrics.CONNECTIONS_REFUSED.labels(pod.transit).inc(min(refused, MOST_REFUSED))
        stats = replace(
            stats,
            plain_seen=self._now() if taken else before.plain_seen,
            refused_seen=self._now() if refused else before.refused_seen,
        )
        self._stats[pod.pod.uid] = stats
        if stats != before:
            self._changed(pod.transit)

    async def _poll_unclaimed(self, session: aiohttp.ClientSession, pod: ObservedPod) -> SidecarStats:
        """Poll a pod. Raises an exception if it does not answer, or if a Service claims its address meanwhile."""
        self._check_unclaimed(pod)
        stats = await poll(session, pod.addresses[0])
        self._check_unclaimed(pod)
        return stats

    def _check_unclaimed(self, pod: ObservedPod) -> None:
        if claimant := self._claimant(pod):
            raise ValueError(f"Service {claimant} claims its address")


def polling_session() -> aiohttp.ClientSession:
    """Return the HTTP session for polls, which keeps no cookies and decompresses nothing that a pod sends.

    Nor does it keep connections: one that a Service redirected would go on leading there after the Service is gone.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


async def poll(session: aiohttp.ClientSession, address: str) -> SidecarStats:
    """Poll the sidecar at an address. Raises an exception if the answer is not that of a sidecar."""
    host = f"[{address}]" if ":" in address else address
    # No redirects: the controller reaches addresses that the pod must not make it connect to.
    async with session.get(f"http://{host}:{REDIRECTED_PORT}{STATE_PATH}", allow_redirects=False) as answer:
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"status {answer.status}")
        try:
            body = await answer.content.readexactly(LONGEST_ANSWER)
        except asyncio.IncompleteReadError as whole:
            return read_stats(whole.partial)
        raise ValueError(f"more than {len(body)} bytes")


def read_stats(text: bytes) -> SidecarStats:
    """Read Envoy's statistics. Raises an exception if they are malformed: any program may have written them."""
    found: dict[str, Any] = {stat["name"]: stat["value"] for stat in read_json(text)["stats"]}
    refused = [_count(value) for name, value in found.items() if REFUSED.fullmatch(name)]
    return SidecarStats(
        loaded=str(found.get(VERSION, ""))[:LONGEST_VERSION],
        plain_open=_count(found.get(f"{PLAIN}active", 0)),
        plain_total=_count(found.get(f"{PLAIN}total", 0)),
        refused=min(sum(refused), HIGHEST_COUNT) if refused else None,
    )


def growth(before: int | None, now: int | None) -> int:
    """Return by how much a count has grown. If it is lower, the sidecar has started again. None: it is not known."""
    if before is None or now is None:
        return 0
    return now - before if now >= before else now


def _count(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value <= HIGHEST_COUNT:
        raise ValueError(f"no count: {value!r:.100}")
    return value
