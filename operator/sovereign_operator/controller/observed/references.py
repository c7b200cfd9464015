"""Which SovereignWorkloads speak of which workload, kept up as they change."""

from collections.abc import Iterable, Mapping

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core.workload.facts import workload_of
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.mirror import ObjectKey
from sovereign_operator.kube.objects.workload import see_sovereign_workload

ReferencedWorkload = tuple[WorkloadKind, str, str]
"""Kind, namespace and name of a workload."""


class WorkloadReferences:
    """The SovereignWorkloads that there are. One that cannot be read speaks of nothing."""

    def __init__(self, objects: Mapping[ObjectKey, Json] | None = None) -> None:
        self._spoken: dict[ObjectKey, ReferencedWorkload] = {}
        self._speakers: dict[ReferencedWorkload, set[ObjectKey]] = {}
        for key, obj in (objects or {}).items():
            self.take(key, obj)

    def take(self, key: ObjectKey, obj: Json | None) -> list[ReferencedWorkload]:
        """Take a SovereignWorkload in as it is (None: gone), and return what it spoke of before and speaks of now."""
        before, now = self._spoken.pop(key, None), _spoken(key, obj) if obj else None
        if before:
            self._speakers[before].discard(key)
            if not self._speakers[before]:
                del self._speakers[before]
        if now:
            self._spoken[key] = now
            self._speakers.setdefault(now, set()).add(key)
        return [spoken for spoken in dict.fromkeys((before, now)) if spoken]

    def of(self, spoken: ReferencedWorkload) -> Iterable[ObjectKey]:
        """Return the SovereignWorkloads that speak of a workload, in no order."""
        return tuple(self._speakers.get(spoken, ()))


def _spoken(key: ObjectKey, obj: Json) -> ReferencedWorkload | None:
    namespace, name = key
    seen = see_sovereign_workload(obj)
    if not isinstance(seen, tuple):
        return None
    kind, workload = workload_of(name, seen[0])
    return kind, namespace, workload
