"""What the injector observes: which policy each namespace enforces, and which policies encrypt."""

import asyncio
from functools import partial
from typing import Any, Final

from sovereign_operator.api.v1alpha1 import SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core.workload.scope import enforced_policy
from sovereign_operator.injector.ready_namespaces import ReadyNamespaces
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.mirror import Mirror, stalled
from sovereign_operator.kube.objects.spec import see_spec
from sovereign_operator.kube.objects.transit_config import TransitConfigs, policy_needs_sidecar
from sovereign_operator.kube.unreadable import Unreadable

LAG_SECONDS: Final = 1.5
"""How long to wait for a label that the API server has, and this replica has not observed yet."""
CHECK_SECONDS: Final = 0.05


class PolicyView:
    """Mirrors of namespaces, policies, and transit configs."""

    def __init__(self, api: Api, own_namespace: str) -> None:
        self._namespaces: Mirror[str] = Mirror(api, resource.NAMESPACES, see_enforced, _ignore, worst=lambda _: "")
        convert = partial(see_spec, model=SovereigntyPolicySpec)
        kind = resource.OURS[SOVEREIGNTY_POLICY.plural]
        self._policies: Mirror[SovereigntyPolicySpec | Unreadable] = Mirror(api, kind, convert, _ignore)
        self._configs = TransitConfigs(api, own_namespace, _ignore)
        self._ready = ReadyNamespaces(api, own_namespace)

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
        """The mirrors that have received neither an event nor a list for too long."""
        return stalled(self._mirrors())

    def _mirrors(self) -> tuple[Mirror[Any], ...]:
        return self._namespaces, self._policies, self._configs

    def enforced(self, namespace: str) -> str | None:
        """Return the policy that a namespace enforces: its label's value, None without the label."""
        return self._namespaces.get(("", namespace))

    async def until_enforced(self, namespace: str) -> None:
        """Wait a moment for the label of a namespace.

        The webhook gets pods in a namespace with the label, and pods with a label of their own. If neither is observed,
        the namespace was created or labelled just now, often by the same command that creates the pod.
        """
        for _ in range(int(LAG_SECONDS / CHECK_SECONDS)):
            if self.enforced(namespace) is not None:
                return
            await asyncio.sleep(CHECK_SECONDS)

    async def until_ready(self, policy: str, namespace: str) -> None:
        """Wait a moment until the guards let pods with sidecars into a namespace in scope: it may be new."""
        if self.enforced(namespace) == policy:
            await self._ready.until_ready(policy, namespace)

    def needs_sidecar(self, policy: str) -> bool:
        """Whether pods of a policy get a sidecar. False if the policy does not exist or cannot be read."""
        spec = self._policies.get(("", policy))
        return isinstance(spec, SovereigntyPolicySpec) and policy_needs_sidecar(spec, self._configs.of(policy))


def see_enforced(namespace: Json) -> str | None:
    """Keep the value of a namespace's label; None for a namespace without it."""
    return enforced_policy(namespace["metadata"].get("labels", {}))


def _ignore(*_: object) -> None:
    """Ignore a change: each review reads the mirrors when it needs them."""
