"""A memory budget for request bodies, reserved before a body is read."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sovereign_operator.runtime.fair_turns import FairTurns


@dataclass(frozen=True, eq=False)
class _Claim:
    """A reservation that waits."""

    size: int
    tenant: Hashable
    granted: asyncio.Future[None]


class MemoryBudget:
    """A number of bytes that all open requests share. Tenants that wait for some take turns."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._claims: FairTurns[_Claim] = FairTurns(lambda claim: claim.tenant)
        self._next: _Claim | None = None
        """The reservation whose turn it is. However large it is, no other overtakes it."""

    @asynccontextmanager
    async def take(self, size: int, tenant: Hashable) -> AsyncIterator[None]:
        """Reserve ``size`` bytes while the context lasts; waits until they are free, and can be cancelled."""
        claim = _Claim(size, tenant, asyncio.get_running_loop().create_future())
        self._claims.add(claim)
        self._grant()
        try:
            await claim.granted
            yield
        finally:
            if not claim.granted.cancelled():
                self._free += size
            self._grant()

    def _grant(self) -> None:
        """Grant reservations in turn, as long as bytes are free."""
        while self._next or self._claims:
            claim = self._next = self._next or self._claims.take()
            if not claim.granted.cancelled():
                if claim.size > self._free:
                    return
                self._free -= claim.size
                claim.granted.set_result(None)
            self._next = None
