"""What kopf does for us: it watches our kinds and namespaces, and keeps an index of them.

Only indexes and raw event handlers are used: anything else of kopf's puts finalizers or its own
state on objects. kopf calls no event handler before every index of what it watches is complete, which,
once it watches all of our kinds, is how we know that the first picture is whole; namespaces always
exist, so at least one call comes.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import Any

import kopf

# kopf.operator takes it, but kopf has no public name for it.
from kopf._cogs.structs.references import Insights

from sovereign_operator.aio.tasks import until_first_ends
from sovereign_operator.api.v1alpha1 import GROUP, KINDS, VERSION
from sovereign_operator.controller.observed.kopf_session import login
from sovereign_operator.controller.observed.triggers import Triggers
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.crds import crd_uids
from sovereign_operator.kube.client.errors import ApiError
from sovereign_operator.kube.client.paging import PAGE
from sovereign_operator.kube.client.resource import OURS

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


class WatchLostError(Exception):
    """kopf does not watch a kind that the API server serves."""


async def listen(api: Api, triggers: Triggers) -> None:
    """Have kopf tell of changes of our kinds and namespaces, until it is told to stop.

    Ends the process if kopf has lost a kind.
    """
    insights = Insights()
    operator = kopf.operator(
        registry=register(triggers, insights), settings=settings(), insights=insights, clusterwide=True, standalone=True
    )
    await until_first_ends(operator, _end_if_watch_lost(api, insights))


async def _end_if_watch_lost(api: Api, insights: Insights) -> None:
    """End the process once kopf has lost a kind. Where CRDs went and came, kopf may not end when it is told to."""
    try:
        await until_watch_lost(api, insights)
    except WatchLostError as error:
        logger.critical("%s", error)
        os._exit(1)


async def until_watch_lost(api: Api, insights: Insights) -> None:
    """Return never, and raise WatchLostError once kopf does not hear of a kind that the API server serves, or may not.

    kopf (1.45) looks which kinds are served after each change of a CRD, several times at once if several
    change. A look that began before a kind was served may be the last to count, and then kopf never
    watches that kind. And if it stops watching a kind of which it had not listed all objects yet, it calls no
    handler any more for the kinds that it watches from then on. So the controller ends when a CRD was made again.
    """
    missed: set[str] = set()
    await insights.ready_resources.wait()
    made = await _made(api)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        seen = await _made(api)
        if again := sorted(name for name, uid in seen.items() if made.setdefault(name, uid) != uid):
            raise WatchLostError(f"the CRDs {', '.join(again)} were made again: ending, to be started again")
        before, missed = missed, {plural for plural in _unwatched(insights) if await _is_served(api, plural)}
        if deaf := sorted(before & missed):
            raise WatchLostError(f"kopf does not watch {', '.join(deaf)}: ending, to begin anew")


async def _made(api: Api) -> dict[str, str]:
    """Return the uids of the CRDs that are there to stay, by name; of none if the API server does not answer."""
    try:
        return {name: uid for name, uid in (await crd_uids(api)).items() if uid}
    except ApiError:
        return {}


def _unwatched(insights: Insights) -> set[str]:
    """Return which of our kinds kopf does not watch, by plural."""
    return OURS.keys() - {found.plural for found in insights.watched_resources}


async def _is_served(api: Api, plural: str) -> bool:
    try:
        await api.request("GET", OURS[plural].path(), query={"limit": 1})
    except ApiError:
        return False
    return True


def register(triggers: Triggers, insights: Insights) -> kopf.OperatorRegistry:
    """Return the handlers that tell of changes of our kinds and namespaces."""
    registry = kopf.OperatorRegistry()
    watched = [(GROUP, VERSION, kind.plural) for kind in KINDS] + [("", "v1", "namespaces")]

    async def notice(namespace: str | None, name: str, resource: kopf.Resource, **indexes: Any) -> None:
        if not triggers.view.mirrors.kinds and not _unwatched(insights):
            triggers.take_indexes({plural: indexes[plural] for _, _, plural in watched})
        triggers.kind_changed(resource.plural, (namespace or "", name))

    kopf.on.login(registry=registry)(login)
    for group, version, plural in watched:
        kopf.index(group, version, plural, id=plural, registry=registry)(_remember)
        kopf.on.event(group, version, plural, id=f"notice-{plural}", registry=registry)(notice)
    return registry


async def _remember(namespace: str | None, name: str, body: Mapping[str, Any], **_: Any) -> dict[tuple[str, str], Any]:
    return {(namespace or "", name): dict(body)}


def settings() -> kopf.OperatorSettings:
    """Return kopf's settings: no peering (we have a Lease), no Events of its own."""
    configured = kopf.OperatorSettings()
    configured.peering.standalone = True
    configured.posting.enabled = False
    # The server ends a watch after this long; a client that hears nothing for longer has lost it.
    configured.watching.server_timeout = 280
    configured.watching.client_timeout = 300
    configured.networking.request_timeout = 30
    # In which our session asks for fewer objects where these are large.
    configured.watching.chunk_size = PAGE
    return configured
