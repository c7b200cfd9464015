"""Which waits are announced, and how many sidecars wait."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from sovereign_operator.core.identity.request import Request, WaitForFacts
from sovereign_operator.core.identity.request_reasons import Delay
from sovereign_operator.kube.client.api import Api
from sovereign_operator.signer.waits import ASKS_AGAIN_SECONDS, FORGET_SECONDS, REPEAT_EVENT_SECONDS, Waits

REQUEST = Request("ward", "", "r", "web", "p", "web", "s", "brest-1", "n", timedelta(hours=24), by_token=True)
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "ward", "uid": "p"}}
NO_AUTHORITY = WaitForFacts(Delay.NO_AUTHORITY, "none yet")
NOT_ACCEPTED = WaitForFacts(Delay.NODE_NOT_ACCEPTED, "not accepted")


class Posted:
    """Takes Events."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        clock = SimpleNamespace(now=lambda: datetime(2030, 1, 1, tzinfo=UTC))
        self.waits = Waits(cast("Api", SimpleNamespace(create=self._create, clock=clock)))

    async def _create(self, _kind: Any, event: dict[str, Any], _namespace: str) -> None:
        self.reasons.append(event["reason"])

    def wait(self, wait: WaitForFacts, now: float, request: Request = REQUEST) -> float:
        return asyncio.run(self.waits.announce(request.pod_uid, request, POD, wait, now))


def test_a_reason_is_announced_once_and_again_after_a_while() -> None:
    posted = Posted()
    waited = [posted.wait(NO_AUTHORITY, now) for now in (100.0, 101.0, 110.0, 100.0 + REPEAT_EVENT_SECONDS)]
    assert posted.reasons == ["NoAuthority", "NoAuthority"]
    assert waited == [0, 1, 10, REPEAT_EVENT_SECONDS]


def test_another_reason_is_announced_at_once() -> None:
    posted = Posted()
    for number, wait in enumerate((NO_AUTHORITY, NOT_ACCEPTED, NOT_ACCEPTED, NO_AUTHORITY)):
        posted.wait(wait, float(number))
    assert posted.reasons == ["NoAuthority", "NodeNotAccepted", "NoAuthority"]


def test_sidecars_wait_as_long_as_they_ask() -> None:
    posted = Posted()
    posted.wait(NO_AUTHORITY, 100.0)
    posted.wait(NO_AUTHORITY, 115.0)
    posted.wait(NO_AUTHORITY, 115.0, replace(REQUEST, pod_uid="kubelet", by_token=False))
    assert posted.waits.of_sidecars(120.0) == [20.0]
    assert posted.waits.of_sidecars(115.0 + ASKS_AGAIN_SECONDS) == []


def test_what_is_forgotten_begins_again() -> None:
    posted = Posted()
    posted.wait(NO_AUTHORITY, 0.0)
    posted.waits.forget(FORGET_SECONDS)
    assert posted.wait(NO_AUTHORITY, FORGET_SECONDS) == 0
    assert posted.reasons == ["NoAuthority", "NoAuthority"]
