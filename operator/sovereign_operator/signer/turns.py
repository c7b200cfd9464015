"""Which replica answers a request first, and how many requests one node may make."""

import hashlib
from collections.abc import Iterable
from typing import Final

BACKUP_SECONDS: Final = 2.0
"""The other replicas leave the first this long."""

RATE: Final = 10.0
"""Requests a second of one node, in the long run."""
BURST: Final = 100.0
"""Requests of one node at once: as many as it may have pods."""


def is_first(identity: str, replicas: Iterable[str], uid: str) -> bool:
    """Whether this replica is the first to answer a request: each is, for its share of them."""
    return identity == max({identity, *replicas}, key=lambda name: hashlib.sha256(f"{name}/{uid}".encode()).digest())


class NodeBudgets:
    """How much work each node may still cause: a token bucket for each. Times are seconds on any one clock."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def pause(self, node: str, now: float) -> float:
        """Take one request of a node's budget. Return 0, or in how many seconds to ask again."""
        left, then = self._left.get(node, (BURST, now))
        left = min(BURST, left + (now - then) * RATE)
        if left < 1:
            self._left[node] = left, now
            return (1 - left) / RATE
        self._left[node] = left - 1, now
        return 0.0

    def forget(self, now: float) -> None:
        """Forget nodes that have their whole budget again."""
        self._left = {
            node: (left, then) for node, (left, then) in self._left.items() if left + (now - then) * RATE < BURST
        }
