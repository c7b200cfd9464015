"""How many lines of the log anybody may cause who can connect."""

from collections import Counter
from collections.abc import Callable
from typing import Final

SECONDS: Final = 60.0
LINES: Final = 10
"""Of each address in this time. Metrics count everything."""
ADDRESSES: Final = 100


class LogBudget:
    """So many lines for each address, so that one that floods hides nothing of what others ask."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._since = float("-inf")
        self._lines: Counter[str | None] = Counter()

    def take(self, address: str | None) -> bool:
        """Whether one more line may be written of what an address asks."""
        if self._now() - self._since >= SECONDS:
            self._since = self._now()
            self._lines.clear()
        if address not in self._lines and len(self._lines) >= ADDRESSES:
            return False
        self._lines[address] += 1
        return self._lines[address] <= LINES
