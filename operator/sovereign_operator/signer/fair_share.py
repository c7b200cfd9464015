"""Which replica answers a request first, and how many requests one node or one pod may make."""

import hashlib
from collections.abc import Iterable
from typing import Final

BACKUP_SECONDS: Final = 2.0
"""How long the other replicas leave a request to the first."""

RATE: Final = 10.0
"""Requests a second that one node may make in the long run."""
BURST: Final = 100.0
"""Requests that one node may make at once: as many as it may have pods."""
POD_RATE: Final = 1.0
"""Requests a second that one pod may make in the long run: one that waits asks less often."""
POD_BURST: Final = 5.0
"""Requests that one pod may make at once: its sidecar may start several times."""


def is_first(identity: str, replicas: Iterable[str], uid: str) -> bool:
    """Whether this replica is the first to answer a request. Each replica is, for its share of the requests."""
    return identity == max({identity, *replicas}, key=lambda name: hashlib.sha256(f"{name}/{uid}".encode()).digest())


class Budgets:
    """How much work each node or pod may still cause. Times are seconds on any one clock.

    A request that comes too early gets its place in the queue once, so many of them cost only waiting.
    """

    def __init__(self, rate: float = RATE, burst: float = BURST) -> None:
        self._rate = rate
        self._burst = burst
        self._free: dict[str, float] = {}
        """By node or pod, when it has its whole budget again."""
        self._places: dict[str, float] = {}
        """By uid of a waiting request, when its turn comes."""

    def pause(self, owner: str, uid: str, now: float) -> float:
        """Return in how many seconds it is the turn of a request; 0 if it is now.

        The first call for a request reserves its turn, and takes it off the budget of its owner.
        """
        turn = self._places.get(uid)
        if turn is None:
            self._free[owner] = max(self._free.get(owner, now), now) + 1 / self._rate
            turn = self._free[owner] - self._burst / self._rate
        if turn <= now:
            self._places.pop(uid, None)
            return 0.0
        self._places[uid] = turn
        return turn - now

    def forget(self, now: float) -> None:
        """Forget who has the whole budget again, and requests that never came back for their turn."""
        self._free = {owner: free for owner, free in self._free.items() if free > now}
        self._places = {uid: turn for uid, turn in self._places.items() if turn > now - 60}
