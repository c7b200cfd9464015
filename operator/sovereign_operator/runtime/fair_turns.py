"""Keys that are due, and whose turn it is: one tenant with many keys does not keep the others waiting."""

from collections import deque
from collections.abc import Callable, Container, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class FairTurns(Generic[K]):
    """Keys by tenant. Each tenant that has some gives one, in turn; of one tenant, the oldest comes first."""

    def __init__(self, tenant_of: Callable[[K], Hashable]) -> None:
        self._tenant_of = tenant_of
        self._keys: dict[Hashable, deque[K]] = {}
        """In the order of turns. No tenant is here without a key."""
        self._there: set[K] = set()

    def __len__(self) -> int:
        return len(self._there)

    def __contains__(self, key: K) -> bool:
        return key in self._there

    def add(self, key: K) -> None:
        """Let a key take part, if it does not yet."""
        if key not in self._there:
            self._there.add(key)
            self._keys.setdefault(self._tenant_of(key), deque()).append(key)

    def take(self, besides: Container[Hashable] = ()) -> K:
        """Return the key whose turn it is, but for those of some tenants. Raises LookupError if there is none."""
        try:
            tenant, keys = next(entry for entry in self._keys.items() if entry[0] not in besides)
        except StopIteration:
            raise LookupError("no key is due") from None
        key = keys.popleft()
        self._there.remove(key)
        del self._keys[tenant]
        if keys:
            self._keys[tenant] = keys
        return key

    def shed(self) -> K:
        """Return the newest key of the tenant that has most, which then takes no part. Raises LookupError likewise."""
        if not self._keys:
            raise LookupError("no key is due")
        tenant, keys = max(self._keys.items(), key=lambda entry: len(entry[1]))
        key = keys.pop()
        self._there.remove(key)
        if not keys:
            del self._keys[tenant]
        return key
