"""What can be asked about all that the controller has seen."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from sovereign_operator.api.v1alpha1 import CLOUD_SERVICE, DATACENTRE, SOVEREIGN_WORKLOAD, SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec
from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.controller.observed.guards import GuardWatch
from sovereign_operator.controller.observed.identity import ObservedIdentity
from sovereign_operator.controller.observed.mirrors import Changes, Mirrors
from sovereign_operator.controller.observed.references import WorkloadReferences
from sovereign_operator.controller.observed.sidecars import Sidecars
from sovereign_operator.controller.settings import Settings
from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.workload.facts import Workload
from sovereign_operator.core.workload.scope import enforced_policy, policy_of_pod
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.mirror import ObjectKey
from sovereign_operator.kube.objects.pod import ObservedPod
from sovereign_operator.kube.objects.spec import M, Specs, gather, readable, see_spec
from sovereign_operator.kube.objects.transit_config import encrypts
from sovereign_operator.kube.unreadable import Unreadable, UnreadableObjects


class AllChanges(Changes, Protocol):
    """Who is told of changes of what is made of several objects, too."""

    def guards_changed(self) -> None:
        """Take note that an admission policy or webhook of the chart has changed."""

    def guards_judged(self) -> None:
        """Take note that something else is wrong with them than before."""

    def certificate_changed(self, namespace: str, pod: str) -> None:
        """Take note that a pod got a certificate."""

    def bundle_changed(self, name: str) -> None:
        """Take note of a change of a trust bundle."""

    def encryption_seen(self, policy: str) -> None:
        """Take note that sidecars or agents have said something about a policy's encryption."""

    def services_changed(self) -> None:
        """Take note of a change of where plaintext is always sent."""

    def orders_changed(self, namespace: str, policy: str) -> None:
        """Take note of a change of what the sidecars of a namespace are told."""


