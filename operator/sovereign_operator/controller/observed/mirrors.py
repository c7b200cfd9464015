"""What the controller watches: kopf our own kinds and namespaces, mirrors all else.

``triggers`` decides which keys a change has looked at; ``cluster_view`` answers questions about all that was seen.
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
    """Who is told of changes. One of what was there and what is there now is None where there was or is nothing."""

    def node_changed(self, key: ObjectKey, old: ObservedNode | None, new: ObservedNode | None) -> None:
        """Take note of a change of a node."""

    def role_changed(self, key: ObjectKey, old: ObservedRole | None, new: ObservedRole | None) -> None:
        """Take note of a change of a policy's ClusterRole or ClusterRoleBinding."""

    def workload_changed(self, kind: WorkloadKind, key: ObjectKey) -> None:
        """Take note of a change of a workload with our label."""

    def pod_changed(self, key: ObjectKey, old: ObservedPod | None, new: ObservedPod | None) -> None:
        """Take note of a change of a pod in scope."""

    def own_pod_changed(self, key: ObjectKey, old: ObservedPod | None, new: ObservedPod | None) -> None:
        """Take note of a change of a pod of the operator."""


class Mirrors:
    """All that is watched."""

    def __init__(self, api: Api, settings: Settings, changes: Changes) -> None:
        self._api = api
        self._changes = changes
        self.kinds: Mapping[str, Mapping[ObjectKey, Any]] = {}
        """What kopf has indexed, by plural."""
        self._indexed = asyncio.Event()
        self.nodes = Mirror(api, resource.NODES, see_node, changes.node_changed, worst=worst_node)
        self.roles, self.role_bindings = (
            Mirror(api, kind, see_role, changes.role_changed, worst=worst_role, label_selector=names.HOST_ROLE_LABEL)
            for kind in (resource.CLUSTER_ROLES, resource.CLUSTER_ROLE_BINDINGS)
        )
        self.labelled = {kind: self._of_workloads(kind) for kind in WorkloadKind}
        """The workloads with our label."""
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
            # An agent has to be on each node with pods in scope, whatever became of the node since.
            label_selector=f"{names.COMPONENT_LABEL} in (controller, signer, injector)",
        )
        self._others: list[Mirror[Any]] = []
        self._followed: dict[str, tuple[Mirror[ObservedPod], asyncio.Task[None]]] = {}
        """The pods that were never placed, by namespace."""

    def add(self, mirrors: Iterable[Mirror[Any]]) -> None:
        """Have these run, too, and waited for."""
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
        """Let ``until_complete`` return once everything is listed: nothing is decided before."""
        self._indexed.set()

    async def until_complete(self) -> None:
        """Wait until everything was listed once."""
        await self._indexed.wait()
        # Others may be followed by the time that these are listed.
        while late := [mirror for mirror in self._all() if not mirror.synced.is_set()]:
            await late[0].synced.wait()

    @property
    def stalled(self) -> list[str]:
        """What has not been heard of for too long."""
        return stalled(self._all())

    def follow_pods(self, wanted: set[str]) -> None:
        """Watch, in exactly these namespaces, the pods that were never placed.

        One that leaves is followed until nothing is left there of what we said about its pods.
        """
        for namespace in self._followed.keys() - wanted:
            mirror, task = self._followed[namespace]
            if any(pod.annotations and not pod.ended for pod in mirror.values()):
                continue
            del self._followed[namespace]
            task.cancel()
            # Nobody shall wait for it any more.
            mirror.synced.set()
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

    def is_followed(self, namespace: str) -> bool:
        """Whether the pods of a namespace that were never placed are watched."""
        return namespace in self._followed

    def pods(self, namespace: str | None = None) -> Iterable[ObservedPod]:
        """Return the pods that are watched, of one namespace or all, each once."""
        for mirror in (self.placed_pods, *(mirror for mirror, _ in self._followed.values())):
            yield from (mirror.values() if namespace is None else mirror.within(namespace).values())

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
