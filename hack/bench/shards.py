"""What a host role with thousands of nodes costs the API server: as one ClusterRole, or in shards.

``python -m hack.bench.shards --name CLUSTER`` needs a cluster of the local backend, with or without the operator. The
first name changes in one of the roles, as when a node is accepted; all names go, as when a service is suspended; and
RBAC is asked about each of some nodes. The figures are CPU of API server and etcd for each change, and for each
question; ratios compare with the one ClusterRole.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hack.bench import processes
from hack.bench.load import cpu_of
from hack.cluster import Cluster
from hack.install import find
from hack.kubectl import Json
from sovereign_operator.core import names
from sovereign_operator.core.placement.host_roles import host_role_objects, host_role_rules
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.access import may_host
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.client.errors import NotFoundError

POLICY, NAMESPACE = "bench-shards", "bench-shards"
NODES = 5000
SHARDS = (1, 16)
CHANGES, QUESTIONS = 20, 200
AT_ONCE = 8
SETTLE_SECONDS = 2.0


def name_of(number: int) -> str:
    """Return the name of a node, as long as those of clouds are."""
    return f"ip-10-20-30-{number}.eu-west-3.compute.internal"


class Roles:
    """A host role in so many ClusterRoles, all bound to the service account of the policy."""

    def __init__(self, api: Api, shards: int) -> None:
        self._api = api
        self._shards = [tuple(map(name_of, range(shard, NODES, shards))) for shard in range(shards)]

    async def create(self) -> None:
        """Create all roles and bindings."""
        for shard, nodes in enumerate(self._shards):
            for kind, obj in zip(
                (resource.CLUSTER_ROLES, resource.CLUSTER_ROLE_BINDINGS), self._objects(shard, nodes), strict=True
            ):
                await self._api.apply(kind, obj)

    async def gain(self) -> None:
        """Exchange one node of one role."""
        nodes = (f"new-{time.monotonic_ns()}", *self._shards[0][1:])
        await self._api.apply(resource.CLUSTER_ROLES, self._objects(0, nodes)[0])

    async def lose(self) -> None:
        """Take all nodes out of all roles, then put them back."""
        for kept in (False, True):
            writes = [self._write(shard, nodes if kept else ()) for shard, nodes in enumerate(self._shards)]
            await at_most(AT_ONCE, writes)

    async def ask(self) -> None:
        """Ask RBAC about some nodes."""
        for number in range(QUESTIONS):
            assert await may_host(self._api, NAMESPACE, POLICY, name_of(NODES - 1 - number))

    async def delete(self) -> None:
        """Delete all roles and bindings."""
        for shard in range(len(self._shards)):
            for kind in (resource.CLUSTER_ROLE_BINDINGS, resource.CLUSTER_ROLES):
                try:
                    found = await self._api.get(kind, self._name(shard))
                except NotFoundError:
                    continue
                await self._api.delete(kind, self._name(shard), found["metadata"]["uid"])

    async def _write(self, shard: int, nodes: Sequence[str]) -> None:
        await self._api.apply(resource.CLUSTER_ROLES, self._objects(shard, nodes)[0])

    def _name(self, shard: int) -> str:
        return f"{names.host_role(POLICY)}.{shard}"

    def _objects(self, shard: int, nodes: Sequence[str]) -> tuple[Json, ...]:
        role, binding = host_role_objects(POLICY, tuple(nodes), NAMESPACE)
        # Without the label, an installed controller leaves them alone.
        metadata = {"name": self._name(shard)}
        reference: dict[str, Any] = binding["roleRef"] | metadata
        rules = host_role_rules(POLICY, tuple(nodes))
        return role | {"metadata": metadata, "rules": rules}, binding | {"metadata": metadata, "roleRef": reference}


async def at_most(number: int, work: Sequence[Awaitable[None]]) -> None:
    """Do all work, so much of it at the same time."""
    gate = asyncio.Semaphore(number)

    async def one(part: Awaitable[None]) -> None:
        async with gate:
            await part

    await asyncio.gather(*map(one, work))


async def measure(cluster: Cluster) -> None:
    """Print all figures."""
    pids = [processes.api_server(cluster), processes.etcd(cluster)]
    first: dict[str, float] = {}
    async with await connect(cluster.kubeconfig) as client:
        for shards in SHARDS:
            roles = Roles(Api(client, ServerClock()), shards)
            await roles.delete()
            await roles.create()
            try:
                works: tuple[tuple[str, Callable[[], Awaitable[None]], int, int], ...] = (
                    ("one node changes", roles.gain, CHANGES, 1),
                    ("all nodes go, and come back", roles.lose, CHANGES, 1),
                    ("a question", roles.ask, 1, QUESTIONS),
                )
                for what, work, times, parts in works:
                    await asyncio.sleep(SETTLE_SECONDS)
                    begun, used = time.perf_counter(), cpu_of(pids)
                    for _ in range(times):
                        await work()
                    each = (cpu_of(pids) - used) / times / parts
                    wall = (time.perf_counter() - begun) / times / parts
                    ratio = each / first.setdefault(what, each)
                    costs = f"{1000 * each:.1f} ms of CPU, {1000 * wall:.1f} ms"
                    print(f"{shards:2} role(s), {what}: {costs}; ratio {ratio:.2f}", flush=True)
            finally:
                await roles.delete()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.shards", description=__doc__)
    parser.add_argument("--name", default="sovereign", help="of a running cluster")
    asyncio.run(measure(find(parser.parse_args().name)))


if __name__ == "__main__":
    main()
