"""How many objects of a list are read at once: as many as fit into PAGE_BYTES, and at least one."""

from typing import Final

import aiohttp

PAGE: Final = 100
"""Objects of one page, unless they are large."""
PAGE_BYTES: Final = 2 * 2**20
"""Of JSON, beyond which a page is asked for with fewer objects. Python needs up to twenty-five times as much for it."""


class TooLongError(Exception):
    """An answer has more bytes than it may have."""


class PageSize:
    """How many objects to ask for next. In the end it is one alone, whatever size that has."""

    def __init__(self) -> None:
        self.objects = PAGE

    @property
    def longest(self) -> int | None:
        """How many bytes these may have; None if any number."""
        return PAGE_BYTES if self.objects > 1 else None

    def shrink(self) -> None:
        """Take in that they have more."""
        self.objects = max(1, self.objects // 4)

    def grow(self, size: int) -> None:
        """Take in that they had so many bytes."""
        if size < PAGE_BYTES // 2:
            self.objects = min(2 * self.objects, PAGE)


async def read_answer(response: aiohttp.ClientResponse, longest: int | None = None) -> bytes:
    """Read an answer to its end. Raises TooLongError once it has more bytes than that."""
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if longest is not None and size > longest:
            response.close()
            raise TooLongError
        pieces.append(piece)
    return b"".join(pieces)