class ClusterView:
    """The cluster, as last seen."""

    def __init__(self, api: Api, settings: Settings, changes: AllChanges) -> None:
        self._now = api.clock.now
        self.system_namespaces = settings.replica.system_namespaces
        self.mirrors = Mirrors(api, settings, changes)
        self.speakers = WorkloadReferences()
        self.unreadable = {plural: UnreadableObjects(plural) for plural in resource.OURS}
        """What kopf has indexed and cannot be read."""
        self.guards = GuardWatch(
            api,
            settings.replica.namespace,
            settings.guards,
            changed=changes.guards_changed,
            judged=changes.guards_judged,
        )
        self.mirrors.add(self.guards.mirrors.values())
        self.identity = (
            ObservedIdentity(api, api.clock.now, self.pod, changes.certificate_changed, changes.bundle_changed)
            if settings.with_signer
            else None
        )
        if self.identity:
            self.mirrors.add(self.identity.mirrors())
        self.sidecars = (
            Sidecars(
                api,
                settings.replica.namespace,
                settings.dns,
                pods=self._with_sidecars,
                policy_changed=changes.encryption_seen,
                services_changed=changes.services_changed,
                told_changed=changes.orders_changed,
            )
            if settings.dns
            else None
        )
        if self.sidecars:
            self.mirrors.add((self.sidecars.mirror, self.sidecars.agents.mirror))

    # Objects

    def keys(self, plural: str) -> Iterable[ObjectKey]:
        """Return the keys of the objects that kopf watches."""
        return self.mirrors.kinds.get(plural, {}).keys()

    def objects(self, plural: str) -> Mapping[ObjectKey, Json]:
        """Return the objects that kopf watches, by key."""
        return {key: next(iter(found)) for key, found in self.mirrors.kinds.get(plural, {}).items()}

    def object(self, plural: str, name: str, namespace: str = "") -> Json | None:
        """Return one object that kopf watches."""
        found = self.mirrors.kinds.get(plural, {}).get((namespace, name))
        return next(iter(found)) if found else None

    def pods(self, namespace: str | None = None) -> Iterable[ObservedPod]:
        """Return the pods that are watched, of one namespace or all, each once."""
        return self.mirrors.pods(namespace)

    def pod(self, namespace: str, name: str) -> ObservedPod | None:
        """Return one pod, if it is among those that are watched."""
        return self.mirrors.pod(namespace, name)

    def workload(self, kind: WorkloadKind, namespace: str, name: str) -> Workload | None:
        """Return a workload that carries our label."""
        return self.mirrors.labelled[kind].get((namespace, name))

    # Who is held to which policy

    def enforced(self, namespace: str) -> str | None:
        """Return the value of a namespace's enforce label, or None if it is not in scope."""
        if namespace in self.system_namespaces:
            return None
        found = self.object("namespaces", namespace) or {"metadata": {}}
        return enforced_policy(found["metadata"].get("labels", {}))

    def namespaces_in_scope(self) -> Iterator[str]:
        """Yield the namespaces in which something may be in scope."""
        for _, name in self.keys("namespaces"):
            if self.enforced(name) is not None:
                yield name
        for namespace, _ in self.keys(SOVEREIGN_WORKLOAD.plural):
            if namespace not in self.system_namespaces:
                yield namespace

    def namespace_labels(self) -> dict[str, Mapping[str, str]]:
        """Return the labels of each namespace that can be in scope."""
        return {
            name: obj["metadata"].get("labels", {})
            for (_, name), obj in self.objects("namespaces").items()
            if name not in self.system_namespaces
        }

    def policy_of(self, pod: ObservedPod) -> str | None:
        """Return the policy that a pod is held to, or None if it is not in scope."""
        return policy_of_pod(pod.namespace, self.enforced(pod.namespace), pod.labels, self.system_namespaces)

    def placed_for(self, pod: ObservedPod) -> str | None:
        """Return the policy that admission placed a pod for, whose node label it needs to go on running.

        Admission writes that label on what it places, and on nothing else. A node can run a static pod that says so.
        """
        placed = pod.labels.get(names.PLACED_LABEL)
        if pod.static or pod.namespace in self.system_namespaces or placed not in pod.pod.placed_for:
            return None
        return placed

    def occupied(self) -> frozenset[tuple[str, str]]:
        """Return (node, policy) for each node on which a pod that needs that policy's label has not ended."""
        placed = ((pod.pod.node, self.placed_for(pod)) for pod in self.mirrors.placed_pods.values() if not pod.ended)
        return frozenset((node, policy) for node, policy in placed if node and policy)

    def encrypts(self, policy: str, spec: SovereigntyPolicySpec) -> bool:
        """Whether the pods of a policy need a sidecar."""
        return encrypts(spec, self.sidecars.record(policy) if self.sidecars else None)

    def _with_sidecars(self) -> Iterable[ObservedPod]:
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

    # What verdicts depend on

    def facts(self) -> Facts:
        """Gather what verdicts depend on."""
        return gather(
            self._specs(CLOUD_SERVICE.plural, CloudServiceSpec),
            self._specs(DATACENTRE.plural, DatacentreSpec),
            self._specs(SOVEREIGNTY_POLICY.plural, SovereigntyPolicySpec),
            self._now(),
            nodes={name: seen.node for (_, name), seen in self.mirrors.nodes.items()},
            hosts={
                seen.policy: seen.hosts
                for (_, name), seen in self.mirrors.roles.items()
                if name == names.host_role(seen.policy)
            },
        )

    def policies(self) -> dict[str, SovereigntyPolicySpec]:
        """Return the policies that can be read, by name."""
        return readable(self._specs(SOVEREIGNTY_POLICY.plural, SovereigntyPolicySpec))

    def _specs(self, plural: str, model: type[M]) -> Specs[M]:
        found = {key: see_spec(obj, model) for key, obj in self.objects(plural).items()}
        for key, spec in found.items():
            self.unreadable[plural].note(key, spec.error if isinstance(spec, Unreadable) else "")
        self.unreadable[plural].keep(found)
        return {key: spec for key, spec in found.items() if spec is not None}
