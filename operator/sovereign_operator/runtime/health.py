"""/healthz, /readyz and /metrics."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


async def serve(port: int, ailing: Callable[[], list[str]], unready: Callable[[], list[str]] = list) -> web.AppRunner:
    """Serve until the runner is cleaned up.

    ``ailing`` names what is stuck; anything makes /healthz fail, so that the kubelet starts us anew. ``unready`` says
    why nobody should ask us; anything makes /readyz fail, as what ails does. A replica that waits for the Lease is
    healthy and ready: it can take over.
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
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner


def _answer(wrong: list[str]) -> web.Response:
    return web.Response(text="; ".join(wrong) or "ok", status=500 if wrong else 200)
