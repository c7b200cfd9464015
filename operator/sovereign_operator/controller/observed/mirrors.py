"""What the controller watches: kopf watches the operator's kinds and namespaces, mirrors watch all else.

``triggers`` decides which keys a change adds to the queue; ``cluster_view`` answers questions about what was observed.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.controller.settings import Settings
from sovereign_operator.core import names
from sovereign_operator.core.workload.facts import Workload
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import Mirror, ObjectKey, stalled
from sovereign_operator.kube.objects.host_role import ObservedRole, see_role
from sovereign_operator.kube.objects.node import ObservedNode, see_node
from sovereign_operator.kube.objects.pod import ObservedPod, see_pod
from sovereign_operator.kube.objects.workload import see_workload
from sovereign_operator.kube.objects.worst import worst_node, worst_pod, worst_role, worst_workload


class Changes(Protocol):
    """Receives changes. ``old`` is None for a new object, ``new`` is None for a deleted one."""

    def node_changed(self, key: ObjectKey, old: ObservedNode | None, new: ObservedNode | None) -> None:
        """Handle a change of a node."""

    def role_changed(self, key: ObjectKey, old: ObservedRole | None, new: ObservedRole | None) -> None:
        """Handle a change of a policy's ClusterRole or ClusterRoleBinding."""

    def workload_changed(self, kind: WorkloadKind, key: ObjectKey) -> None:
        """Handle a change of a workload with our policy label."""

    def pod_changed(self, key: ObjectKey, old: ObservedPod | None, new: ObservedPod | None) -> None:
        """Handle a change of a pod in a namespace that is followed, or of a placed pod."""

    def own_pod_changed(self, key: ObjectKey, old: ObservedPod | None, new: ObservedPod | None) -> None:
        """Handle a change of a pod of the operator."""


class Mirrors:
    """All mirrors of the controller, and kopf's indexes."""

    def __init__(self, api: Api, settings: Settings, changes: Changes) -> None:
        self._api = api
        self._changes = changes
        self.kinds: Mapping[str, Mapping[ObjectKey, Any]] = {}
        """kopf's indexes, by plural."""
        self._indexed = asyncio.Event()
        self.nodes = Mirror(api, resource.NODES, see_node, changes.node_changed, worst=worst_node)
        self.roles, self.role_bindings = (
            Mirror(api, kind, see_role, changes.role_changed, worst=worst_role, label_selector=names.HOST_ROLE_LABEL)
            for kind in (resource.CLUSTER_ROLES, resource.CLUSTER_ROLE_BINDINGS)
        )
        self.labelled = {kind: self._of_workloads(kind) for kind in WorkloadKind}
        """The workloads with our policy label, by kind."""
        self.placed_pods = Mirror(
            api, resource.PODS, see_pod, changes.pod_changed, worst=worst_pod, label_selector=names.PLACED_LABEL
        )
        self.own_pods = Mirror(
            api,
            resource.PODS,
            see_pod,
            changes.own_pod_changed,
            worst=worst_pod,
            namespace=settings.replica.namespace,
            # Agents are left out: one has to run on each node with pods in scope, accepted or not.
            label_selector=f"{names.COMPONENT_LABEL} in (controller, signer, injector)",
        )
        self._others: list[Mirror[Any]] = []
        self._followed: dict[str, tuple[Mirror[ObservedPod], asyncio.Task[None]]] = {}
        """By namespace, the mirror of the pods that admission has not placed."""

    def add(self, mirrors: Iterable[Mirror[Any]]) -> None:
        """Run these as well, and wait for them."""
        self._others.extend(mirrors)

    async def run(self) -> None:
        """Keep all mirrors up to date."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for mirror in self._fixed():
                group.create_task(mirror.run())

    def take_indexes(self, indexes: Mapping[str, Mapping[ObjectKey, Any]]) -> None:
        """Take kopf's indexes, which are complete by now."""
        self.kinds = indexes

    def open(self) -> None:
        """Let ``until_complete`` return once everything is listed: no reconciler decides before."""
        self._indexed.set()

    async def until_complete(self) -> None:
        """Wait until every mirror has been listed once."""
        await self._indexed.wait()
        # New mirrors may be added while these are being listed.
        while late := [mirror for mirror in self._all() if not mirror.synced.is_set()]:
            await late[0].synced.wait()

    @property
    def stalled(self) -> list[str]:
        """The mirrors that have received neither an event nor a list for too long."""
        return stalled(self._all())

    def follow_pods(self, wanted: set[str]) -> list[ObjectKey]:
        """Watch the pods that admission has not placed in exactly these namespaces.

        A namespace that leaves is watched until its pods carry no audit annotations any more. Return the pods that are
        not watched any more.
        """
        left: list[ObjectKey] = []
        for namespace in self._followed.keys() - wanted:
            mirror, task = self._followed[namespace]
            if any(pod.annotations and not pod.ended for pod in mirror.values()):
                continue
            del self._followed[namespace]
            task.cancel()
            # Ends a wait for it.
            mirror.synced.set()
            left += mirror
        for namespace in wanted - self._followed.keys():
            mirror = Mirror(
                self._api,
                resource.PODS,
                see_pod,
                self._changes.pod_changed,
                worst=worst_pod,
                namespace=namespace,
                label_selector=f"!{names.PLACED_LABEL}",
            )
            self._followed[namespace] = (mirror, self._group.create_task(mirror.run()))
        return left

    def is_followed(self, namespace: str) -> bool:
        """Whether the pods of a namespace that admission has not placed are watched."""
        return namespace in self._followed

    def pod(self, namespace: str, name: str) -> ObservedPod | None:
        """Return one pod, if it is among those that are watched."""
        followed = self._followed.get(namespace)
        unplaced = followed[0].get((namespace, name)) if followed else None
        return self.placed_pods.get((namespace, name)) or unplaced

    def _of_workloads(self, kind: WorkloadKind) -> Mirror[Workload]:
        return Mirror(
            self._api,
            resource.WORKLOADS[kind],
            partial(see_workload, kind),
            lambda key, _old, _new: self._changes.workload_changed(kind, key),
            worst=partial(worst_workload, kind),
            label_selector=names.POLICY_LABEL,
        )

    def _fixed(self) -> Iterator[Mirror[Any]]:
        yield from (self.nodes, self.roles, self.role_bindings, self.placed_pods, self.own_pods)
        yield from self.labelled.values()
        yield from self._others

    def _all(self) -> list[Mirror[Any]]:
        return [*self._fixed(), *(mirror for mirror, _ in self._followed.values())]
