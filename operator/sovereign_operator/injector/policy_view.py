"""What the injector has seen of the cluster: which policy holds a namespace, and which policies encrypt."""

import asyncio
from functools import partial
from typing import Any, Final

from sovereign_operator.api.v1alpha1 import SOVEREIGNTY_POLICY
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core.workload.scope import enforced_policy
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.mirror import Mirror, stalled
from sovereign_operator.kube.objects.spec import see_spec
from sovereign_operator.kube.objects.transit_config import TransitConfigs, encrypts
from sovereign_operator.kube.unreadable import Unreadable

LAG_SECONDS: Final = 1.5
"""How long to wait for what the API server has seen already, and we have not."""
LOOK_SECONDS: Final = 0.05


class PolicyView:
    """Namespaces, policies, and what sidecars are told of these."""

    def __init__(self, api: Api, own_namespace: str) -> None:
        self._namespaces: Mirror[str] = Mirror(api, resource.NAMESPACES, see_enforced, _ignore, worst=lambda _: "")
        convert = partial(see_spec, model=SovereigntyPolicySpec)
        kind = resource.OURS[SOVEREIGNTY_POLICY.plural]
        self._policies: Mirror[SovereigntyPolicySpec | Unreadable] = Mirror(api, kind, convert, _ignore)
        self._record = TransitConfigs(api, own_namespace, _ignore)

    async def run(self) -> None:
        """Keep everything up to date."""
        async with asyncio.TaskGroup() as group:
            for mirror in self._mirrors():
                group.create_task(mirror.run())

    @property
    def complete(self) -> bool:
        """Whether everything was listed once."""
        return all(mirror.synced.is_set() for mirror in self._mirrors())

    @property
    def stalled(self) -> list[str]:
        """What has not been heard of for too long."""
        return stalled(self._mirrors())

    def _mirrors(self) -> tuple[Mirror[Any], ...]:
        return self._namespaces, self._policies, self._record

    def enforced(self, namespace: str) -> str | None:
        """Return the policy that a namespace enforces: its label's value, None without the label."""
        return self._namespaces.get(("", namespace))

    async def until_enforced(self, namespace: str) -> None:
        """Wait a moment for the label of a namespace.

        We are asked about pods in a namespace with the label, or with a label of their own. So where neither is to be
        seen, the namespace was made or labelled just now: often, by the very command that creates the pod.
        """
        for _ in range(int(LAG_SECONDS / LOOK_SECONDS)):
            if self.enforced(namespace) is not None:
                return
            await asyncio.sleep(LOOK_SECONDS)

    def encrypts(self, policy: str) -> bool:
        """Whether pods of a policy get a sidecar. One that is not there, or that this version cannot read, is none."""
        spec = self._policies.get(("", policy))
        return isinstance(spec, SovereigntyPolicySpec) and encrypts(spec, self._record.of(policy))


def see_enforced(namespace: Json) -> str | None:
    """Keep namespaces with the label."""
    return enforced_policy(namespace["metadata"].get("labels", {}))


def _ignore(*_: object) -> None:
    """Nothing follows from a change: what is seen is asked for when it is needed."""
