"""What a change means: which keys it adds to the queue.

To know what happens when an object changes, find its method here. The reconciler of each key then gathers all facts
again, so a change that adds a key too many costs time and nothing else.
"""

from collections.abc import Mapping
from typing import Any, Final

from sovereign_operator.api.v1alpha1 import SOVEREIGN_WORKLOAD, SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.controller.keys import (
    ClusterKey,
    EncryptionKey,
    GuardsKey,
    LabelledWorkloadKey,
    NamespaceLeftKey,
    NodeLacksKey,
    PodAnnotationsKey,
    SovereignWorkloadKey,
)
from sovereign_operator.controller.observed.adding import AddsKeys, Queue
from sovereign_operator.controller.observed.cluster_view import ClusterView
from sovereign_operator.controller.observed.former import Former
from sovereign_operator.controller.observed.pod_index import Use
from sovereign_operator.controller.observed.published import Published
from sovereign_operator.controller.observed.references import WorkloadReferences
from sovereign_operator.controller.settings import Settings
from sovereign_operator.core import names
from sovereign_operator.core.placement.changes import Changes
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import ObjectKey
from sovereign_operator.kube.objects.host_role import ObservedRole
from sovereign_operator.kube.objects.node import ObservedNode
from sovereign_operator.kube.objects.pod import ANY_BUNDLE, ObservedPod

POD_SECONDS: Final = 0.5
"""Changes of a workload's pods within this time cause one look: a pod that ends and is replaced changes ten times."""
ENCRYPTION_SECONDS: Final = 1.0
"""Changes of pods, and answers of their sidecars, within this time cause one look at their policy's encryption, which
goes through all of its pods."""


