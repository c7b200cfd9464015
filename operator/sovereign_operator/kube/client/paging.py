"""Page sizes of lists, for ``Api.pages``: a page has as many objects as fit into PAGE_BYTES, and at least one."""

from typing import Final

import aiohttp

PAGE: Final = 100
"""Objects of one page, unless they are large."""
PAGE_BYTES: Final = 2 * 2**20
"""A larger page, in bytes of JSON, is requested again with fewer objects. In memory it takes up to 25 times as much."""


class TooLongError(Exception):
    """The body of a response is longer than allowed."""


class PageSize:
    """How many objects to request next."""

    def __init__(self) -> None:
        self.objects = PAGE

    @property
    def longest(self) -> int | None:
        """How many bytes the page may have; None if unlimited, as for a page of a single object."""
        return PAGE_BYTES if self.objects > 1 else None

    def shrink(self) -> None:
        """Request fewer objects: the page had more bytes than ``longest``."""
        self.objects = max(1, self.objects // 4)

    def grow(self, size: int) -> None:
        """Request more objects if the last page, of ``size`` bytes, left room."""
        if size < PAGE_BYTES // 2:
            self.objects = min(2 * self.objects, PAGE)


async def read_answer(response: aiohttp.ClientResponse, longest: int | None = None) -> bytes:
    """Read the body of a response. Raises TooLongError once it has more than ``longest`` bytes."""
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if longest is not None and size > longest:
            response.close()
            raise TooLongError
        pieces.append(piece)
    return b"".join(pieces)
