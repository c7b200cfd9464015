"""To which workloads and policies SovereignWorkloads refer, kept up to date as SovereignWorkloads change."""

from collections.abc import Collection, Mapping

from sovereign_operator.api.v1alpha1.sovereign_workload import SovereignWorkloadSpec, WorkloadKind
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
        self._named: dict[ObjectKey, str | None] = {}
        self._referrers: Multimap[ReferencedWorkload, ObjectKey] = Multimap()
        self._within: Multimap[str, ObjectKey] = Multimap()
        for key, obj in (objects or {}).items():
            self.update(key, obj)

    def update(self, key: ObjectKey, obj: Json | None) -> list[ReferencedWorkload]:
        """Record a SovereignWorkload (None: deleted). Return the workloads that it referred to and refers to."""
        spec = _spec(obj) if obj else None
        before, now = self._target.pop(key, None), _target(key, spec) if spec else None
        self._named.pop(key, None)
        if spec:
            self._named[key] = spec.policy_ref.name if spec.policy_ref else None
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

    @property
    def named_policies(self) -> Mapping[ObjectKey, str | None]:
        """The policy that each SovereignWorkload names; None if it names none."""
        return self._named

    def within(self, namespace: str) -> Collection[ObjectKey]:
        """Return the SovereignWorkloads of a namespace, in no order."""
        return self._within.of(namespace)


def _spec(obj: Json) -> SovereignWorkloadSpec | None:
    observed = see_sovereign_workload(obj)
    return observed[0] if isinstance(observed, tuple) else None


def _target(key: ObjectKey, spec: SovereignWorkloadSpec) -> ReferencedWorkload | None:
    namespace, name = key
    workload = workload_of(name, spec)
    return (workload[0], namespace, workload[1]) if workload else None
