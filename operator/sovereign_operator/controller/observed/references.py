"""Which SovereignWorkloads refer to which workload, kept up to date as SovereignWorkloads change."""

from collections.abc import Collection, Mapping

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.controller.observed.multimap import Multimap
from sovereign_operator.core.workload.facts import workload_of
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.mirror import ObjectKey
from sovereign_operator.kube.objects.workload import see_sovereign_workload

ReferencedWorkload = tuple[WorkloadKind, str, str]
"""Kind, namespace and name of a workload."""


class WorkloadReferences:
    """An index of all SovereignWorkloads. One that cannot be read refers to nothing."""

    def __init__(self, objects: Mapping[ObjectKey, Json] | None = None) -> None:
        self._target: dict[ObjectKey, ReferencedWorkload] = {}
        self._referrers: Multimap[ReferencedWorkload, ObjectKey] = Multimap()
        self._within: Multimap[str, ObjectKey] = Multimap()
        for key, obj in (objects or {}).items():
            self.update(key, obj)

    def update(self, key: ObjectKey, obj: Json | None) -> list[ReferencedWorkload]:
        """Record a SovereignWorkload (None: deleted). Return the workloads that it referred to and refers to."""
        before, now = self._target.pop(key, None), _target(key, obj) if obj else None
        if before:
            self._referrers.discard(before, key)
        if now:
            self._target[key] = now
            self._referrers.add(now, key)
        if obj:
            self._within.add(key[0], key)
        else:
            self._within.discard(key[0], key)
        return [workload for workload in dict.fromkeys((before, now)) if workload]

    def referring_to(self, workload: ReferencedWorkload) -> Collection[ObjectKey]:
        """Return the SovereignWorkloads that refer to a workload, in no order."""
        return self._referrers.of(workload)

    def within(self, namespace: str) -> Collection[ObjectKey]:
        """Return the SovereignWorkloads of a namespace, in no order."""
        return self._within.of(namespace)


def _target(key: ObjectKey, obj: Json) -> ReferencedWorkload | None:
    namespace, name = key
    observed = see_sovereign_workload(obj)
    if not isinstance(observed, tuple):
        return None
    kind, workload = workload_of(name, observed[0])
    return kind, namespace, workload
