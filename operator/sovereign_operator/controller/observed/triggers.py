"""What a change means: which keys are to be looked at after it.

A change adds keys, and the handlers of those keys look at the whole again.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from sovereign_operator.api.v1alpha1 import SOVEREIGN_WORKLOAD, SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.controller.keys import (
    ClusterKey,
    ControllerKey,
    EncryptionKey,
    GuardsKey,
    LabelledWorkloadKey,
    NamespaceLeftKey,
    PodAnnotationsKey,
    PodCountsKey,
    SovereignWorkloadKey,
)
from sovereign_operator.controller.observed.cluster_view import ClusterView
from sovereign_operator.controller.observed.published import Published
from sovereign_operator.controller.observed.references import WorkloadReferences
from sovereign_operator.controller.settings import Settings
from sovereign_operator.core import names
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import ObjectKey
from sovereign_operator.kube.objects.host_role import ObservedRole
from sovereign_operator.kube.objects.node import ObservedNode
from sovereign_operator.kube.objects.pod import ANY_BUNDLE, ObservedPod

COUNT_SECONDS: Final = 5.0
"""Within which all changes have pods counted once."""


class Queue(Protocol):
    """Where keys go."""

    def add(self, key: ControllerKey, delay: float = 0.0) -> None:
        """Have a key looked at."""


class Triggers:
    """Told of all changes, it adds keys to a queue. It makes the view of which it is told."""

    def __init__(self, api: Api, queue: Queue, settings: Settings, published: Published) -> None:
        self._queue = queue
        self._published = published
        self._scope: dict[str, str] = {}
        """Which policy each namespace enforced when we last looked, by namespace."""
        self.view = ClusterView(api, settings, self)

    # What kopf saw

    def take_indexes(self, indexes: Mapping[str, Mapping[ObjectKey, Any]]) -> None:
        """Take kopf's indexes, which are complete by now."""
        self.view.mirrors.take_indexes(indexes)
        self.view.speakers = WorkloadReferences(self.view.objects(SOVEREIGN_WORKLOAD.plural))
        self._follow_pods()
        # Last: a failure before leaves a replica that decides nothing, rather than one that has seen half.
        self.view.mirrors.open()
        self._queue.add(GuardsKey())

    def kind_changed(self, plural: str, key: ObjectKey) -> None:
        """Take note of a change that kopf saw."""
        self._count_pods()
        if plural == "namespaces":
            self._note_scope(key[1])
            # Policies may grant certificates by its labels.
            self._queue.add(ClusterKey())
            # Before it is followed no more: what was said about its pods is to go.
            self._add_pods(key[1])
            self._follow_pods()
            self._add_sovereigns(key[1])
        elif plural == SOVEREIGN_WORKLOAD.plural:
            found = self.view.object(plural, key[1], key[0])
            if found is None or not self.view.mirrors.is_followed(key[0]):
                self._follow_pods()
            self._queue.add(SovereignWorkloadKey(*key))
            # Those that speak of the same workload, and workloads that nobody speaks of any more.
            for spoken in self.view.speakers.take(key, found):
                self._queue.add(LabelledWorkloadKey(*spoken))
                for other in self.view.speakers.of(spoken):
                    self._queue.add(SovereignWorkloadKey(*other))
        else:
            self._queue.add(ClusterKey())
            if plural == SOVEREIGNTY_POLICY.plural:
                self.encryption_seen(key[1])

    def _note_scope(self, namespace: str) -> None:
        """Remember the policy that a namespace enforces, and have it told if it leaves one."""
        before, now = self._scope.get(namespace), self.view.enforced(namespace)
        there = self.view.object("namespaces", namespace)
        if there is None or now is None:
            self._scope.pop(namespace, None)
        else:
            self._scope[namespace] = now
        if there is not None and before is not None and before != now:
            self._queue.add(NamespaceLeftKey(before, namespace))

    def _follow_pods(self) -> None:
        self.view.mirrors.follow_pods(set(self.view.namespaces_in_scope()))

    # What mirrors saw

    def node_changed(self, _key: ObjectKey, _old: ObservedNode | None, _new: ObservedNode | None) -> None:
        """Judge all nodes again."""
        self._queue.add(ClusterKey())

    def role_changed(self, _key: ObjectKey, _old: ObservedRole | None, _new: ObservedRole | None) -> None:
        """See that the role says what it should."""
        self._queue.add(ClusterKey())

    def own_pod_changed(self, _key: ObjectKey, _old: ObservedPod | None, _new: ObservedPod | None) -> None:
        """Count where the operator itself runs."""
        self._count_pods()

    def workload_changed(self, kind: WorkloadKind, key: ObjectKey) -> None:
        """Look at the workload, and at those who speak of it."""
        self._queue.add(LabelledWorkloadKey(kind, *key))
        self._add_sovereigns(key[0])

    def pod_changed(self, key: ObjectKey, old: ObservedPod | None, new: ObservedPod | None) -> None:
        """Look at the pod, at its workload, and at how far its policy's encryption has come."""
        self._queue.add(PodAnnotationsKey(*key))
        self._count_pods()
        for seen in (old, new):
            self.encryption_seen(self.view.policy_of(seen) if seen else None)
        self._add_sovereigns(key[0])
        if old and old.annotations and not (new and new.annotations) and names.PLACED_LABEL not in old.labels:
            self._follow_pods()
        for seen in (old, new):
            if seen and (seen.pod.node, self.view.placed_for(seen)) in self._published.retained:
                self._queue.add(ClusterKey())

    # What is made of several objects

    def guards_changed(self) -> None:
        """Look at the guards."""
        self._queue.add(GuardsKey())

    def guards_judged(self) -> None:
        """Have all SovereignWorkloads say what is wrong with guards."""
        self._add_all_sovereigns()

    def certificate_changed(self, namespace: str, pod: str) -> None:
        """Say on the pod what its certificate says."""
        self._queue.add(PodAnnotationsKey(namespace, pod))

    def bundle_changed(self, name: str) -> None:
        """Look again at all that says whom a policy trusts."""
        self._queue.add(ClusterKey())
        self._add_all_sovereigns()
        for pod in self.view.pods():
            if pod.bundles & {name, ANY_BUNDLE}:
                self._queue.add(PodAnnotationsKey(pod.namespace, pod.pod.name))
        self.encryption_seen(name.removeprefix(names.trust_bundle("")))

    def encryption_seen(self, policy: str | None) -> None:
        """See whether a policy's encryption can take its next step."""
        if policy and self.view.sidecars:
            self._queue.add(EncryptionKey(policy))

    def services_changed(self) -> None:
        """Have all sidecars told where plaintext is always sent."""
        for _, policy in self.view.keys(SOVEREIGNTY_POLICY.plural):
            self.encryption_seen(policy)

    def orders_changed(self, namespace: str, policy: str) -> None:
        """Take in what sidecars are told of a policy: pods of others need one as long as that is not Off."""
        self.encryption_seen(policy)
        self._add_pods(namespace)
        self._queue.add(ClusterKey())

    # What was decided

    def verdicts_changed(self) -> None:
        """Look again at all that depends on verdicts."""
        self._count_pods()
        self._add_all_sovereigns()
        self._add_pods()

    def encryption_changed(self, policy: str) -> None:
        """Look again at all that says how far a policy's encryption has come."""
        self._queue.add(ClusterKey())
        for namespace in {
            pod.namespace for pod in self.view.pods() if policy in (pod.transit, self.view.policy_of(pod))
        }:
            self._add_sovereigns(namespace)

    def _add_sovereigns(self, namespace: str) -> None:
        for key in self.view.keys(SOVEREIGN_WORKLOAD.plural):
            if key[0] == namespace:
                self._queue.add(SovereignWorkloadKey(*key))

    def _add_all_sovereigns(self) -> None:
        for key in self.view.keys(SOVEREIGN_WORKLOAD.plural):
            self._queue.add(SovereignWorkloadKey(*key))

    def _add_pods(self, namespace: str | None = None) -> None:
        for pod in self.view.pods(namespace):
            self._queue.add(PodAnnotationsKey(pod.namespace, pod.pod.name))

    def _count_pods(self) -> None:
        """Have all pods counted, once for all that changes within some seconds."""
        self._queue.add(PodCountsKey(), COUNT_SECONDS)
