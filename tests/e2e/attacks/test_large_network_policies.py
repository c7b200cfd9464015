"""NetworkPolicies, which any editor of a namespace may write, cannot keep the controller busy."""

import asyncio
from dataclasses import replace

from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl
from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit
from sovereign_operator.controller.observed.obstacles import MOST_ENTRIES, Obstacle, Obstacles, OwnPods
from sovereign_operator.core.kubernetes.network_policy import Peer
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.objects.pod import see_pod
from tests.e2e.support.spaces import Space

CONTROLLER = Peer("sovereign-system", {}, {}, ("10.244.9.9",))
SIGNER = Peer("sovereign-system", {}, {}, ("10.244.9.8",))


def closing(name: str, *sources: Json) -> Json:
    """Return a NetworkPolicy that closes all pods of its namespace, in both directions, but for these peers."""
    ingress, egress = ([{key: [*sources]}] if sources else [] for key in ("from", "to"))
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": ingress, "egress": egress}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}


def named(cluster: Cluster, namespace: str) -> set[Obstacle]:
    """Return what the controller would say of a pod there that does not answer, and asks the signers."""
    pod = see_pod({"metadata": {"namespace": namespace, "name": "web", "uid": "u"}, "spec": {"containers": []}})
    pod = replace(pod, trust="transit")

    async def look() -> set[Obstacle]:
        async with await connect(cluster.kubeconfig) as client:
            obstacles = Obstacles(Api(client, ServerClock()), lambda: None)
            found = await obstacles.of([pod], [pod], EncryptionInTransit(), OwnPods((CONTROLLER,), (SIGNER,)))
            return {*found.values()}

    return asyncio.run(look())


def test_what_is_larger_than_anybody_needs_is_not_looked_at(admin: Kubectl, cluster: Cluster, space: Space) -> None:
    """Nothing is said then: the large policy may be the one that admits the controller."""
    namespace = space(None)
    admin.create(closing("default-deny"), namespace)
    wall = "NetworkPolicy default-deny"
    assert named(cluster, namespace) == {Obstacle(closed_by=wall, cut_off_by=wall)}
    blocks = [{"ipBlock": {"cidr": f"10.{number // 256}.{number % 256}.0/24"}} for number in range(MOST_ENTRIES)]
    admin.create(closing("large", *blocks), namespace)
    assert named(cluster, namespace) == set()
