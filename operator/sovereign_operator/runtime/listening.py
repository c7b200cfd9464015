"""Listening: an HTTP application that anybody in the cluster may connect to."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import web

from sovereign_operator.aio.tasks import keep_running
from sovereign_operator.runtime.connections import Connections

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BACKLOG = 1024


@asynccontextmanager
async def listening(application: web.Application, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """Answer meanwhile, on all addresses of this host."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server(("", port), family=family, dualstack_ipv6=both, backlog=BACKLOG) as listener:
        async with answering(application, listener, tls):
            yield


@asynccontextmanager
async def answering(
    application: web.Application, listener: socket.socket, tls: ssl.SSLContext | None, **bounds: int
) -> AsyncIterator[None]:
    """Answer meanwhile on a socket. ``bounds`` are those of Connections."""

    @web.middleware
    async def noted(request: web.Request, handler: Handler) -> web.StreamResponse:
        with connections.asked(request):
            response = await handler(request)
        if connections.crowds(request):
            response.force_close()
        return response

    application.middlewares.append(noted)
    runner = web.AppRunner(application)
    await runner.setup()
    server, loop = runner.server, asyncio.get_running_loop()
    assert server
    connections = Connections(lambda: _Handler(server, loop=loop), tls, **bounds)
    listener.settimeout(0)
    task = f"port {listener.getsockname()[1]}"
    serving = asyncio.create_task(keep_running(task, lambda: connections.serve(listener)))
    try:
        yield
    finally:
        serving.cancel()
        await asyncio.wait([serving])
        await runner.cleanup()


class _Handler(web.RequestHandler):
    """What speaks HTTP on one connection, and says nothing of what it is."""

    def __init__(self, server: web.Server, *, loop: asyncio.AbstractEventLoop) -> None:
        # Of a body that nobody reads, the rest is not waited for.
        # No access log: its type does not know that there may be none.
        super().__init__(server, loop=loop, access_log=None, lingering_time=0)  # type: ignore[arg-type]

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Answer, without a word of what there is here instead, how it is asked for, and what answers."""
        if isinstance(resp, web.HTTPException):
            wrong = {HTTPStatus.METHOD_NOT_ALLOWED: HTTPStatus.NOT_FOUND}
            resp = web.Response(status=wrong.get(HTTPStatus(resp.status), resp.status))
        resp.headers["Server"] = ""
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - what aiohttp would say
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or failed."""
        level = logging.ERROR if status == HTTPStatus.INTERNAL_SERVER_ERROR else logging.DEBUG
        logger.log(level, "a question from %s cannot be answered", request.remote, exc_info=exc)
        response = web.Response(status=status)
        response.force_close()
        return response
