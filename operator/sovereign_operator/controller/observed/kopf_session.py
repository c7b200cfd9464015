"""The HTTP session that kopf uses, which bounds the size and depth of each answer before kopf parses it.

kopf parses answers itself, a list page by page and a watch line by line, with Python's own parser, and keeps the
results. It takes its session from a login handler, and aiohttp lets a session bring its own class of responses and its
own middleware: these bound the text. Tests have kopf read deep and large objects through this session, and fail if a
later kopf reads in another way.
"""

import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import kopf

from sovereign_operator.controller.observed.kopf_trim import trim_event, trim_list
from sovereign_operator.core.bounded_json import bounded
from sovereign_operator.kube.client.api import lines
from sovereign_operator.kube.client.paging import PageSize, TooLongError, read_answer

if TYPE_CHECKING:
    from aiohttp.connector import Connection


async def login(**about: Any) -> kopf.AiohttpSession | None:
    """Log in as kopf does by default, with a session whose answers are bounded."""
    info = kopf.login_via_client(**about)
    if info is None:
        return None
    session = session_of(info.as_ssl_context(), info.as_http_headers(), trust_env=info.trust_env)
    return kopf.AiohttpSession(server=info.server, priority=info.priority, aiohttp_session=session)


def session_of(
    context: ssl.SSLContext | None = None, headers: Mapping[str, str] | None = None, *, trust_env: bool = False
) -> aiohttp.ClientSession:
    """Return a session whose answers are bounded."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=context or True),
        headers=headers,
        trust_env=trust_env,
        response_class=BoundedResponse,
        middlewares=(_Paging(),),
    )


class BoundedResponse(aiohttp.ClientResponse):
    """An answer of the API server, bounded in depth and in the size of its objects."""

    async def start(self, connection: "Connection") -> Self:
        """Read the headers."""
        await super().start(connection)
        self.content = _BoundedStream(self.content)  # type: ignore[assignment] # has all methods that kopf and aiohttp use
        return self

    async def read(self) -> bytes:
        """Return the whole answer."""
        self._body = bounded(await super().read())
        return self._body

    async def read_page(self, longest: int | None) -> int:
        """Read a page of a list, and return how many bytes it had. Raises TooLongError at ``longest``."""
        text = await read_answer(self, longest)
        self._body = bounded(trim_list(text))
        return len(text)


class _Paging:
    """Reads lists in pages that are bounded in bytes, whatever number of objects kopf requests.

    If the list expired (410 Gone), the answer goes to kopf, which then ends, and the process with it. If kopf listed
    again instead, objects of the former list that were deleted since would stay in its index until the process ends.
    """

    def __init__(self) -> None:
        self._sizes: defaultdict[str, PageSize] = defaultdict(PageSize)

    async def __call__(self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Send a request."""
        if "limit" not in request.url.query:
            return await send(request)
        size = self._sizes[request.url.path]
        while True:
            request.url = request.url.update_query(limit=size.objects)
            response = await send(request)
            if response.status != HTTPStatus.OK or not isinstance(response, BoundedResponse):
                return response
            try:
                size.grow(await response.read_page(size.longest))
            except TooLongError:
                size.shrink()
            else:
                return response


class _BoundedStream:
    """A stream of lines, each of them JSON."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        """Yield whole lines, however long they are."""
        async for line in lines(self._content):
            yield bounded(trim_event(line)) + b"\n"
