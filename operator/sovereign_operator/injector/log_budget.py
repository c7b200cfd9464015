"""How many lines of the log anybody may cause who can connect."""

from collections import Counter
from collections.abc import Callable
from typing import Final

SECONDS: Final = 60.0
LINES: Final = 10
"""Of what one address asks about one namespace in this time. Metrics count everything."""
LINES_OF_ADDRESS: Final = 200
"""Of all that one address asks: an API server asks about all namespaces."""
ADDRESSES: Final = 100


class LogBudget:
    """So many lines for each address and namespace, so that one that floods hides nothing of what others ask."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._since = float("-inf")
        self._addresses: Counter[str | None] = Counter()
        self._lines: Counter[tuple[str | None, str]] = Counter()

    def take(self, address: str | None, namespace: str = "") -> bool:
        """Whether one more line may be written of what an address asks."""
        if self._now() - self._since >= SECONDS:
            self._since = self._now()
            self._addresses.clear()
            self._lines.clear()
        if address not in self._addresses and len(self._addresses) >= ADDRESSES:
            return False
        if self._addresses[address] >= LINES_OF_ADDRESS or self._lines[address, namespace] >= LINES:
            return False
        self._addresses[address] += 1
        self._lines[address, namespace] += 1
        return True
