"""The state of one signer replica: the observed cluster, and the keys that its changes add to the queue."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sovereign_operator.api.v1alpha1 import CLOUD_SERVICE, DATACENTRE, DEROGATION, SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec
from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core import names
from sovereign_operator.core.identity.retirement import State
from sovereign_operator.core.identity.trust_window import SigningTime
from sovereign_operator.core.placement.derogation import Derogation
from sovereign_operator.core.placement.facts import Facts, Pair
from sovereign_operator.core.placement.membership import by_labels, declarations
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.shared_reads import SharedReads
from sovereign_operator.kube.mirror import Mirror, ObjectKey, stalled
from sovereign_operator.kube.objects.derogation import see_derogation
from sovereign_operator.kube.objects.spec import gather, see_spec
from sovereign_operator.kube.refused_writes import RefusedWrites
from sovereign_operator.kube.unreadable import Unreadable
from sovereign_operator.pki.authority import Authority
from sovereign_operator.runtime.bundles import ObservedBundle, see_bundle, worst_bundle
from sovereign_operator.runtime.queue import WorkQueue
from sovereign_operator.runtime.trust_configs import TrustConfigs
from sovereign_operator.signer.fair_share import BACKUP_SECONDS, POD_BURST, POD_RATE, Budgets, is_first
from sovereign_operator.signer.key_store import SERVING_NAME, StoredAuthority, see_held
from sovereign_operator.signer.settings import Settings
from sovereign_operator.signer.waiting import ObservedRequest, WaitingRequests
from sovereign_operator.signer.waits import Waits

SIGNER_PODS = "app.kubernetes.io/component=signer"


@dataclass(frozen=True)
class AuthoritiesKey:
    """The certificate authorities of all policies, and their trust bundles."""


@dataclass(frozen=True)
class RequestKey:
    """One PodCertificateRequest that is not answered yet."""

    namespace: str
    name: str


@dataclass(frozen=True)
class TrustKey:
    """The trust ConfigMaps of one namespace."""

    namespace: str


SignerKey = AuthoritiesKey | RequestKey | TrustKey


@dataclass(frozen=True)
class ObservedNamespace:
    """The fields of a namespace on which its trust ConfigMaps depend."""

    uid: str
    labels: Mapping[str, str]
    ending: bool


@dataclass(frozen=True)
class SigningAuthority:
    """The CA that signs for a pair."""

    name: str
    authority: Authority
    time: SigningTime


class SignerState:
    """What this replica has observed, and which CA signs for which pair."""

    def __init__(self, api: Api, queue: WorkQueue[SignerKey], settings: Settings) -> None:
        self.api = api
        self.queue = queue
        self.settings = settings
        self.leading = False
        """Whether this replica keeps CAs and bundles. All replicas sign."""
        self.moved_authorities: frozenset[str] = frozenset()
        """The names of CAs that this replica moved here and has not all observed yet.

        Until it has, it changes nothing: bundles would trust too few CAs.
        """
        self.signing_authorities: dict[Pair, SigningAuthority] = {}
        """By pair, the CA that signs."""
        self.idle_authorities: Mapping[str, str] = {}
        """The imported CAs that are not used, by name, and why."""
        self._declarations: dict[str, dict[str, str]] | None = None
        """By node, the datacentres that declare it; None after one of them changed."""
        self.budgets = Budgets()
        self.reads = SharedReads()
        self.waits = Waits(api)
        self.pod_budgets = Budgets(POD_RATE, POD_BURST)
        self.refusals = RefusedWrites(api)
        namespace = settings.replica.namespace
        self.services = self._specs(CLOUD_SERVICE.plural, CloudServiceSpec)
        self.datacentres = self._specs(DATACENTRE.plural, DatacentreSpec)
        self.policies = self._specs(SOVEREIGNTY_POLICY.plural, SovereigntyPolicySpec)
        self.derogations: Mirror[Derogation | Unreadable] = Mirror(
            api, resource.OURS[DEROGATION.plural], see_derogation, self._authorities_changed
        )
        self.secrets: Mirror[StoredAuthority] = Mirror(
            api,
            resource.SECRETS,
            see_held,
            self._authorities_changed,
            namespace=settings.keys_namespace,
            label_selector=names.AUTHORITY_LABEL,
        )
        self.bundles: Mirror[ObservedBundle] = Mirror(
            api,
            resource.TRUST_BUNDLES,
            see_bundle,
            self._authorities_changed,
            worst=worst_bundle,
            label_selector=names.TRUST_BUNDLE_LABEL,
            optional=True,
        )
        self.trust = TrustConfigs(api, namespace, self._trust_changed) if settings.certificate_port else None
        """The trust ConfigMaps; None if no sidecar asks with a token."""
        self.namespaces: Mirror[ObservedNamespace] = Mirror(
            api, resource.NAMESPACES, _see_namespace, lambda key, _old, _new: self.queue.add(TrustKey(key[1]))
        )
        self.requests = WaitingRequests(api, self._request_changed)
        self._replicas: Mirror[str] = Mirror(
            api, resource.PODS, _running_name, lambda *_: None, namespace=namespace, label_selector=SIGNER_PODS
        )

    def _specs(self, plural: str, model: Any) -> Mirror[Any]:
        convert = partial(see_spec, model=model)
        return Mirror(self.api, resource.OURS[plural], convert, self._specs_changed)

    def _specs_changed(self, key: ObjectKey, old: object, new: object) -> None:
        self._authorities_changed(key, old, new)
        if isinstance(old or new, SovereigntyPolicySpec):
            self.keep_all_trust()

    async def run(self) -> None:
        """Keep all mirrors up to date."""
        async with asyncio.TaskGroup() as group:
            for mirror in self._mirrors():
                group.create_task(mirror.run())

    async def until_complete(self) -> None:
        """Wait until every mirror has been listed once."""
        for mirror in self._mirrors():
            await mirror.synced.wait()

    @property
    def complete(self) -> bool:
        """Whether every mirror has been listed once."""
        return all(mirror.synced.is_set() for mirror in self._mirrors())

    @property
    def stalled(self) -> list[str]:
        """The mirrors that have received neither an event nor a list for too long."""
        return stalled(self._mirrors())

    def _mirrors(self) -> Iterator[Mirror[Any]]:
        yield from (self.services, self.datacentres, self.policies, self.derogations)
        yield from (self.secrets, self.bundles, self.requests, self._replicas)
        if self.trust:
            yield self.namespaces
            yield from self.trust.mirrors

    def _authorities_changed(self, _key: ObjectKey, _old: object, _new: object) -> None:
        self._declarations = None
        self.queue.add(AuthoritiesKey())

    def _trust_changed(self, namespace: str, _policy: str) -> None:
        if namespace == self.settings.replica.namespace:
            self.queue.add(AuthoritiesKey())
            self.keep_all_trust()
        else:
            self.queue.add(TrustKey(namespace))

    def keep_all_trust(self) -> None:
        """Compare the trust ConfigMaps of all namespaces with the records again."""
        for _, name in self.namespaces:
            self.queue.add(TrustKey(name))

    def _request_changed(self, key: ObjectKey, _old: ObservedRequest | None, new: ObservedRequest | None) -> None:
        if new is None:
            return
        self.queue.add(RequestKey(*key), 0.0 if self.is_first(new) else BACKUP_SECONDS)

    def is_first(self, seen: ObservedRequest) -> bool:
        """Whether this replica is the first to answer a request."""
        return is_first(self.settings.replica.identity, self._replicas.values(), seen.request.uid)

    def forget(self, now: float) -> None:
        """Forget what is no longer needed. ``now`` is the event loop's time."""
        self.budgets.forget(now)
        self.pod_budgets.forget(now)
        self.waits.forget(now)

    def retry_requests(self) -> None:
        """Answer all waiting requests again, as what they wait for may have happened."""
        for key in self.requests:
            self.queue.add(RequestKey(*key))

    def facts(self) -> Facts:
        """Gather what trust windows depend on. Nodes do not matter to them."""
        return gather(self.services, self.datacentres, self.policies, self.derogations, self.api.clock.now())

    def facts_of(self, node: str) -> Facts:
        """Gather what a node's verdict depends on, with only those datacentres that may claim it."""
        facts = self.facts()
        if self._declarations is None:
            self._declarations = declarations(facts.datacentres)
        near = by_labels(facts.datacentres).keys() | self._declarations.get(node, {}).keys()
        return replace(facts, datacentres={name: facts.datacentres[name] for name in near & facts.datacentres.keys()})

    def bundles_of(self, policy: str) -> list[ObservedBundle]:
        """Return a policy's trust bundle in each form that exists."""
        record = self.trust.record(policy) if self.trust else None
        found = self.bundles.get(("", names.trust_bundle(policy))), record and record.bundle
        return [seen for seen in found if seen]

    def all_bundles(self) -> list[ObservedBundle]:
        """Return the trust bundles of all policies, in each form."""
        records = self.trust.records.values() if self.trust else ()
        return [*self.bundles.values(), *(record.bundle for record in records)]

    @property
    def trusted_since(self) -> datetime | None:
        """When the newest authority of the operator began that pods trust, by a bundle in either form; None if none."""
        anchors = (anchor for seen in self.all_bundles() for anchor in seen.anchors if anchor.datacentre)
        return max((anchor.not_before for anchor in anchors), default=None)

    @property
    def serving_authority(self) -> Authority | None:
        """The authority of the signer's own serving certificates; None if it is not there or cannot be used."""
        held = self.secrets.get((self.settings.keys_namespace, SERVING_NAME))
        return held.authority if held and held.state is State.SERVING else None

    def held(self) -> dict[str, StoredAuthority]:
        """Return all CAs of the store, by name."""
        return {name: held for (_, name), held in self.secrets.items()}


def _see_namespace(obj: Json) -> ObservedNamespace:
    metadata = obj["metadata"]
    return ObservedNamespace(metadata["uid"], metadata.get("labels", {}), "deletionTimestamp" in metadata)


def _running_name(obj: Json) -> str | None:
    """Return the name of a running replica; None for a pod that does not run."""
    running = obj.get("status", {}).get("phase") == "Running" and "deletionTimestamp" not in obj["metadata"]
    return str(obj["metadata"]["name"]) if running else None
