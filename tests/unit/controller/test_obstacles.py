"""Which pods the controller names as closed by NetworkPolicies, or as cut off from the signers by them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest

from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit
from sovereign_operator.controller.observed.obstacles import Obstacle, Obstacles, OwnPods
from sovereign_operator.core.kubernetes.network_policy import Peer
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.objects.pod import ObservedPod, see_pod
from tests.unit.controller.objects import pod

OWN: Final = OwnPods(
    (Peer("sovereign-system", {}, {}, ("10.244.9.9",)),), (Peer("sovereign-system", {}, {}, ("10.244.9.8",)),)
)
NAME: Final = "NetworkPolicy default-deny"
CLOSED: Final = Obstacle(closed_by=NAME)
WALL: Final = {
    "metadata": {"name": "default-deny", "namespace": "tenant-a"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}


async def pages(*_: Any) -> AsyncIterator[tuple[list[Any], str]]:
    """Yield the NetworkPolicies of any namespace."""
    yield [WALL], ""


def of_policy(name: str) -> ObservedPod:
    """Return a pod whose sidecar loads the settings of a policy."""
    seen = see_pod(pod("tenant-a"))
    return replace(seen, pod=replace(seen.pod, uid=name), transit=name)


def test_two_policies_with_pods_in_one_namespace_are_both_told() -> None:
    obstacles = Obstacles(cast("Api", SimpleNamespace(pages=pages)), lambda: None)

    async def main() -> None:
        for name in ("hds", "secnumcloud"):
            found = await obstacles.of([of_policy(name)], [of_policy(name)], EncryptionInTransit(), OWN)
            assert found == {name: CLOSED}

    asyncio.run(main())


@pytest.mark.parametrize(("trust", "ready", "cut_off_by"), [("hds", False, NAME), ("hds", True, ""), ("", False, "")])
def test_a_pod_waits_for_the_signers_only_if_its_sidecar_asks_them_and_it_is_not_ready(
    trust: str, *, ready: bool, cut_off_by: str
) -> None:
    """Rules of the network plugin's own kinds may let it reach them: then it has its certificate."""
    seen = of_policy("hds")
    seen = replace(seen, trust=trust, pod=replace(seen.pod, ready=ready))
    obstacles = Obstacles(cast("Api", SimpleNamespace(pages=pages)), lambda: None)
    found = asyncio.run(obstacles.of([seen], [seen], EncryptionInTransit(), OWN))
    assert found == {"hds": replace(CLOSED, cut_off_by=cut_off_by)}
