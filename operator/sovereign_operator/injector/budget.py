"""Memory for what is asked, set aside before it is read."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sovereign_operator.runtime.fair_turns import FairTurns


@dataclass(frozen=True, eq=False)
class _Claim:
    """What somebody waits for."""

    size: int
    tenant: Hashable
    granted: asyncio.Future[None]


class MemoryBudget:
    """So many bytes, shared by all that is under way. Tenants that wait for some take turns."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._claims: FairTurns[_Claim] = FairTurns(lambda claim: claim.tenant)
        self._next: _Claim | None = None
        """Whose turn it is. However much it needs, nobody overtakes it."""

    @asynccontextmanager
    async def take(self, size: int, tenant: Hashable) -> AsyncIterator[None]:
        """Have so many bytes while something is done; first wait until they are free. Cancel it to give up."""
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
        """Give those their bytes whose turn it is, as far as there are some."""
        while self._next or self._claims:
            claim = self._next = self._next or self._claims.take()
            if not claim.granted.cancelled():
                if claim.size > self._free:
                    return
                self._free -= claim.size
                claim.granted.set_result(None)
            self._next = None
