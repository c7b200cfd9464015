"""A mapping from a key to several values, for indexes that are kept up to date."""

from collections.abc import Collection, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Multimap(Generic[K, V]):
    """Values by key. A key without values takes no memory."""

    def __init__(self) -> None:
        self._values: dict[K, set[V]] = {}

    def add(self, key: K, value: V) -> None:
        """Add a value to a key, if it is not there yet."""
        self._values.setdefault(key, set()).add(value)

    def discard(self, key: K, value: V) -> None:
        """Remove a value from a key, if it is there."""
        values = self._values.get(key)
        if values is None:
            return
        values.discard(value)
        if not values:
            del self._values[key]

    def move(self, value: V, old: set[K], new: set[K]) -> None:
        """Have a value that is under the ``old`` keys under the ``new`` ones."""
        for key in old - new:
            self.discard(key, value)
        for key in new - old:
            self.add(key, value)

    def of(self, key: K) -> Collection[V]:
        """Return the values of a key, in no order. Whoever changes the mapping while looping copies them first."""
        return self._values.get(key, frozenset())

    def all(self) -> Mapping[K, Collection[V]]:
        """Return every key that has values, with its values."""
        return self._values
