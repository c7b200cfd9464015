"""All that we have seen of the cluster, and what changes in it mean for the queue.

kopf watches our own kinds and namespaces; nodes, pods, workloads and roles have mirrors. A change
adds keys, and the handlers of those keys look at the whole again.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol

from sovereign_operator.aio.tasks import keep_running
from sovereign_operator.api.v1alpha1 import CLOUD_SERVICE, DATACENTRE, SOVEREIGN_WORKLOAD, SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec
from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.controller.keys import (
    Cluster,
    Encryption,
    Guarded,
    Key,
    Labelled,
    Left,
    PodCounts,
    PodMarks,
    Sovereign,
)
from sovereign_operator.controller.observed.guards import GuardWatch
from sovereign_operator.controller.observed.identity import Identity
from sovereign_operator.controller.observed.sidecars import Sidecars
from sovereign_operator.controller.observed.speakers import Speakers
from sovereign_operator.controller.settings import Settings
from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.node_metadata import NodeMarks, Placement
from sovereign_operator.core.placement.verdict import Verdicts
from sovereign_operator.core.workload.facts import LastWrite, Workload
from sovereign_operator.core.workload.scope import enforced_policy, policy_of_pod
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.mirror import Key as ObjectKey
from sovereign_operator.kube.mirror import Mirror, stalled
from sovereign_operator.kube.objects.host_role import see_role
from sovereign_operator.kube.objects.node import NodeSeen, see_node
from sovereign_operator.kube.objects.pod import ANY_BUNDLE, PodSeen, see_pod
from sovereign_operator.kube.objects.spec import M, Specs, gather, readable, see_spec
from sovereign_operator.kube.objects.transit_config import encrypts
from sovereign_operator.kube.objects.workload import see_workload
from sovereign_operator.kube.objects.worst import worst_node, worst_pod, worst_role, worst_workload
from sovereign_operator.kube.refused_writes import RefusedWrites
from sovereign_operator.kube.unreadable import Unreadable, UnreadableObjects

COUNT_SECONDS = 5.0


@dataclass(frozen=True)
class Judged:
    """One look at the cluster, and what follows from it."""

    facts: Facts
    verdicts: Verdicts
    placement: Placement
    granted: Mapping[str, tuple[str, ...]]
    """The namespaces that there are to which each policy gives certificates, by policy."""

    @cached_property
    def marks(self) -> Mapping[str, NodeMarks]:
        """What each node is to say, by its name."""
        return {marks.name: marks for marks in self.placement.nodes}


class Queue(Protocol):
    """Where keys go."""

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Have a key looked at."""


