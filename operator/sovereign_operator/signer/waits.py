"""Announces why a pod has no certificate yet: an Event on it when the reason is new, and again now and then."""

import logging
from dataclasses import dataclass
from typing import Final

from sovereign_operator.core.identity.request import Request, WaitForFacts
from sovereign_operator.core.report.conditions import Notice
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.events import post
from sovereign_operator.signer.log_fields import log_fields

logger = logging.getLogger(__name__)

REPEAT_EVENT_SECONDS: Final = 300.0
ASKS_AGAIN_SECONDS: Final = 30.0
"""A sidecar that waits asks again sooner than that, of this replica or another."""
FORGET_SECONDS: Final = 600.0
"""How long after its last announcement a wait is forgotten: the next one counts as new."""


@dataclass
class _Wait:
    """What was announced about one request."""

    since: float
    by_token: bool
    heard: float = 0.0
    reason: str = ""
    posted: float = 0.0


class Waits:
    """The requests that wait. Times are seconds on the event loop's clock."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._waits: dict[str, _Wait] = {}
        """By uid of the request, or of the pod whose sidecar asks."""

    async def announce(self, uid: str, request: Request, pod: Json | None, wait: WaitForFacts, now: float) -> float:
        """Post an Event on the pod if the reason is new, or if the last one was posted REPEAT_EVENT_SECONDS ago.

        Return for how many seconds the request has waited.
        """
        known = self._waits.setdefault(uid, _Wait(now, request.by_token))
        known.heard = now
        if pod is None or (known.reason == wait.reason and now - known.posted < REPEAT_EVENT_SECONDS):
            return now - known.since
        known.reason, known.posted = wait.reason, now
        notice = Notice("Warning", wait.reason.value, f"no certificate yet: {wait.message}")
        await post(self._api, pod, notice)
        logger.info("the request waits: %s", notice.message, extra=log_fields(request) | {"reason": wait.reason.value})
        return now - known.since

    def of_sidecars(self, now: float) -> list[float]:
        """Return for how many seconds each sidecar has waited that asked a moment ago, and asks again soon."""
        return [
            now - wait.since for wait in self._waits.values() if wait.by_token and now - wait.heard < ASKS_AGAIN_SECONDS
        ]

    def forget(self, now: float) -> None:
        """Forget requests that are not announced any more."""
        self._waits = {uid: wait for uid, wait in self._waits.items() if now - wait.heard < FORGET_SECONDS}
