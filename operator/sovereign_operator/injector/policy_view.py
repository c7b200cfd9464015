"""What the injector observes: which policy each namespace enforces, which policies encrypt, what sidecars depend on."""

import asyncio
from functools import partial
from itertools import chain, islice
from typing import Any, Final

from sovereign_operator.api.v1alpha1 import SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core.kubernetes.limit_range import Demand, Demanded, Limit
from sovereign_operator.core.sidecar.namespace_facts import NamespaceFacts
from sovereign_operator.injector.avoiding import AvoidingPolicies
from sovereign_operator.injector.ready_namespaces import ReadyNamespaces
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.mirror import Mirror, stalled
from sovereign_operator.kube.objects.sidecar_facts import (
    NamespaceSeen,
    see_handler,
    see_limits,
    see_namespace,
    see_quota,
)
from sovereign_operator.kube.objects.spec import see_spec
from sovereign_operator.kube.objects.transit_config import TransitConfigs, policy_needs_sidecar
from sovereign_operator.kube.unreadable import Unreadable

LAG_SECONDS: Final = 1.5
"""How long to wait for a label that the API server has, and this replica has not observed yet."""
CHECK_SECONDS: Final = 0.05
MOST_LIMIT_RANGES: Final = 100
"""How many LimitRanges of a namespace are looked at: any pod may have the injector do so."""


class PolicyView:
    """Mirrors of namespaces, policies, transit configs, and of what decides about the resources of sidecars."""

    def __init__(self, api: Api, own_namespace: str) -> None:
        self._namespaces: Mirror[NamespaceSeen] = Mirror(
            api, resource.NAMESPACES, see_namespace, _ignore, worst=lambda _: NamespaceSeen("")
        )
        convert = partial(see_spec, model=SovereigntyPolicySpec)
        kind = resource.OURS[SOVEREIGNTY_POLICY.plural]
        self._policies: Mirror[SovereigntyPolicySpec | Unreadable] = Mirror(api, kind, convert, _ignore)
        self._configs = TransitConfigs(api, own_namespace, _ignore)
        self._ready = ReadyNamespaces(api, own_namespace)
        # What of these is not known, the API server checks itself.
        self._limits: Mirror[tuple[Limit, ...]] = Mirror(api, resource.LIMIT_RANGES, see_limits, _ignore)
        self._quotas: Mirror[Demanded] = Mirror(api, resource.QUOTAS, see_quota, _ignore)
        self._handlers: Mirror[str] = Mirror(api, resource.RUNTIME_CLASSES, see_handler, _ignore)
        self._avoiding = AvoidingPolicies(api, own_namespace)

    async def run(self) -> None:
        """Keep all mirrors up to date."""
        async with asyncio.TaskGroup() as group:
            for mirror in self._mirrors():
                group.create_task(mirror.run())

    @property
    def complete(self) -> bool:
        """Whether every mirror has been listed once."""
        return all(mirror.synced.is_set() for mirror in self._mirrors())

    @property
    def stalled(self) -> list[str]:
        """The mirrors that have received no answer of the API server for too long."""
        return stalled(self._mirrors())

    def _mirrors(self) -> tuple[Mirror[Any], ...]:
        return self._namespaces, self._policies, self._configs, self._limits, self._quotas, self._handlers

    def enforced(self, namespace: str) -> str | None:
        """Return the policy that a namespace enforces: its label's value, None without the label."""
        seen = self._namespaces.get(("", namespace))
        return seen.enforced if seen else None

    def namespace_facts(self, namespace: str) -> NamespaceFacts:
        """Return what sidecars of a namespace depend on."""
        seen = self._namespaces.get(("", namespace))
        limits = islice(self._limits.within(namespace).values(), MOST_LIMIT_RANGES)
        demanded: Demanded = frozenset[Demand]().union(*self._quotas.within(namespace).values())
        return NamespaceFacts(
            seen.annotations if seen else {},
            tuple(chain.from_iterable(limits)),
            demanded,
            {name: handler for (_, name), handler in self._handlers.items()},
        )

    async def until_enforced(self, namespace: str) -> None:
        """Wait a moment for the label of a namespace.

        The webhook gets pods in a namespace with the label, and pods with a label of their own. If neither is observed,
        the namespace was created or labelled just now, often by the same command that creates the pod.
        """
        for _ in range(int(LAG_SECONDS / CHECK_SECONDS)):
            if self.enforced(namespace) is not None:
                return
            await asyncio.sleep(CHECK_SECONDS)

    async def until_ready(self, policy: str, namespace: str, *, by_token: bool) -> None:
        """Wait a moment until the guards let pods with sidecars of a policy into a namespace: either may be new."""
        listed = by_token and self.enforced(namespace) == policy
        await self._ready.until_ready(policy, namespace if listed else None)

    async def avoids(self, policy: str) -> bool:
        """Whether new pods of a policy have to avoid refused nodes that keep its label for running pods."""
        # Anybody may name any policy to the webhook. Only answers about existing ones are asked for and kept.
        return self._policies.get(("", policy)) is not None and await self._avoiding.holds(policy)

    def needs_sidecar(self, policy: str) -> bool:
        """Whether pods of a policy get a sidecar. False if the policy does not exist or cannot be read."""
        spec = self._policies.get(("", policy))
        return isinstance(spec, SovereigntyPolicySpec) and policy_needs_sidecar(spec, self._configs.of(policy))


def _ignore(*_: object) -> None:
    """Ignore a change: each review reads the mirrors when it needs them."""
