"""The HTTP endpoints /healthz, /readyz and /metrics, which every long-running process serves."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sovereign_operator.runtime.listening import listening


def serving(
    port: int, ailing: Callable[[], list[str]], unready: Callable[[], list[str]] = list
) -> AbstractAsyncContextManager[None]:
    """Serve the endpoints within the context.

    ``ailing`` returns what is stuck: if anything is, /healthz fails and the kubelet restarts the container. ``unready``
    returns why no client should send requests: if there is a reason, or something is stuck, /readyz fails. A replica
    that waits for the Lease is healthy and ready, as it can take over.
    """

    async def healthz(_: web.Request) -> web.Response:
        return _answer(ailing())

    async def readyz(_: web.Request) -> web.Response:
        return _answer([*ailing(), *unready()])

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", metrics)
    return listening(application, port)


def _answer(wrong: list[str]) -> web.Response:
    return web.Response(text="; ".join(wrong) or "ok", status=500 if wrong else 200)
