"""The HTTP session that kopf uses: what it reads is bounded before it parses it.

kopf parses answers by itself, and a watch line by line, with Python's own parser. It takes a session from its login
handler, and aiohttp lets a session have its own class of responses: there the text is bounded. A test has kopf read
deep objects through it, and fails if kopf reads in another way one day.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import kopf

from sovereign_operator.core.bounded_json import bounded
from sovereign_operator.kube.api import lines

if TYPE_CHECKING:
    from aiohttp.connector import Connection


async def login(**about: Any) -> kopf.AiohttpSession | None:
    """Log in as kopf would by itself, in a session whose answers are bounded."""
    info = kopf.login_via_client(**about)
    if info is None:
        return None
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
        headers=info.as_http_headers(),
        trust_env=info.trust_env,
        response_class=BoundedResponse,
    )
    return kopf.AiohttpSession(server=info.server, priority=info.priority, aiohttp_session=session)


class BoundedResponse(aiohttp.ClientResponse):
    """An answer of the API server in which nothing is too deep for Python."""

    async def start(self, connection: "Connection") -> Self:
        """Read the headers."""
        await super().start(connection)
        self.content = _BoundedStream(self.content)  # type: ignore[assignment] # all that kopf and aiohttp use of one
        return self

    async def read(self) -> bytes:
        """Return the whole answer."""
        self._body = bounded(await super().read())
        return self._body


class _BoundedStream:
    """A stream of lines, each of them JSON."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        """Yield whole lines, however long they are."""
        async for line in lines(self._content):
            yield bounded(line) + b"\n"
