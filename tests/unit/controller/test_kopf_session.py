"""kopf reads objects of any depth through the operator's session, with kopf's own functions to list and watch."""

import asyncio
import copy
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import kopf
from aiohttp import web
from kopf._cogs.clients import api, auth
from kopf._cogs.structs.credentials import Vault

from sovereign_operator.controller.observed.kopf_session import BoundedResponse
from tests.unit.servers import serving

LEVELS = 8_000
DEEP = '{"name":"a","resourceVersion":"7","managedFields":' + '{"f:a":' * LEVELS + "1" + "}" * LEVELS + "}"
LOGGER = logging.getLogger(__name__)


def asked(look: Callable[[str], Awaitable[Any]]) -> Any:
    """Have kopf request deeply nested objects from a server, and return what it reads."""

    async def listed(_: web.Request) -> web.Response:
        return web.json_response(text=f'{{"items":[{{"metadata":{DEEP}}}]}}')

    async def watched(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        text = f'{{"type":"ADDED","object":{{"metadata":{DEEP}}}}}\n{{"type":"BOOKMARK","object":{{}}}}\n'.encode()
        # In pieces, as the network may deliver it.
        for begin in range(0, len(text), 10_000):
            await answer.write(text[begin : begin + 10_000])
        return answer

    async def run() -> Any:
        async with (
            serving(web.get("/list", listed), web.get("/watch", watched)) as server,
            aiohttp.ClientSession(response_class=BoundedResponse) as session,
        ):
            auth.vault_var.set(Vault({"test": kopf.AiohttpSession(server=server, aiohttp_session=session)}))
            return await look(server)

    return asyncio.run(run())


def check(obj: Any) -> None:
    """Check that everything that watching needs was kept, and that Python can copy and encode the rest."""
    assert (obj["metadata"]["name"], obj["metadata"]["resourceVersion"]) == ("a", "7")
    assert copy.deepcopy(obj) == obj == json.loads(json.dumps(obj))


def test_kopf_lists_deep_objects() -> None:
    answer = asked(lambda server: api.get(f"{server}/list", settings=kopf.OperatorSettings(), logger=LOGGER))
    (obj,) = answer["items"]
    check(obj)


def test_kopf_watches_deep_objects() -> None:
    async def look(server: str) -> list[Any]:
        stream = api.stream(f"{server}/watch", settings=kopf.OperatorSettings(), logger=LOGGER)
        return [event async for event in stream]

    first, second = asked(look)
    assert (first["type"], second) == ("ADDED", {"type": "BOOKMARK", "object": {}})
    check(first["object"])
