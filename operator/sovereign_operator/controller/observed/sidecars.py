"""What the controller sees of sidecars, where the chart installs them: what they are told, and what they say."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.controller.observed.agents import Agents
from sovereign_operator.controller.observed.services import Services
from sovereign_operator.controller.observed.sidecar_polling import SidecarPolling
from sovereign_operator.core import names
from sovereign_operator.core.encryption.disconnects import TrustedAnchor
from sovereign_operator.core.encryption.rollout import LADDER, ObservedEncryption, claim
from sovereign_operator.core.sidecar.contract import transit_config_map
from sovereign_operator.core.workload.facts import WorkloadEncryption
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import Mirror, ObjectKey
from sovereign_operator.kube.objects.pod import ObservedPod
from sovereign_operator.kube.objects.transit_config import TransitConfig, see_transit_config

T = TypeVar("T")


class Sidecars:
    """All of them, and how far the encryption of their policies has come."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        dns: tuple[str, str],
        *,
        pods: Callable[[], Iterable[ObservedPod]],
        policy_changed: Callable[[str], None],
        services_changed: Callable[[], None],
        told_changed: Callable[[str, str], None],
    ) -> None:
        self.namespace = namespace
        """The operator's own, where it is recorded how far policies have come."""
        self.services = Services(api, dns, services_changed)
        self.traffic = SidecarPolling(api.clock.now, pods, policy_changed, self.claimant)
        self.agents = Agents(api, namespace, policy_changed)
        self.seen: dict[str, ObservedEncryption] = {}
        """How far each policy has come."""
        self._told_changed = told_changed
        self._watched: dict[str, tuple[EncryptionMode, datetime]] = {}
        self._asked_for: dict[str, tuple[EncryptionMode, float]] = {}
        self._gone: dict[str, dict[TrustedAnchor, float]] = {}
        self.mirror: Mirror[TransitConfig] = Mirror(
            api, resource.CONFIG_MAPS, see_transit_config, self._take, label_selector=names.TRANSIT_LABEL
        )

    def told(self, namespace: str, policy: str) -> TransitConfig | None:
        """Return what the sidecars of a namespace that go by a policy are told."""
        return self.mirror.get((namespace, transit_config_map(policy)))

    def told_of(self, policy: str) -> dict[str, TransitConfig]:
        """Return what is told of a policy, by namespace."""
        return {namespace: told for (namespace, _), told in self.mirror.items() if told.policy == policy}

    def record(self, policy: str) -> TransitConfig | None:
        """Return what was told last of a policy, in the end everywhere; None if nothing ever was."""
        told = self.told_of(policy)
        # Should somebody have deleted it: what was told in some namespaces only is told again.
        return told.get(self.namespace) or min(
            told.values(), key=lambda one: LADDER.index(one.encryption_mode), default=None
        )

    def of_pods(self, policy: str, pods: Iterable[ObservedPod]) -> WorkloadEncryption | None:
        """Return what is known of the sidecars of some pods in scope of a policy; None if it does not encrypt."""
        seen = self.seen.get(policy)
        if seen is None:
            return None
        pods = [*pods]
        with_one = [pod for pod in pods if pod.transit == policy]
        loaded = [pod for pod in with_one if self._has_loaded(pod)]
        past = [pod for pod in with_one if pod.bypass]
        talking = [pod for pod in with_one if self.traffic.said(pod).plain_open]
        names_of = (frozenset(pod.pod.name for pod in some) for some in (with_one, loaded, past, talking))
        silence = seen.silence.of(f"{pod.namespace}/{pod.pod.name}" for pod in with_one)
        return WorkloadEncryption(
            seen.step.mode,
            seen.wanted,
            *names_of,
            silence=silence,
            static=frozenset(pod.pod.name for pod in pods if pod.beyond_injection),
            claimed=frozenset(claim(pod.pod.name, by) for pod in with_one if (by := self.claimant(pod))),
        )

    def claimant(self, pod: ObservedPod) -> str:
        """Return a Service that may answer in place of a pod; empty if none may."""
        return self.services.claimant(pod.addresses)

    def _has_loaded(self, pod: ObservedPod) -> bool:
        told = self.told(pod.namespace, pod.transit)
        return told is not None and self.traffic.said(pod).loaded == told.version

    def watched_since(self, policy: str, mode: EncryptionMode, now: datetime) -> datetime:
        """Return since when this replica has watched a policy in its mode."""
        return _since(self._watched, policy, mode, now)

    def asked_for_since(self, policy: str, mode: EncryptionMode, now: float) -> float:
        """Return since when a policy has been seen to ask for its mode. ``now``: the event loop's time."""
        return _since(self._asked_for, policy, mode, now)

    def gone_for(self, policy: str, gone: Iterable[TrustedAnchor], now: float) -> dict[TrustedAnchor, float]:
        """Return for how many seconds each has been seen to be trusted no more. ``now``: the event loop's time."""
        before = self._gone.pop(policy, {})
        self._gone[policy] = {one: before.get(one, now) for one in gone}
        return {one: now - since for one, since in self._gone[policy].items()}

    def _take(self, key: ObjectKey, old: TransitConfig | None, new: TransitConfig | None) -> None:
        for policy in {told.policy for told in (old, new) if told}:
            self._told_changed(key[0], policy)


def _since(known: dict[str, tuple[EncryptionMode, T]], policy: str, mode: EncryptionMode, now: T) -> T:
    """Return when a policy was first seen with this mode, which is now if it had another one before."""
    if policy not in known or known[policy][0] is not mode:
        known[policy] = mode, now
    return known[policy][1]
