"""A limit on the log lines that a client can cause."""

from collections import Counter
from collections.abc import Callable
from typing import Final

SECONDS: Final = 60.0
LINES: Final = 10
"""The most lines about one address and one namespace in this time. Metrics count every review."""
LINES_OF_ADDRESS: Final = 200
"""The most lines about one address: an API server sends reviews of all namespaces."""
ADDRESSES: Final = 100


class LogBudget:
    """Counts lines for each address and namespace, so that a flood from one hides no lines about others."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._since = float("-inf")
        self._addresses: Counter[str | None] = Counter()
        self._lines: Counter[tuple[str | None, str]] = Counter()

    def take(self, address: str | None, namespace: str = "") -> bool:
        """Whether one more line may be logged about an address and a namespace."""
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
