"""An API server whose clock can be set: a proxy in front of the real one that shifts the ``Date`` of its answers.

The operator takes the time from this header. The effect of a date can be observed without waiting for it and without
setting this machine's clock.
"""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from threading import Thread
from typing import TypeVar

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Kubectl, eventually

T = TypeVar("T")

LINE = 2**20
"""Bytes that a URL or a header may have: as many as the API server accepts."""
PATIENCE = 30.0
"""Seconds that the proxy may take to start and to stop."""
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
"""Headers that describe a single connection; the proxy has two."""
OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that aiohttp would add if the client sends none."""


class ShiftedServer:
    """The API server for the holder of a token, with a clock that can be set.

    The proxy streams everything through, except protocol upgrades and client certificates.
    """

    def __init__(self, cluster: Cluster) -> None:
        config = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
        self._server: str = config["server"]
        self._authority = base64.b64decode(config["certificate-authority-data"]).decode()
        self._pair = cluster.machine_certificate()
        self._offset = timedelta(0)
        self.host = str(cluster.machine)
        self.port = 0

    @property
    def now(self) -> datetime:
        """The time that the proxy reports. It can be set at any moment, and then runs on."""
        return datetime.now(UTC) + self._offset

    @now.setter
    def now(self, told: datetime) -> None:
        self._offset = told - datetime.now(UTC)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Listen on a free port."""
        ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ours.load_cert_chain(*self._pair)
        theirs = ssl.create_default_context(cadata=self._authority)
        async with aiohttp.ClientSession(
            # Each watch keeps a connection open for minutes.
            connector=aiohttp.TCPConnector(limit=0, ssl=theirs),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=PATIENCE),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=OWN_HEADERS,
            auto_decompress=False,
            max_line_size=LINE,
            max_field_size=LINE,
        ) as session:

            async def forward(request: web.BaseRequest) -> web.StreamResponse:
                return await self._forward(request, session)

            # When the client of a watch disconnects, the watch to the API server ends at once.
            server = web.Server(
                forward, handler_cancellation=True, auto_decompress=False, max_line_size=LINE, max_field_size=LINE
            )
            runner = web.ServerRunner(server, shutdown_timeout=1)
            await runner.setup()
            try:
                await web.TCPSite(runner, self.host, 0, ssl_context=ours).start()
                self.port = runner.addresses[0][1]
                yield
            finally:
                await runner.cleanup()

    async def _forward(self, request: web.BaseRequest, session: aiohttp.ClientSession) -> web.StreamResponse:
        async with session.request(
            request.method,
            URL(self._server + request.raw_path, encoded=True),
            headers=_end_to_end(request.headers, besides={"host"}),
            data=request.content if request.body_exists else None,
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(
                status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers, besides={"date"})
            )
            told = parsedate_to_datetime(answer.headers["Date"])
            response.headers["Date"] = format_datetime(told + self._offset, usegmt=True)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response


def _end_to_end(headers: Mapping[str, str], besides: Iterable[str]) -> list[tuple[str, str]]:
    """Return the end-to-end headers except those in ``besides``; a header may occur more than once."""
    dropped = {*HOP_BY_HOP, *besides}
    dropped |= {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    return [(name, value) for name, value in headers.items() if name.lower() not in dropped]


@contextmanager
def shifted(
    admin: Kubectl,
    cluster: Cluster,
    *,
    deployments: Sequence[str] = ("sovereign-controller",),
    namespace: str = NAMESPACE,
) -> Iterator[ShiftedServer]:
    """Make the pods of Deployments use an API server whose clock can be set; restore them at the end.

    The clock starts with the true time.
    """
    server = ShiftedServer(cluster)
    with _in_a_thread(server.serve()):
        names = {"KUBERNETES_SERVICE_HOST": server.host, "KUBERNETES_SERVICE_PORT": str(server.port)}
        try:
            for deployment in deployments:
                _set_environment(admin, deployment, namespace, *(f"{name}={value}" for name, value in names.items()))
            yield server
        finally:
            for deployment in deployments:
                _set_environment(admin, deployment, namespace, *(f"{name}-" for name in names))


def _set_environment(admin: Kubectl, deployment: str, namespace: str, *settings: str) -> None:
    """Set or remove environment variables of a Deployment, and wait until its earlier pods are gone."""
    admin.run("-n", namespace, "set", "env", f"deployment/{deployment}", *settings)
    admin.run("-n", namespace, "rollout", "status", f"deployment/{deployment}", "--timeout=3m")
    labels = admin.get("deployment", deployment, namespace)["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    eventually(
        lambda: not any("deletionTimestamp" in pod["metadata"] for pod in admin.list("pods", namespace, selector)),
        what=f"the end of {deployment}'s pods of before",
    )


@contextmanager
def _in_a_thread(entered: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter an asynchronous context manager on an event loop in a thread, and leave it at the end."""
    loop, stack = asyncio.new_event_loop(), AsyncExitStack()
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(stack.enter_async_context(entered), loop).result(PATIENCE)
    finally:
        try:
            asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(PATIENCE)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
