"""The objects of our own kinds that kopf has indexed, as they were read last."""

from collections.abc import Callable, Mapping
from typing import Any

from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.mirror import ObjectKey
from sovereign_operator.kube.objects.spec import Specs, T
from sovereign_operator.kube.unreadable import Unreadable, UnreadableObjects


class OwnObjects:
    """Reads objects that have changed, as reading one costs a millisecond, and remembers the others."""

    def __init__(self) -> None:
        self._read: dict[str, dict[ObjectKey, tuple[Json, Any]]] = {plural: {} for plural in resource.OURS}
        """By plural, each object that was read last, and what was read of it."""
        self.unreadable = {plural: UnreadableObjects(plural) for plural in resource.OURS}
        """The objects that do not fit their schema, by plural."""

    def read(
        self, plural: str, objects: Mapping[ObjectKey, Json], see: Callable[[Json], T | Unreadable | None]
    ) -> Specs[T]:
        """Return what ``see`` makes of all objects of a kind, without those for which it returns None."""
        before = self._read[plural]
        self._read[plural] = {
            key: before[key] if key in before and before[key][0] is obj else (obj, see(obj))
            for key, obj in objects.items()
        }
        found = {key: seen for key, (_, seen) in self._read[plural].items()}
        for key, seen in found.items():
            self.unreadable[plural].note(key, seen.error if isinstance(seen, Unreadable) else "")
        self.unreadable[plural].keep(found)
        return {key: seen for key, seen in found.items() if seen is not None}