class World:
    """Everything seen, and the verdicts that followed last."""

    def __init__(self, api: Api, queue: Queue, settings: Settings) -> None:
        self.api = api
        self.queue = queue
        self.system_namespaces = settings.replica.system_namespaces
        self.kinds: Mapping[str, Mapping[ObjectKey, Any]] = {}
        """What kopf has indexed, by plural."""
        self.speakers = Speakers()
        self._scope: dict[str, str] = {}
        """Which policy each namespace enforced when we last looked, by namespace."""
        self._indexed = asyncio.Event()
        self.nodes = Mirror(api, resource.NODES, see_node, self._node_changed, worst=worst_node)
        self.roles, self.role_bindings = (
            Mirror(api, kind, see_role, self._cluster_changed, worst=worst_role, label_selector=names.HOST_ROLE_LABEL)
            for kind in (resource.CLUSTER_ROLES, resource.CLUSTER_ROLE_BINDINGS)
        )
        self.guards = GuardWatch(
            api,
            settings.replica.namespace,
            settings.guards,
            changed=lambda: queue.add(Guarded()),
            judged=self._guards_judged,
        )
        self.labelled = {
            kind: Mirror(
                api,
                resource.WORKLOADS[kind],
                lambda obj, kind=kind: see_workload(kind, obj),  # type: ignore[misc]
                lambda key, _old, _new, kind=kind: self._workload_changed(kind, key),  # type: ignore[misc]
                worst=partial(worst_workload, kind),
                label_selector=names.POLICY_LABEL,
            )
            for kind in WorkloadKind
        }
        self.placed_pods = Mirror(
            api, resource.PODS, see_pod, self._pod_changed, worst=worst_pod, label_selector=names.PLACED_LABEL
        )
        self.own_pods = Mirror(
            api,
            resource.PODS,
            see_pod,
            lambda *_: self._count_pods(),
            worst=worst_pod,
            namespace=settings.replica.namespace,
            # An agent has to be on each node with pods in scope, whatever became of the node since.
            label_selector=f"{names.COMPONENT_LABEL} in (controller, signer, injector)",
        )
        self.identity = (
            Identity(api, api.clock.now, self.pod, self._certificate_changed, self._bundle_changed)
            if settings.with_signer
            else None
        )
        self.sidecars = (
            Sidecars(
                api,
                settings.replica.namespace,
                settings.dns,
                pods=self._with_sidecars,
                policy_changed=self._add_encryption,
                services_changed=self._services_changed,
                told_changed=self._told_changed,
            )
            if settings.dns
            else None
        )
        self._followed: dict[str, tuple[Mirror[PodSeen], asyncio.Task[None]]] = {}
        self.unreadable = {plural: UnreadableObjects(plural) for plural in resource.OURS}
        """What kopf has indexed and cannot be read."""
        self.verdicts: Verdicts | None = None
        self.judged: Judged | None = None
        """What nodes and statuses are to say; None while nothing may be changed."""
        self.writes: dict[Sovereign, LastWrite] = {}
        """What this process wrote last into each SovereignWorkload's workload: kopf's copy of the status is older."""
        self.refusals = RefusedWrites(api)
        self.refused: dict[Sovereign, tuple[int, float]] = {}
        """What stands for why one cannot be carried out, and since when that is so, on the loop's clock."""
        self.retained: frozenset[tuple[str, str]] = frozenset()
        """(node, policy) whose label stays only for pods that still run there."""
        self.not_trusted: Mapping[str, tuple[str, ...]] = {}
        """The pods that mount a policy's certificates where it gives none, by policy, as its condition has them."""

    # Watching

    async def run(self) -> None:
        """Keep all mirrors up to date."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for mirror in self._fixed_mirrors():
                group.create_task(mirror.run())
            if self.sidecars:
                group.create_task(keep_running("questions to sidecars", self.sidecars.traffic.run))
                group.create_task(self.sidecars.services.mirror.run())

    def follow_pods(self) -> None:
        """Watch, in exactly those namespaces in which something is in scope, the pods that were never placed.

        One that leaves is followed until nothing is left there of what we said about its pods.
        """
        wanted = set(self._namespaces_in_scope())
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
                self.api,
                resource.PODS,
                see_pod,
                self._pod_changed,
                worst=worst_pod,
                namespace=namespace,
                label_selector=f"!{names.PLACED_LABEL}",
            )
            self._followed[namespace] = (mirror, self._group.create_task(mirror.run()))

    async def until_complete(self) -> None:
        """Wait until everything was listed once."""
        await self._indexed.wait()
        # Others may be followed by the time that these are listed.
        while late := [mirror for mirror in self._mirrors() if not mirror.synced.is_set()]:
            await late[0].synced.wait()

    @property
    def stalled(self) -> list[str]:
        """What has not been heard of for too long."""
        return stalled(self._mirrors())

    def _fixed_mirrors(self) -> Iterator[Mirror[Any]]:
        yield from (self.nodes, self.roles, self.role_bindings, self.placed_pods, self.own_pods)
        yield from self.guards.mirrors.values()
        yield from self.labelled.values()
        if self.identity:
            yield from self.identity.mirrors()
        if self.sidecars:
            yield self.sidecars.mirror
            yield self.sidecars.agents.mirror

    def _mirrors(self) -> list[Mirror[Any]]:
        return [*self._fixed_mirrors(), *(mirror for mirror, _ in self._followed.values())]

    def _namespaces_in_scope(self) -> Iterator[str]:
        for _, name in self.keys("namespaces"):
            if self.enforced(name) is not None:
                yield name
        for namespace, _ in self.keys(SOVEREIGN_WORKLOAD.plural):
            if namespace not in self.system_namespaces:
                yield namespace

    # What a change means

    def take_indexes(self, indexes: Mapping[str, Mapping[ObjectKey, Any]]) -> None:
        """Take kopf's indexes, which are complete by now."""
        self.kinds = indexes
        self.speakers = Speakers(self.objects(SOVEREIGN_WORKLOAD.plural))
        self.follow_pods()
        self._indexed.set()
        self.queue.add(Guarded())

    def kind_changed(self, plural: str, key: ObjectKey) -> None:
        """Take note of a change that kopf saw."""
        self._count_pods()
        if plural == "namespaces":
            self._note_scope(key[1])
            # Policies may grant certificates by its labels.
            self.queue.add(Cluster())
            # Before it is followed no more: what was said about its pods is to go.
            self._add_pods(key[1])
            self.follow_pods()
            self.add_sovereigns(key[1])
        elif plural == SOVEREIGN_WORKLOAD.plural:
            found = self.object(plural, key[1], key[0])
            if found is None or key[0] not in self._followed:
                self.follow_pods()
            self.queue.add(Sovereign(*key))
            # Those that speak of the same workload, and workloads that nobody speaks of any more.
            for spoken in self.speakers.take(key, found):
                self.queue.add(Labelled(*spoken))
                for other in self.speakers.of(spoken):
                    self.queue.add(Sovereign(*other))
        else:
            self.queue.add(Cluster())
            if plural == SOVEREIGNTY_POLICY.plural:
                self._add_encryption(key[1])

    def _note_scope(self, namespace: str) -> None:
        """Remember the policy that a namespace enforces, and have it told if it leaves one."""
        before, now = self._scope.get(namespace), self.enforced(namespace)
        there = self.object("namespaces", namespace)
        if there is None or now is None:
            self._scope.pop(namespace, None)
        else:
            self._scope[namespace] = now
        if there is not None and before is not None and before != now:
            self.queue.add(Left(before, namespace))

    def verdicts_changed(self) -> None:
        """Look again at all that depends on verdicts."""
        self._count_pods()
        for key in self.keys(SOVEREIGN_WORKLOAD.plural):
            self.queue.add(Sovereign(*key))
        self._add_pods()

    def encryption_changed(self, policy: str) -> None:
        """Look again at all that says how far a policy's encryption has come."""
        self.queue.add(Cluster())
        for namespace in {pod.namespace for pod in self.pods() if policy in (pod.transit, self.policy_of(pod))}:
            self.add_sovereigns(namespace)

    def _cluster_changed(self, _key: ObjectKey, _old: object, _new: object) -> None:
        self.queue.add(Cluster())

    def _node_changed(self, _key: ObjectKey, _old: NodeSeen | None, _new: NodeSeen | None) -> None:
        self.queue.add(Cluster())

    def _guards_judged(self) -> None:
        for key in self.keys(SOVEREIGN_WORKLOAD.plural):
            self.queue.add(Sovereign(*key))

    def _workload_changed(self, kind: WorkloadKind, key: ObjectKey) -> None:
        self.queue.add(Labelled(kind, *key))
        self.add_sovereigns(key[0])

    def _pod_changed(self, key: ObjectKey, old: PodSeen | None, new: PodSeen | None) -> None:
        self.queue.add(PodMarks(*key))
        self._count_pods()
        for seen in (old, new):
            self._add_encryption(self.policy_of(seen) if seen else None)
        self.add_sovereigns(key[0])
        if old and old.annotations and not (new and new.annotations) and names.PLACED_LABEL not in old.labels:
            self.follow_pods()
        for seen in (old, new):
            if seen and (seen.pod.node, self._placed_for(seen)) in self.retained:
                self.queue.add(Cluster())

    def _certificate_changed(self, namespace: str, pod: str) -> None:
        self.queue.add(PodMarks(namespace, pod))

    def _bundle_changed(self, name: str) -> None:
        self.queue.add(Cluster())
        for key in self.keys(SOVEREIGN_WORKLOAD.plural):
            self.queue.add(Sovereign(*key))
        for pod in self.pods():
            if pod.bundles & {name, ANY_BUNDLE}:
                self.queue.add(PodMarks(pod.namespace, pod.pod.name))

        self._add_encryption(name.removeprefix(names.trust_bundle("")))

    def add_sovereigns(self, namespace: str) -> None:
        """Look at every SovereignWorkload of a namespace."""
        for key in self.keys(SOVEREIGN_WORKLOAD.plural):
            if key[0] == namespace:
                self.queue.add(Sovereign(*key))

    def _add_pods(self, namespace: str | None = None) -> None:
        for pod in self.pods(namespace):
            self.queue.add(PodMarks(pod.namespace, pod.pod.name))

    def _count_pods(self) -> None:
        """Have all pods counted, once for all that changes within some seconds."""
        self.queue.add(PodCounts(), COUNT_SECONDS)

    def _add_encryption(self, policy: str | None) -> None:
        if policy and self.sidecars:
            self.queue.add(Encryption(policy))

    def _services_changed(self) -> None:
        for _, policy in self.keys(SOVEREIGNTY_POLICY.plural):
            self._add_encryption(policy)

    def _told_changed(self, namespace: str, policy: str) -> None:
        """Take in what sidecars are told of a policy: pods of others need one as long as that is not Off."""
        self._add_encryption(policy)
        self._add_pods(namespace)
        self.queue.add(Cluster())

    # What there is

    def encrypts(self, policy: str, spec: SovereigntyPolicySpec) -> bool:
        """Whether the pods of a policy need a sidecar."""
        return encrypts(spec, self.sidecars.record(policy) if self.sidecars else None)

    def keys(self, plural: str) -> Iterable[ObjectKey]:
        """Return the keys of the objects that kopf watches."""
        return self.kinds.get(plural, {}).keys()

    def objects(self, plural: str) -> Mapping[ObjectKey, Json]:
        """Return the objects that kopf watches, by key."""
        return {key: next(iter(found)) for key, found in self.kinds.get(plural, {}).items()}

    def object(self, plural: str, name: str, namespace: str = "") -> Json | None:
        """Return one object that kopf watches."""
        found = self.kinds.get(plural, {}).get((namespace, name))
        return next(iter(found)) if found else None

    def enforced(self, namespace: str) -> str | None:
        """Return the value of a namespace's enforce label, or None if it is not in scope."""
        if namespace in self.system_namespaces:
            return None
        found = self.object("namespaces", namespace) or {"metadata": {}}
        return enforced_policy(found["metadata"].get("labels", {}))

    def namespace_labels(self) -> dict[str, Mapping[str, str]]:
        """Return the labels of each namespace that can be in scope."""
        return {
            name: obj["metadata"].get("labels", {})
            for (_, name), obj in self.objects("namespaces").items()
            if name not in self.system_namespaces
        }

    def _placed_for(self, pod: PodSeen) -> str | None:
        """Return the policy that admission placed a pod for, whose node label it needs to go on running.

        Admission writes that label on what it places, and on nothing else. A node can run a static pod that says so.
        """
        placed = pod.labels.get(names.PLACED_LABEL)
        if pod.static or pod.namespace in self.system_namespaces or placed not in pod.pod.placed_for:
            return None
        return placed

    def policy_of(self, pod: PodSeen) -> str | None:
        """Return the policy that a pod is held to, or None if it is not in scope."""
        return policy_of_pod(pod.namespace, self.enforced(pod.namespace), pod.labels, self.system_namespaces)

    def pods(self, namespace: str | None = None) -> Iterable[PodSeen]:
        """Return the pods that we watch, of one namespace or all, each once."""
        for mirror in (self.placed_pods, *(mirror for mirror, _ in self._followed.values())):
            yield from (mirror.values() if namespace is None else mirror.within(namespace).values())

    def _with_sidecars(self) -> Iterable[PodSeen]:
        """Return the pods with a sidecar, each in scope of the policy that this goes by, which encrypts or did.

        Anybody can make a pod elsewhere that says so of itself, as no guard asks there what its sidecar is; it shall
        not have us talk to it. Sidecars of a policy that has come to Off are there until their pods end, and have to
        say that they have loaded Off.
        """
        if self.sidecars is None:
            return ()
        seen, record = self.sidecars.seen, self.sidecars.record
        told = {policy for policy in seen if seen[policy].encrypts or record(policy)}
        return (pod for pod in self.pods() if pod.transit in told and pod.transit == self.policy_of(pod))

    def pod(self, namespace: str, name: str) -> PodSeen | None:
        """Return one pod, if it is among those that we watch."""
        followed = self._followed.get(namespace)
        unplaced = followed[0].get((namespace, name)) if followed else None
        return self.placed_pods.get((namespace, name)) or unplaced

    def workload(self, kind: WorkloadKind, namespace: str, name: str) -> Workload | None:
        """Return a workload that carries our label."""
        return self.labelled[kind].get((namespace, name))

    # Gather

    def facts(self) -> Facts:
        """Gather what verdicts depend on."""
        return gather(
            self._specs(CLOUD_SERVICE.plural, CloudServiceSpec),
            self._specs(DATACENTRE.plural, DatacentreSpec),
            self._specs(SOVEREIGNTY_POLICY.plural, SovereigntyPolicySpec),
            self.api.clock.now(),
            nodes={name: seen.node for (_, name), seen in self.nodes.items()},
            hosts={
                seen.policy: seen.hosts
                for (_, name), seen in self.roles.items()
                if name == names.host_role(seen.policy)
            },
        )

    def policies(self) -> dict[str, SovereigntyPolicySpec]:
        """Return the policies that can be read, by name."""
        return readable(self._specs(SOVEREIGNTY_POLICY.plural, SovereigntyPolicySpec))

    def occupied(self) -> frozenset[tuple[str, str]]:
        """Return (node, policy) for each node on which a pod that needs that policy's label has not ended."""
        placed = ((pod.pod.node, self._placed_for(pod)) for pod in self.placed_pods.values() if not pod.ended)
        return frozenset((node, policy) for node, policy in placed if node and policy)

    def _specs(self, plural: str, model: type[M]) -> Specs[M]:
        found = {key: see_spec(obj, model) for key, obj in self.objects(plural).items()}
        for key, spec in found.items():
            self.unreadable[plural].note(key, spec.error if isinstance(spec, Unreadable) else "")
        self.unreadable[plural].keep(found)
        return {key: spec for key, spec in found.items() if spec is not None}
