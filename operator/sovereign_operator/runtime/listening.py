"""Serving an HTTP application on a port that any pod in the cluster may reach, with limits on connections."""

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
    """Serve the application within the context, on all addresses of this host, by IPv4 and IPv6 if it has both."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server(("", port), family=family, dualstack_ipv6=both, backlog=BACKLOG) as listener:
        async with answering(application, listener, tls):
            yield


@asynccontextmanager
async def answering(
    application: web.Application, listener: socket.socket, tls: ssl.SSLContext | None, **bounds: int
) -> AsyncIterator[None]:
    """Serve the application within the context, on a bound socket. ``bounds`` are the limits of Connections."""

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
    """The HTTP protocol of one connection. Its error responses reveal nothing about the software."""

    def __init__(self, server: web.Server, *, loop: asyncio.AbstractEventLoop) -> None:
        # lingering_time: do not wait for the rest of a body that no handler reads.
        # access_log: aiohttp accepts None, but its type hint does not.
        super().__init__(server, loop=loop, access_log=None, lingering_time=0)  # type: ignore[arg-type]

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the response. An error has no body and no Allow header, and no response names the server."""
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
        message: str | None = None,  # noqa: ARG002 - aiohttp's own text
    ) -> web.StreamResponse:
        """Respond to a malformed request, or to one whose handler failed."""
        level = logging.ERROR if status == HTTPStatus.INTERNAL_SERVER_ERROR else logging.DEBUG
        logger.log(level, "a request from %s failed", request.remote, exc_info=exc)
        response = web.Response(status=status)
        response.force_close()
        return response