class Triggers(AddsKeys):
    """Receives all changes and adds keys to the queue. It creates the view whose changes it receives."""

    def __init__(self, api: Api, queue: Queue, settings: Settings, published: Published) -> None:
        super().__init__(queue)
        self._published = published
        self._own_namespace = settings.replica.namespace
        self.former = Former()
        self.view = ClusterView(api, settings, self)

    # Changes that kopf observed

    def take_indexes(self, indexes: Mapping[str, Mapping[ObjectKey, Any]]) -> None:
        """Take kopf's indexes, once they are complete."""
        self.view.mirrors.take_indexes(indexes)
        self.view.references = WorkloadReferences(self.view.objects(SOVEREIGN_WORKLOAD.plural))
        self.view.follow_pods()
        for _, policy in self.view.keys(SOVEREIGNTY_POLICY.plural):
            self._note_sidecars(policy)
        # Last: after a failure before this line the replica decides nothing, rather than on half of the facts.
        self.view.mirrors.open()
        self._queue.add(GuardsKey())

    def kind_changed(self, plural: str, key: ObjectKey) -> None:
        """Handle a change of one of the operator's kinds, or of a namespace."""
        if self._is_own_status(plural, key):
            return
        self._count_pods()
        if plural == "namespaces":
            self._note_scope(key[1])
            # Policies may grant certificates by the namespace's labels.
            self.view.pending.namespaces.add(key[1])
            self._queue.add(ClusterKey())
            # Before its pods are unwatched: their annotations are to be removed.
            self._add_pods(key[1])
            self._count_again(self.view.pods(key[1]))
            self.view.follow_pods()
            self._add_sovereign_workloads(key[1])
            self.add_reports((key[1],))
        elif plural == SOVEREIGN_WORKLOAD.plural:
            found = self.view.object(plural, key[1], key[0])
            if found is None or not self.view.mirrors.is_followed(key[0]):
                self.view.follow_pods()
            self._queue.add(SovereignWorkloadKey(*key))
            # Those that refer to the same workload, and workloads to which none refers any more.
            for workload in self.view.references.update(key, found):
                self._queue.add(LabelledWorkloadKey(*workload))
                self._add(self.view.references.referring_to(workload))
        else:
            self.view.pending.statuses.add((plural, key[1]))
            self._queue.add(ClusterKey())
            if plural == SOVEREIGNTY_POLICY.plural:
                self.view.pending.roles.add(key[1])
                self.view.pending.policies.add(key[1])
                self.encryption_may_progress(key[1])
                self._note_policy(key[1])
                self._note_sidecars(key[1])

    def _is_own_status(self, plural: str, key: ObjectKey) -> bool:
        """Whether nothing has changed but the status that the controller wrote, for the spec that it has."""
        written = self._published.status_written.get((plural, key))
        found = self.view.object(plural, key[1], key[0]) if written else None
        if found is None:
            self._published.status_written.pop((plural, key), None)
            return False
        return written == (found["metadata"]["resourceVersion"], found["metadata"]["generation"])

    def _note_scope(self, namespace: str) -> None:
        """Have an Event posted if a namespace has left the policy that it enforced."""
        there = self.view.object("namespaces", namespace) is not None
        if left := self.former.note_enforced(namespace, self.view.enforced(namespace), there=there):
            self._queue.add(NamespaceLeftKey(left, namespace))

    def _note_policy(self, name: str) -> None:
        """Look at everything again if a policy is new or gone.

        Pods of an unknown policy do not count, and SovereignWorkloads that name one are told which policies there are.
        """
        if self.former.note_policy(name, there=self.view.object(SOVEREIGNTY_POLICY.plural, name) is not None):
            self._count_again(self.view.pods())
            self._add_all_sovereign_workloads()

    def _note_sidecars(self, policy: str) -> None:
        """Count the pods of a policy again if they need a sidecar now, or no longer."""
        spec = self.view.policies().get(policy)
        if self.former.note_sidecars(policy, needed=spec is not None and self.view.needs_sidecar(policy, spec)):
            self._count_again(self.view.pods_in_scope(policy))
            self._count_pods()

    # Changes that mirrors observed

    def node_changed(self, key: ObjectKey, _old: ObservedNode | None, new: ObservedNode | None) -> None:
        """Judge the node again."""
        self.view.pending.nodes.add(key[1])
        if self.view.former_kubelets.note(key[1], new):
            self.view.pending.statuses |= {(SOVEREIGNTY_POLICY.plural, policy) for policy in self.former.policies}
        self._queue.add(ClusterKey())

    def role_changed(self, _key: ObjectKey, old: ObservedRole | None, new: ObservedRole | None) -> None:
        """Restore the role if it differs."""
        self.view.pending.roles |= {seen.policy for seen in (old, new) if seen}
        self._queue.add(ClusterKey())

    def own_pod_changed(self, _key: ObjectKey, _old: ObservedPod | None, _new: ObservedPod | None) -> None:
        """Count the operator's own pods again."""
        self._count_pods()

    def workload_changed(self, kind: WorkloadKind, key: ObjectKey) -> None:
        """Reconcile the workload, and the SovereignWorkloads that refer to it."""
        self._queue.add(LabelledWorkloadKey(kind, *key))
        self._add(self.view.references.referring_to((kind, *key)))

    def pod_changed(self, key: ObjectKey, old: ObservedPod | None, new: ObservedPod | None) -> None:
        """Reconcile the pod, the SovereignWorkloads of whose workloads it is or was, and its policy's encryption.

        If it began or ceased to need a policy's label on its node, the node as well: that may lose the label now.
        """
        self.view.note_pod(key)
        self._queue.add(PodAnnotationsKey(*key))
        self._count_pods()
        for seen in (old, new):
            if seen:
                self.sidecars_changed(self.view.policy_of(seen))
                self._add(self.view.selectors.referring_to_pod(key[0], seen.labels), POD_SECONDS)
        if old and old.annotations and not (new and new.annotations) and names.PLACED_LABEL not in old.labels:
            self.view.follow_pods()
        for node, policy in {*self.view.occupies(old)} ^ {*self.view.occupies(new)}:
            # An accepted node has the label in any case.
            if not (self._published.verdicts and self._published.verdicts.accepts(policy, node)):
                self.view.pending.nodes.add(node)
                self._queue.add(ClusterKey())

    # Changes of things that consist of several objects

    def guards_changed(self) -> None:
        """Compare the guards with what the chart installed."""
        self._queue.add(GuardsKey())

    def guard_findings_changed(self) -> None:
        """Update the status of all SovereignWorkloads."""
        self._add_all_sovereign_workloads()

    def certificate_changed(self, namespace: str, pod: str) -> None:
        """Update the pod's audit annotations."""
        self._queue.add(PodAnnotationsKey(namespace, pod))

    def bundle_changed(self, name: str) -> None:
        """Reconcile everything that shows which certificate authorities a policy trusts."""
        self.view.pending.statuses.add((SOVEREIGNTY_POLICY.plural, name.removeprefix(names.trust_bundle(""))))
        self._queue.add(ClusterKey())
        self._add_all_sovereign_workloads()
        for bundle in (name, ANY_BUNDLE):
            for pod in self.view.pods_using(Use.BUNDLE, bundle):
                self._queue.add(PodAnnotationsKey(pod.namespace, pod.pod.name))
        self.encryption_may_progress(name.removeprefix(names.trust_bundle("")))

    def trust_config_changed(self, namespace: str, policy: str) -> None:
        """Reconcile the pods of the namespace, and the role that lists the namespaces with such a ConfigMap."""
        if namespace == self._own_namespace:
            self.bundle_changed(names.trust_bundle(policy))
        self._add_pods(namespace)
        self.view.pending.roles.add(policy)
        self._queue.add(ClusterKey())

    def report_changed(self, namespace: str) -> None:
        """Compare the report with what it should say: somebody may have changed or deleted it."""
        self.add_reports((namespace,))

    def reports_served(self) -> None:
        """Write all reports, in the kind that the cluster has now."""
        self.add_reports(self.view.namespaces_to_report())

    def encryption_may_progress(self, policy: str | None) -> None:
        """Reconcile the policy's encryption, which may take its next step."""
        if policy and self.view.sidecars:
            self._queue.add(EncryptionKey(policy))

    def sidecars_changed(self, policy: str | None) -> None:
        """Reconcile the policy's encryption soon, once for all changes within ENCRYPTION_SECONDS."""
        if policy and self.view.sidecars:
            self._queue.add(EncryptionKey(policy), ENCRYPTION_SECONDS)

    def node_lacks_changed(self, node: str) -> None:
        """Tell what the node lacks: on the node, on its pods, and on their policies."""
        self._queue.add(NodeLacksKey(node))
        with_sidecar = [pod for pod in self.view.pods_on(node) if pod.transit]
        for pod in with_sidecar:
            self._queue.add(PodAnnotationsKey(pod.namespace, pod.pod.name))
        for policy in {pod.transit for pod in with_sidecar}:
            self.sidecars_changed(policy)

    def services_changed(self) -> None:
        """Update the transit configs of all policies."""
        for _, policy in self.view.keys(SOVEREIGNTY_POLICY.plural):
            self.encryption_may_progress(policy)

    def transit_config_changed(self, namespace: str, policy: str) -> None:
        """Reconcile what depends on a policy's mode: while it is not Off, its pods need a sidecar."""
        self.encryption_may_progress(policy)
        if namespace == self._own_namespace:
            self._note_sidecars(policy)
        self._add_pods(namespace)
        self.view.pending.roles.add(policy)
        self._queue.add(ClusterKey())

    # Decisions of reconcilers

    def verdicts_changed(self, changes: Changes, *, first: bool) -> None:
        """Reconcile everything that depends on the verdicts that changed; on the ``first``, all."""
        if first:
            self._count_pods()
            self._add_all_sovereign_workloads()
            self._add_pods()
            self.add_reports(self.view.namespaces_to_report())
            return
        if changes.nodes or changes.accepted:
            self._count_pods()
        for pod in (pod for node in changes.nodes for pod in self.view.pods_on(node)):
            self._queue.add(PodAnnotationsKey(pod.namespace, pod.pod.name))
            self._add(self.view.selectors.referring_to_pod(pod.namespace, pod.labels))
            self._count_again((pod,))
            # What a report says of the pod may be something else, even if the pod counts as before.
            self.add_reports((pod.namespace,))
        if changes.policies:
            # Also those on nodes without a verdict.
            self._add_pods()
        if changes.accepted:
            self._add_those_under(changes.accepted)
        for policy in changes.accepted:
            self.add_reports({group.namespace for group in self.view.tally.judged.troubled(policy)})

    def encryption_changed(self, policy: str, *, workloads: bool) -> None:
        """Reconcile everything that shows how far a policy's encryption has come, SovereignWorkloads only if asked."""
        self.view.pending.statuses.add((SOVEREIGNTY_POLICY.plural, policy))
        self._queue.add(ClusterKey())
        if not workloads:
            return
        pods = (*self.view.pods_using(Use.SIDECAR, policy), *self.view.pods_in_scope(policy))
        for namespace in {pod.namespace for pod in pods}:
            self._add_sovereign_workloads(namespace)

    def connections_refused(self, namespace: str, pod: str) -> None:
        """Tell the pod that its sidecar refuses connections."""
        self._queue.add(PodAnnotationsKey(namespace, pod))

    def encryption_known(self, policy: str) -> None:
        """Reconcile everything that waited until it was known how far the policy's encryption has come."""
        self.view.pending.statuses.add((SOVEREIGNTY_POLICY.plural, policy))
        self._queue.add(ClusterKey())
        self._add_those_under({policy})
