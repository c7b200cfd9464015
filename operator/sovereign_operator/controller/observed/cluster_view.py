"""Answers questions about the cluster as the controller has observed it, from mirrors and kopf's indexes."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from sovereign_operator.api.v1alpha1 import (
    CLOUD_SERVICE,
    DATACENTRE,
    DEROGATION,
    SOVEREIGN_WORKLOAD,
    SOVEREIGNTY_POLICY,
)
from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec
from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.controller.observed.changes import AllChanges
from sovereign_operator.controller.observed.guards import GuardWatch
from sovereign_operator.controller.observed.identity import ObservedIdentity
from sovereign_operator.controller.observed.kubelets import FormerKubelets
from sovereign_operator.controller.observed.mirrors import Mirrors
from sovereign_operator.controller.observed.own_objects import OwnObjects
from sovereign_operator.controller.observed.pending import Pending
from sovereign_operator.controller.observed.pod_index import PodIndex, Use
from sovereign_operator.controller.observed.pod_tally import PodTally
from sovereign_operator.controller.observed.references import WorkloadReferences
from sovereign_operator.controller.observed.reports import ObservedReports
from sovereign_operator.controller.observed.selectors import Selectors
from sovereign_operator.controller.observed.sidecars import Sidecars
from sovereign_operator.controller.settings import Settings
from sovereign_operator.core import names
from sovereign_operator.core.kubernetes.selector import Selector
from sovereign_operator.core.placement.facts import Facts, Node
from sovereign_operator.core.workload.facts import Workload
from sovereign_operator.core.workload.scope import (
    Judge,
    effective_policy,
    enforced_policy,
    judges_of_pod,
    judges_pods,
    policy_of_pod,
)
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.mirror import ObjectKey
from sovereign_operator.kube.objects.derogation import see_derogation
from sovereign_operator.kube.objects.pod import ObservedPod
from sovereign_operator.kube.objects.spec import M, Specs, gather, readable, see_spec
from sovereign_operator.kube.objects.transit_config import policy_needs_sidecar
from sovereign_operator.runtime.trust_configs import TrustConfigs


class ClusterView:
    """The cluster, as last observed."""

    def __init__(self, api: Api, settings: Settings, changes: AllChanges) -> None:
        self._now = api.clock.now
        self.system_namespaces = settings.replica.system_namespaces
        self.mirrors = Mirrors(api, settings, changes)
        self.references = WorkloadReferences()
        self.pending = Pending()
        self.selectors = Selectors()
        self.tally = PodTally()
        self.former_kubelets = FormerKubelets()
        self._pods = PodIndex()
        self.own = OwnObjects()
        self.guards = GuardWatch(
            api,
            settings.replica.namespace,
            settings.guards,
            changed=changes.guards_changed,
            findings_changed=changes.guard_findings_changed,
        )
        self.mirrors.add(self.guards.mirrors.values())
        own = settings.replica.namespace
        trust = TrustConfigs(api, own, changes.trust_config_changed) if settings.dns else None
        self.identity = (
            ObservedIdentity(
                api, api.clock.now, self.pod, changes.certificate_changed, changes.bundle_changed, trust=trust
            )
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
                policy_changed=changes.sidecars_changed,
                services_changed=changes.services_changed,
                config_changed=changes.transit_config_changed,
                lacks_changed=changes.node_lacks_changed,
            )
            if settings.dns
            else None
        )
        if self.sidecars:
            self.mirrors.add((self.sidecars.mirror, self.sidecars.agents.mirror))
        self.reports = (
            ObservedReports(api, changes.report_changed, changes.reports_served) if settings.with_reports else None
        )
        if self.reports:
            self.mirrors.add(self.reports.mirrors)

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
        return self._pods.all(namespace)

    def pod(self, namespace: str, name: str) -> ObservedPod | None:
        """Return one pod, if it is among those that are watched."""
        return self._pods.get(namespace, name)

    def pods_on(self, node: str) -> Iterator[ObservedPod]:
        """Yield the watched pods that are bound to a node."""
        return self._pods.on(node)

    def pods_using(self, use: Use, name: str) -> Iterator[ObservedPod]:
        """Yield the watched pods that use the policy or trust bundle of this name."""
        return self._pods.using(use, name)

    def pods_selected(self, namespace: str, selectors: Iterable[Selector]) -> dict[str, ObservedPod]:
        """Return the watched pods of a namespace that one of these selectors selects, by name."""
        return {pod.pod.name: pod for selector in selectors for pod in self._pods.selected(namespace, selector)}

    def note_pod(self, key: ObjectKey) -> None:
        """Index a pod as it is now. Two mirrors may hold it for a moment: that of placed pods, and its namespace's."""
        self._pods.update(key, self.mirrors.pod(*key))
        self.tally.note((key,))

    def follow_pods(self) -> None:
        """Watch the pods of the namespaces where a policy may judge any, and forget those of namespaces that left."""
        for key in self.mirrors.follow_pods(set(self.namespaces_to_follow())):
            self.note_pod(key)

    def workload(self, kind: WorkloadKind, namespace: str, name: str) -> Workload | None:
        """Return a workload that carries our label."""
        return self.mirrors.labelled[kind].get((namespace, name))

    # Which policy is in effect

    def enforced(self, namespace: str) -> str | None:
        """Return the value of a namespace's enforce label, or None if it is not in scope."""
        return None if namespace in self.system_namespaces else enforced_policy(self.labels_of(namespace))

    def labels_of(self, namespace: str) -> Mapping[str, str]:
        """Return the labels of a namespace; none if it does not exist."""
        found = self.object("namespaces", namespace) or {"metadata": {}}
        labels: Mapping[str, str] = found["metadata"].get("labels", {})
        return labels

    def namespaces_to_follow(self) -> Iterator[str]:
        """Yield the namespaces in which a pod may be held to a policy, or have one tried on it."""
        for _, name in self.keys("namespaces"):
            if self.judges_pods(name):
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

    def judges_pods(self, namespace: str) -> bool:
        """Whether a namespace exists that holds its pods to a policy, or tries one on them."""
        return namespace not in self.system_namespaces and judges_pods(self.labels_of(namespace))

    def namespaces_to_report(self) -> set[str]:
        """Return the namespaces that should have a report, and those that have one."""
        judging = {name for _, name in self.keys("namespaces") if self.judges_pods(name)}
        return judging | {*self.tally.judged.namespaces} | (self.reports.namespaces if self.reports else set())

    def judges_of(self, pod: ObservedPod) -> tuple[Judge, ...]:
        """Return the policies that judge a pod: the one that it is held to, and those that its namespace tries."""
        return judges_of_pod(pod.namespace, self.labels_of(pod.namespace), pod.labels, self.system_namespaces)

    def pods_in_scope(self, policy: str) -> Iterator[ObservedPod]:
        """Yield the watched pods that are held to a policy."""
        enforcing = [name for _, name in self.keys("namespaces") if self.enforced(name) == policy]
        for namespace in enforcing:
            yield from self.pods(namespace)
        for pod in self.pods_using(Use.NAMES, policy):
            if pod.namespace not in enforcing and self.policy_of(pod) == policy:
                yield pod

    def policy_in_effect(self, namespace: str, named: str | None) -> str | None:
        """Return the policy in effect for a SovereignWorkload that names this one."""
        return effective_policy(self.enforced(namespace), named)

    def placed_for(self, pod: ObservedPod) -> str | None:
        """Return the policy that admission placed a pod for, whose node label it needs to go on running.

        Admission writes that label on the pods that it places, and on no others. A static pod may carry it as well.
        """
        placed = pod.labels.get(names.PLACED_LABEL)
        if pod.static or pod.namespace in self.system_namespaces or placed not in pod.pod.placed_for:
            return None
        return placed

    def occupies(self, pod: ObservedPod | None) -> tuple[()] | tuple[tuple[str, str]]:
        """Return node and policy if a pod needs the policy's label on the node to go on running there."""
        policy = self.placed_for(pod) if pod and not pod.ended else None
        return ((pod.pod.node, policy),) if pod and pod.pod.node and policy else ()

    def occupied(self, node: str) -> frozenset[str]:
        """Return the policies whose label pods need on a node to go on running there."""
        return frozenset(policy for pod in self.pods_on(node) for _, policy in self.occupies(pod))

    def needs_sidecar(self, policy: str, spec: SovereigntyPolicySpec) -> bool:
        """Whether the pods of a policy need a sidecar."""
        return policy_needs_sidecar(spec, self.sidecars.record(policy) if self.sidecars else None)

    def knows_encryption(self, policy: str, spec: SovereigntyPolicySpec | None) -> bool:
        """Whether it is known how far a policy's encryption has come, if it encrypts. ``spec``: None if unreadable."""
        return self.sidecars is None or spec is None or self.sidecars.is_known(policy, spec)

    def _with_sidecars(self) -> Iterable[ObservedPod]:
        """Return the pods whose sidecar is to be polled: in scope of the sidecar's policy, which encrypts or did.

        Outside the scope of a policy no guard checks a pod's sidecar, so anyone may create a pod that claims to have
        one; the controller must not connect to it. Sidecars of a policy that is back at Off exist until their pods end,
        and are polled until they have loaded Off.
        """
        if self.sidecars is None:
            return ()
        seen, record = self.sidecars.seen, self.sidecars.record
        encrypting = {policy for policy in seen if seen[policy].needs_sidecar or record(policy)}
        return (
            pod
            for policy in encrypting
            for pod in self.pods_using(Use.SIDECAR, policy)
            if self.policy_of(pod) == policy
        )

    # What verdicts depend on

    def facts(self) -> Facts:
        """Gather what verdicts depend on, apart from nodes."""
        return gather(
            self._specs(CLOUD_SERVICE.plural, CloudServiceSpec),
            self._specs(DATACENTRE.plural, DatacentreSpec),
            self._specs(SOVEREIGNTY_POLICY.plural, SovereigntyPolicySpec),
            self.own.read(DEROGATION.plural, self.objects(DEROGATION.plural), see_derogation),
            self._now(),
            hosts={
                seen.policy: seen.hosts
                for (_, name), seen in self.mirrors.roles.items()
                if name == names.host_role(seen.policy)
            },
        )

    def observed_nodes(self, names: Iterable[str]) -> dict[str, Node | None]:
        """Return these nodes; None: gone."""
        seen = {name: self.mirrors.nodes.get(("", name)) for name in names}
        return {name: observed.node if observed else None for name, observed in seen.items()}

    def policies(self) -> dict[str, SovereigntyPolicySpec]:
        """Return the policies that can be read, by name."""
        return readable(self._specs(SOVEREIGNTY_POLICY.plural, SovereigntyPolicySpec))

    def _specs(self, plural: str, model: type[M]) -> Specs[M]:
        return self.own.read(plural, self.objects(plural), partial(see_spec, model=model))
