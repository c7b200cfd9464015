"""What kopf does for us: it watches our kinds and namespaces, and keeps an index of them.

Only indexes and raw event handlers are used: anything else of kopf's puts finalizers or its own
state on objects. kopf calls no event handler before every index is complete, which is how we know
that the first picture is whole; namespaces always exist, so at least one call comes.
"""

from collections.abc import Mapping
from typing import Any

import kopf

from sovereign_operator.api.v1alpha1 import GROUP, KINDS, VERSION
from sovereign_operator.controller.world import World


def register(world: World) -> kopf.OperatorRegistry:
    """Return the handlers that tell a world about our kinds and namespaces."""
    registry = kopf.OperatorRegistry()
    watched = [(GROUP, VERSION, kind.plural) for kind in KINDS] + [("", "v1", "namespaces")]

    async def notice(namespace: str | None, name: str, resource: kopf.Resource, **indexes: Any) -> None:
        if not world.kinds:
            world.take_indexes({plural: indexes[plural] for _, _, plural in watched})
        world.kind_changed(resource.plural, (namespace or "", name))

    kopf.on.login(registry=registry)(kopf.login_via_client)
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
    return configured
