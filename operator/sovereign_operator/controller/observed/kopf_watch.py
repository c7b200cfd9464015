"""Has kopf watch the operator's kinds and namespaces, and index them.

Only indexes and raw event handlers are used: kopf's other handlers write finalizers or their own state to objects. kopf
calls no event handler before its indexes of all watched kinds are complete. So once kopf watches all of the operator's
kinds, the first call means that the indexes are complete; namespaces always exist, so at least one call comes.
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

CHECK_SECONDS = 5.0


class WatchLostError(Exception):
    """kopf no longer watches a kind that the API server serves. The message says which, and that the process ends."""


async def listen(api: Api, triggers: Triggers) -> None:
    """Run kopf, which reports changes of the operator's kinds and of namespaces to ``triggers``, until cancelled.

    Ends the process if kopf no longer watches one of the kinds.
    """
    insights = Insights()
    operator = kopf.operator(
        registry=register(triggers, insights), settings=settings(), insights=insights, clusterwide=True, standalone=True
    )
    await until_first_ends(operator, _end_if_watch_lost(api, insights))


async def _end_if_watch_lost(api: Api, insights: Insights) -> None:
    """End the process once kopf no longer watches a kind. After CRDs change, kopf may not end when it is cancelled."""
    try:
        await until_watch_lost(api, insights)
    except WatchLostError as error:
        logger.critical("%s", error)
        os._exit(1)


async def until_watch_lost(api: Api, insights: Insights) -> None:
    """Raise WatchLostError once kopf does not watch a kind that the API server serves, or a CRD was created again.

    kopf (1.45) rescans the served kinds after each change of a CRD, concurrently if several change. A scan that began
    before a kind was served may finish last, and then kopf never watches that kind. And if kopf stops watching a kind
    before it has listed all of its objects, it calls no handler for the kinds that it watches from then on. So the
    controller ends when a CRD was created again.
    """
    missed: set[str] = set()
    await insights.ready_resources.wait()
    created = await _created_crds(api)
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        seen = await _created_crds(api)
        if again := sorted(name for name, uid in seen.items() if created.setdefault(name, uid) != uid):
            raise WatchLostError(
                f"the CRDs {', '.join(again)} were created again: ending, so that the kubelet starts this process again"
            )
        before, missed = missed, {plural for plural in _unwatched(insights) if await _is_served(api, plural)}
        if unwatched := sorted(before & missed):
            raise WatchLostError(
                f"kopf does not watch {', '.join(unwatched)}: ending, so that the kubelet starts this process again"
            )


async def _created_crds(api: Api) -> dict[str, str]:
    """Return the uids of the CRDs that are not being deleted, by name; none if the API server does not answer."""
    try:
        return {name: uid for name, uid in (await crd_uids(api)).items() if uid}
    except ApiError:
        return {}


def _unwatched(insights: Insights) -> set[str]:
    """Return the plurals of the operator's kinds that kopf does not watch."""
    return OURS.keys() - {found.plural for found in insights.watched_resources}


async def _is_served(api: Api, plural: str) -> bool:
    try:
        await api.request("GET", OURS[plural].path(), query={"limit": 1})
    except ApiError:
        return False
    return True


def register(triggers: Triggers, insights: Insights) -> kopf.OperatorRegistry:
    """Return the handlers that report changes of the operator's kinds and of namespaces to ``triggers``."""
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
    """Return kopf's settings: no peering, as a Lease elects the leader, and no Events by kopf."""
    configured = kopf.OperatorSettings()
    configured.peering.standalone = True
    configured.posting.enabled = False
    # The API server ends a watch after 280 s; a watch without an event or an end for 300 s is lost.
    configured.watching.server_timeout = 280
    configured.watching.client_timeout = 300
    configured.networking.request_timeout = 30
    # BoundedResponse reads smaller pages where objects are large.
    configured.watching.chunk_size = PAGE
    return configured
