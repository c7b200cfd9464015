"""What the controller observes of sidecars, if the chart installs encryption: their transit configs and their state."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.controller.observed.agents import Agents
from sovereign_operator.controller.observed.obstacles import Obstacles
from sovereign_operator.controller.observed.services import Services
from sovereign_operator.controller.observed.sidecar_polling import SidecarPolling
from sovereign_operator.core import names
from sovereign_operator.core.encryption.disconnects import TrustedAnchor
from sovereign_operator.core.encryption.rollout import LADDER, ObservedEncryption, claim
from sovereign_operator.core.sidecar.contract import transit_config_map
from sovereign_operator.core.workload.facts import WorkloadEncryption
from sovereign_operator.kube.by_policy import ByPolicy
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import Mirror, ObjectKey
from sovereign_operator.kube.objects.pod import ObservedPod
from sovereign_operator.kube.objects.transit_config import TransitConfig, see_transit_config

T = TypeVar("T")


class Sidecars:
    """All sidecars, and how far the encryption of their policies has come."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        dns: tuple[str, str],
        *,
        pods: Callable[[], Iterable[ObservedPod]],
        policy_changed: Callable[[str], None],
        services_changed: Callable[[], None],
        config_changed: Callable[[str, str], None],
        lacks_changed: Callable[[str], None],
    ) -> None:
        self.namespace = namespace
        """The operator's own, whose transit configs record how far policies have come."""
        self.services = Services(api, dns, services_changed)
        self.obstacles = Obstacles(api, services_changed)
        self.polling = SidecarPolling(api.clock.now, pods, policy_changed, self.claimant)
        self.agents = Agents(api, namespace, policy_changed, lacks_changed)
        self.seen: dict[str, ObservedEncryption] = {}
        """How far each policy has come, as last reconciled."""
        self._unasked: dict[str, frozenset[str]] = {}
        """By policy, the uids of the pods that ran when it was first reconciled, and are yet to be polled."""
        self._config_changed = config_changed
        self._configs: ByPolicy[TransitConfig] = ByPolicy()
        self._watched: dict[str, tuple[EncryptionMode, datetime]] = {}
        self._wanted: dict[str, tuple[EncryptionMode, float]] = {}
        self._gone: dict[str, dict[TrustedAnchor, float]] = {}
        self.mirror: Mirror[TransitConfig] = Mirror(
            api, resource.CONFIG_MAPS, see_transit_config, self._take, label_selector=names.TRANSIT_LABEL
        )

    def config(self, namespace: str, policy: str) -> TransitConfig | None:
        """Return the transit config that the sidecars of a policy load in a namespace."""
        return self.mirror.get((namespace, transit_config_map(policy)))

    def configs_of(self, policy: str) -> Mapping[str, TransitConfig]:
        """Return the transit configs of a policy, by namespace."""
        return self._configs.of(policy)

    def record(self, policy: str) -> TransitConfig | None:
        """Return the transit config that records how far a policy has come; None if it never encrypted."""
        configs = self.configs_of(policy)
        # If somebody deleted the record, the least encrypted namespace counts: a step that is taken twice harms nobody.
        return configs.get(self.namespace) or min(
            configs.values(), key=lambda config: LADDER.index(config.encryption_mode), default=None
        )

    def publish(self, policy: str, seen: ObservedEncryption) -> bool:
        """Publish how far a policy has come. Return whether that differs from before."""
        changed, self.seen[policy] = self.seen.get(policy) != seen, seen
        if (before := self._unasked.get(policy)) != frozenset():
            left = self.polling.never_polled(policy)
            self._unasked[policy] = left if before is None else left & before
        return changed

    def forget(self, policy: str) -> None:
        """Forget a policy that does not encrypt."""
        self.seen.pop(policy, None)
        self._unasked.pop(policy, None)

    def is_known(self, policy: str, spec: SovereigntyPolicySpec) -> bool:
        """Whether it is known how far a policy has come: after a restart, once each of its sidecars was polled.

        Until then nothing is reported of it: each restart would tell people that no sidecar has loaded its settings.
        """
        return self._unasked.get(policy) == frozenset() or not (spec.encryption_in_transit or self.record(policy))

    def of_pods(self, policy: str, pods: Iterable[ObservedPod]) -> WorkloadEncryption | None:
        """Return the state of the sidecars of some pods in scope of a policy; None if the policy does not encrypt."""
        seen = self.seen.get(policy)
        if seen is None:
            return None
        pods = [*pods]
        with_sidecar = [pod for pod in pods if pod.transit == policy]
        loaded = [pod for pod in with_sidecar if self._has_loaded(pod)]
        bypassed = [pod for pod in with_sidecar if pod.bypass]
        plain = [pod for pod in with_sidecar if self.polling.stats(pod).plain_open]
        pod_names = (frozenset(pod.pod.name for pod in some) for some in (with_sidecar, loaded, bypassed, plain))
        silence = seen.silence.of(f"{pod.namespace}/{pod.pod.name}" for pod in with_sidecar)
        return WorkloadEncryption(
            seen.step.mode,
            seen.wanted,
            *pod_names,
            silence=silence,
            static=frozenset(pod.pod.name for pod in pods if pod.beyond_injection),
            claimed=frozenset(claim(pod.pod.name, by) for pod in with_sidecar if (by := self.claimant(pod))),
        )

    def claimant(self, pod: ObservedPod) -> str:
        """Return a Service that claims an address of a pod, and may answer in its place; empty if none does."""
        return self.services.claimant(pod.addresses)

    def _has_loaded(self, pod: ObservedPod) -> bool:
        config = self.config(pod.namespace, pod.transit)
        return config is not None and self.polling.stats(pod).loaded == config.version

    def watched_since(self, policy: str, mode: EncryptionMode, now: datetime) -> datetime:
        """Return since when this replica has observed a policy in its mode."""
        return _since(self._watched, policy, mode, now)

    def wanted_since(self, policy: str, mode: EncryptionMode, now: float) -> float:
        """Return since when a policy's spec has had its mode. ``now``: the event loop's time."""
        return _since(self._wanted, policy, mode, now)

    def gone_for(self, policy: str, gone: Iterable[TrustedAnchor], now: float) -> dict[TrustedAnchor, float]:
        """Return for how many seconds each anchor has not been trusted. ``now``: the event loop's time."""
        before = self._gone.pop(policy, {})
        self._gone[policy] = {anchor: before.get(anchor, now) for anchor in gone}
        return {anchor: now - since for anchor, since in self._gone[policy].items()}

    def _take(self, key: ObjectKey, old: TransitConfig | None, new: TransitConfig | None) -> None:
        for policy in self._configs.take(key, old, new):
            self._config_changed(key[0], policy)


def _since(known: dict[str, tuple[EncryptionMode, T]], policy: str, mode: EncryptionMode, now: T) -> T:
    """Return when a policy was first seen with this mode: now, if it had another one before."""
    if policy not in known or known[policy][0] is not mode:
        known[policy] = mode, now
    return known[policy][1]
