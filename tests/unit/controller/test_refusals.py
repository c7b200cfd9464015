"""A pod whose sidecar refuses connections gets an Event: once an hour, and not for each poll."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from sovereign_operator.controller.keys import PodAnnotationsKey
from sovereign_operator.controller.observed.sidecar_polling import SidecarStats
from sovereign_operator.controller.reconcile.refusals import note_refusals, tell_refusals
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core.encryption.refusals import LATELY
from sovereign_operator.kube.client.errors import NotFoundError
from sovereign_operator.kube.client.resource import Resource
from sovereign_operator.kube.objects.pod import see_pod
from tests.builders import NOW
from tests.unit.controller.objects import pod
from tests.unit.states import controller

FULL = see_pod(pod("tenant-a"))


class Events:
    """An API server that takes Events."""

    def __init__(self) -> None:
        self.now = NOW.replace(minute=0)
        self.clock = SimpleNamespace(now=lambda: self.now)
        self.posted: dict[str, Any] = {}

    async def get(self, _: Resource, name: str, __: str) -> Any:
        """Return one. Raises NotFoundError."""
        if name not in self.posted:
            raise NotFoundError(404, "no such Event")
        return self.posted[name]

    async def create(self, _: Resource, event: Any, __: str) -> None:
        """Take one."""
        self.posted[event["metadata"]["name"]] = event


def answered(state: ControllerState, stats: SidecarStats) -> None:
    assert state.view.sidecars
    state.view.sidecars.polling._stats[FULL.pod.uid] = stats  # noqa: SLF001 - what an answer left


def look(state: ControllerState, stats: SidecarStats) -> None:
    answered(state, stats)
    note_refusals(state, [FULL])
    asyncio.run(tell_refusals(state, FULL))


def test_it_is_told_once_an_hour_while_that_lasts() -> None:
    state, api = controller({"pods": [pod("tenant-a")]}), Events()
    state.api = cast("Any", api)
    look(state, SidecarStats("v1", refused=7))
    assert api.posted == {}
    for refused in (7, 8, 9):
        look(state, SidecarStats("v1", refused=refused, refused_seen=api.now))
        api.now += timedelta(minutes=1)
    (event,) = api.posted.values()
    assert (event["type"], event["reason"], event["involvedObject"]["name"]) == ("Warning", "ConnectionsRefused", "web")
    assert event["message"].startswith("the sidecar of this pod has refused 7 connections, which ended at once")
    api.now += timedelta(hours=1)
    look(state, SidecarStats("v1", refused=10, refused_seen=api.now))
    assert len(api.posted) == 2
    api.now += LATELY + timedelta(hours=1)
    look(state, SidecarStats("v1", refused=10, refused_seen=NOW))
    assert len(api.posted) == 2


def test_the_encryption_of_the_policy_waits_for_no_event() -> None:
    """There may be thousands, so the key of each pod posts its own: open connections may have to end meanwhile."""
    added: list[Any] = []
    state = controller({"pods": [pod("tenant-a")]})
    state.triggers._queue = cast("Any", SimpleNamespace(add=lambda key, _delay=0.0: added.append(key)))  # noqa: SLF001
    for refused_seen in (None, NOW - LATELY, NOW):
        answered(state, SidecarStats("v1", refused=7, refused_seen=refused_seen))
        note_refusals(state, [FULL])
    assert added == [PodAnnotationsKey("tenant-a", "web")]
    state.api = cast("Any", Events())
    asyncio.run(tell_refusals(state, FULL))
    note_refusals(state, [FULL])
    assert len(added) == 1, "a pod that was told is not looked at with each poll"
