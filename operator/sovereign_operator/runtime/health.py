"""/healthz, /readyz and /metrics."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


async def serve(port: int, ailing: Callable[[], list[str]]) -> web.AppRunner:
    """Serve until the runner is cleaned up.

    ``ailing`` names what is stuck; anything makes /healthz fail, so that the kubelet starts us anew. A
    replica that waits for the Lease is healthy and ready: it can take over.
    """

    async def healthz(_: web.Request) -> web.Response:
        wrong = ailing()
        return web.Response(text="; ".join(wrong) or "ok", status=500 if wrong else 200)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", healthz)
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner
