"""The specs of the operator's kinds, each read once: it costs a millisecond."""

from collections.abc import Mapping
from typing import Any

from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.mirror import ObjectKey
from sovereign_operator.kube.objects.spec import M, Specs, see_spec
from sovereign_operator.kube.unreadable import Unreadable, UnreadableObjects


class ObservedSpecs:
    """The specs of the objects that kopf has indexed, by plural."""

    def __init__(self) -> None:
        self._read: dict[str, dict[ObjectKey, tuple[Json, Any]]] = {plural: {} for plural in resource.OURS}
        """By plural, each object that was read last, and its spec."""
        self.unreadable = {plural: UnreadableObjects(plural) for plural in resource.OURS}
        """The objects that do not fit their schema, by plural."""

    def read(self, plural: str, model: type[M], objects: Mapping[ObjectKey, Json]) -> Specs[M]:
        """Read the specs of all objects of a kind, anew of those that have changed."""
        before = self._read[plural]
        self._read[plural] = {
            key: before[key] if key in before and before[key][0] is obj else (obj, see_spec(obj, model))
            for key, obj in objects.items()
        }
        found = {key: spec for key, (_, spec) in self._read[plural].items()}
        for key, spec in found.items():
            self.unreadable[plural].note(key, spec.error if isinstance(spec, Unreadable) else "")
        self.unreadable[plural].keep(found)
        return {key: spec for key, spec in found.items() if spec is not None}
