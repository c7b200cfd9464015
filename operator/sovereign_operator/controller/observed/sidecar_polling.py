"""What sidecars say of themselves: which settings they have loaded, and whether plaintext still comes.

The controller asks each of them, as no pod can be asked to write what its neighbours are cut off by. What one says is
about itself only: a sidecar that lies brings forward or holds up the encryption of its own policy, and no more. Where a
Service claims its address, somebody else may answer in its place, and nobody is believed.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from sovereign_operator.core.bounded_json import read_json
from sovereign_operator.core.sidecar.contract import REDIRECTED_PORT, STATE_PATH
from sovereign_operator.kube.objects.pod import ObservedPod

logger = logging.getLogger(__name__)

HURRIED_SECONDS: Final = 2.0
"""How often those are asked whose next step is waited for."""
SECONDS: Final = 60.0
"""How often all others are."""
ANSWER_SECONDS: Final = 2.0
LONGEST_ANSWER: Final = 65_536
LONGEST_VERSION: Final = 64
HIGHEST_COUNT: Final = 2**53
"""More is no number of connections, and no number that a metric can have."""
AT_A_TIME: Final = 32

VERSION: Final = "listener_manager.lds.version_text"
PLAIN: Final = "cluster.inbound-plain.upstream_cx_"


@dataclass(frozen=True)
class SidecarStats:
    """What a sidecar said last."""

    loaded: str = ""
    plain_open: int = 0
    plain_total: int = 0
    plain_seen: datetime | None = None
    """When it was first seen that there was one more."""


class SidecarPolling:
    """Asks all sidecars, again and again."""

    def __init__(
        self,
        now: Callable[[], datetime],
        pods: Callable[[], Iterable[ObservedPod]],
        changed: Callable[[str], None],
        claimant: Callable[[ObservedPod], str],
    ) -> None:
        self._now = now
        self._pods = pods
        self._changed = changed
        self._claimant = claimant
        self._said: dict[str, SidecarStats] = {}
        """By the pod's uid."""
        self._asked: dict[str, float] = {}
        """When each was, by the event loop's clock."""
        self._heard: dict[str, float] = {}
        """When each was that has answered, likewise."""
        self.hurried: set[str] = set()
        """The policies whose next step is waited for."""

    def said(self, pod: ObservedPod) -> SidecarStats:
        """Return what the sidecar of a pod said last: nothing of its state, where somebody else may have said it."""
        said = self._said.get(pod.pod.uid, SidecarStats())
        return replace(said, loaded="", plain_open=0) if self._claimant(pod) else said

    def heard_since(self, uid: str, time: float) -> bool:
        """Whether the sidecar of a pod has answered a question of this time, by the event loop's clock, or later."""
        return self._heard.get(uid, float("-inf")) >= time

    async def run(self) -> None:
        """Ask until told to stop."""
        gate = asyncio.Semaphore(AT_A_TIME)
        async with asking() as session:
            while True:
                there = {pod.pod.uid: pod for pod in self._pods() if pod.addresses and not pod.ended}
                self._said = {uid: said for uid, said in self._said.items() if uid in there}
                self._asked = {uid: asked for uid, asked in self._asked.items() if uid in there}
                self._heard = {uid: heard for uid, heard in self._heard.items() if uid in there}
                await asyncio.gather(*(self._ask(session, gate, pod) for pod in there.values() if self._is_due(pod)))
                await asyncio.sleep(HURRIED_SECONDS)

    def _is_due(self, pod: ObservedPod) -> bool:
        if self._claimant(pod):
            # What was said last may have been somebody else's word, too.
            return True
        wait = HURRIED_SECONDS if pod.transit in self.hurried else SECONDS
        # The first of two rounds may have come a moment late.
        return asyncio.get_running_loop().time() - self._asked.get(pod.pod.uid, float("-inf")) > wait / 2

    async def _ask(self, session: aiohttp.ClientSession, gate: asyncio.Semaphore, pod: ObservedPod) -> None:
        before = self._said.get(pod.pod.uid, SidecarStats())
        async with gate:
            asked = self._asked[pod.pod.uid] = asyncio.get_running_loop().time()
            try:
                found = await self._hear(session, pod)
                self._heard[pod.pod.uid] = asked
            except Exception as error:  # noqa: BLE001 - whatever a pod answers, it must not end us
                # It starts, ends, or is none of ours. Who waits for it says so.
                logger.debug("sidecar of %s/%s: %r", pod.namespace, pod.pod.name, error)
                found = replace(before, loaded="")
        if found.plain_total > before.plain_total or (0 < found.plain_total < before.plain_total):
            found = replace(found, plain_seen=self._now())
        else:
            found = replace(found, plain_seen=before.plain_seen)
        self._said[pod.pod.uid] = found
        if found != before:
            self._changed(pod.transit)

    async def _hear(self, session: aiohttp.ClientSession, pod: ObservedPod) -> SidecarStats:
        """Ask a pod, and listen to nobody else. Raises some exception if that cannot be."""
        self._check_unclaimed(pod)
        found = await ask(session, pod.addresses[0])
        self._check_unclaimed(pod)
        return found

    def _check_unclaimed(self, pod: ObservedPod) -> None:
        if claimant := self._claimant(pod):
            raise ValueError(f"Service {claimant} claims its address")


def asking() -> aiohttp.ClientSession:
    """Return what pods are asked with. It keeps nothing of what one says, and makes none of it larger.

    Nor does it keep a connection: one that a Service led astray would lead there after the Service has gone.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True),
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


async def ask(session: aiohttp.ClientSession, address: str) -> SidecarStats:
    """Ask a pod. Raises some exception if it does not answer as a sidecar does."""
    host = f"[{address}]" if ":" in address else address
    # Where it would lead us is not ours to go: we reach what the pod cannot.
    async with session.get(f"http://{host}:{REDIRECTED_PORT}{STATE_PATH}", allow_redirects=False) as answer:
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"status {answer.status}")
        try:
            said = await answer.content.readexactly(LONGEST_ANSWER)
        except asyncio.IncompleteReadError as whole:
            return read_stats(whole.partial)
        raise ValueError(f"more than {len(said)} bytes")


def read_stats(text: bytes) -> SidecarStats:
    """Read what a pod says that it is a sidecar. Raises some exception if it is none: anybody may have written it."""
    found: dict[str, Any] = {stat["name"]: stat["value"] for stat in read_json(text)["stats"]}
    return SidecarStats(
        loaded=str(found.get(VERSION, ""))[:LONGEST_VERSION],
        plain_open=_count(found.get(f"{PLAIN}active", 0)),
        plain_total=_count(found.get(f"{PLAIN}total", 0)),
    )


def _count(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value <= HIGHEST_COUNT:
        raise ValueError(f"no count: {value!r:.100}")
    return value
