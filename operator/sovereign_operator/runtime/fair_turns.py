"""A round-robin queue by tenant: a tenant with many keys does not keep other tenants waiting.

The work queue uses it for namespaces and kinds of keys, ``connections`` for client addresses.
"""

from collections import deque
from collections.abc import Callable, Container, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class FairTurns(Generic[K]):
    """Keys by tenant. Tenants with keys take turns; the keys of a tenant come oldest first."""

    def __init__(self, tenant_of: Callable[[K], Hashable]) -> None:
        self._tenant_of = tenant_of
        self._keys: dict[Hashable, deque[K]] = {}
        """By tenant, in the order of turns. Tenants without keys are absent."""
        self._there: set[K] = set()

    def __len__(self) -> int:
        return len(self._there)

    def __contains__(self, key: K) -> bool:
        return key in self._there

    def add(self, key: K) -> None:
        """Add a key; no change if it is queued already."""
        if key not in self._there:
            self._there.add(key)
            self._keys.setdefault(self._tenant_of(key), deque()).append(key)

    def take(self, besides: Container[Hashable] = ()) -> K:
        """Remove and return the next key, skipping the tenants in ``besides``. Raises LookupError if there is none."""
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
        """Remove and return the newest key of the tenant with the most keys. Raises LookupError if there is none."""
        if not self._keys:
            raise LookupError("no key is due")
        tenant, keys = max(self._keys.items(), key=lambda entry: len(entry[1]))
        key = keys.pop()
        self._there.remove(key)
        if not keys:
            del self._keys[tenant]
        return key
