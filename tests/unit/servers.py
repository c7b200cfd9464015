"""Servers on this machine that answer as a test wants, and our client of the API server, asking one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from kubernetes.aio import client

from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.clock import ServerClock


@asynccontextmanager
async def serving(*routes: web.RouteDef) -> AsyncIterator[str]:
    """Run a server within the context, and give its address, such as ``http://127.0.0.1:38211``."""
    application = web.Application()
    application.router.add_routes(routes)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def api_of(*routes: web.RouteDef) -> AsyncIterator[Api]:
    """Run a server within the context, and give a client of it."""
    async with serving(*routes) as server:
        configuration = client.Configuration(host=server, client_session_kwargs={"trust_env": False})
        async with client.ApiClient(configuration) as api_client:
            yield Api(api_client, ServerClock())
