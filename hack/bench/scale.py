"""What one change costs the controller on a large cluster: CPU, time and memory.

``python -m hack.bench.scale`` brings up a cluster of its own with four real nodes, adds fake ones (KWOK) with policies,
workloads and pods, and takes it down at the end; by default 500 nodes, 12 policies, 200 workloads and 800 pods. The
figures are of the controller's process, with ``--everything`` also of the others. Changes are made one at a time, and
each is over when the controller is idle again; the cost of idling meanwhile is subtracted. Only the local backend shows
processes.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from hack import estate
from hack.bench import crowded
from hack.bench.bystanders import Bystanders
from hack.bench.controller import Controller, Cost
from hack.bench.crowded import Size
from hack.cluster import Cluster, ClusterSpec, up
from hack.install import install
from hack.kubectl import Json, Kubectl
from hack.kwok import FAKE, kubelets
from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.controller.reconcile.pace import PACE
from sovereign_operator.core import names
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import JSON_PATCH, MERGE, Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.client.errors import UnavailableError
from sovereign_operator.kube.client.resource import Resource
from sovereign_operator.kube.mirror import Mirror, ObjectKey

ALONE = ("--set", "identity.enabled=false,encryption.enabled=false")
"""The controller without the signer, the injector and the agents, whose pods would be on fake nodes, too."""
OPTIONS = (
    *("--set", "presets.enabled=false,controller.replicas=1"),
    # Started again, the controller would find a fake node, which runs nothing.
    *("--set-string", rf"controller.nodeSelector.kubernetes\.io/hostname={estate.ACCEPTED[0]}"),
)
AT_A_TIME = 20
AVAILABLE_LOOK_SECONDS = 5
STARTED_SECONDS = 1800
"""All fake pods are ready within that time, or KWOK does not work."""
FOLLOWED_SECONDS = 300
"""The API server has written all roles within that time: one with 5,000 names has 225 kB."""
ROLE_LOOK_SECONDS = 0.05
IDLE_SECONDS = 60
CHANGES = 10
DEPLOYMENTS = resource.WORKLOADS[WorkloadKind.DEPLOYMENT]


class Bench:
    """One cluster, and the objects created on it."""

    def __init__(self, api: Api, controller: Controller, size: Size, others: Bystanders | None) -> None:
        self._api = api
        self._controller = controller
        self._size = size
        self._others = others

    async def nodes(self) -> None:
        """Create nodes and policies, then the nodes' Datacentres, and print what marking the nodes costs."""
        size = self._size
        await self._create(resource.NODES, map(crowded.node, range(size.nodes)))
        await self._create(_ours("cloudservices"), map(crowded.service, range(crowded.SERVICES)))
        await self._create(_ours("sovereigntypolicies"), map(crowded.policy, range(size.policies)))
        # So late, the API server's own cache has caught up, too; before, it may answer 504.
        await self._controller.calm()
        uids = {node["metadata"]["name"]: node["metadata"]["uid"] for node in await self._nodes()}
        sites = (crowded.datacentre(number, uids) for number in range(crowded.SITES))
        await self._say("all nodes marked", self._create(_ours("datacentres"), sites))
        policy = await self._api.get(_ours("sovereigntypolicies"), crowded.policy_name(0))
        wanted = size.nodes * (crowded.SERVICES - 1) // crowded.SERVICES
        assert policy["status"]["nodes"] == wanted, policy["status"]

    async def workloads(self) -> None:
        """Create Deployments, wait for their pods, and print what their SovereignWorkloads cost."""
        size = self._size
        await self._create(resource.NAMESPACES, (crowded.namespace(n, size) for n in range(crowded.NAMESPACES)))
        await self._create(DEPLOYMENTS, (crowded.deployment(number, size) for number in range(size.workloads)))
        async with asyncio.timeout(STARTED_SECONDS):
            while await self._available() < size.pods:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(AVAILABLE_LOOK_SECONDS)
        await self._controller.calm()
        made = (crowded.sovereign_workload(number, size) for number in range(size.workloads))
        await self._say("all workloads taken in", self._create_and_wait(made))

    async def _create_and_wait(self, sovereign_workloads: Iterable[Json]) -> None:
        """Create SovereignWorkloads, and wait for the status of each: the API server may be too slow for their writes.

        Without this, a controller that waits for it would look idle.
        """
        await self._create(_ours("sovereignworkloads"), sovereign_workloads)
        async with asyncio.timeout(STARTED_SECONDS):
            while not await self._reported():  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(AVAILABLE_LOOK_SECONDS)

    async def _reported(self) -> bool:
        return all(
            [
                "conditions" in found.get("status", {})
                async for page, _ in self._api.pages(_ours("sovereignworkloads"))
                for found in page
            ]
        )

    async def idle(self) -> None:
        """Print what idling costs; from here on it is subtracted."""
        begun, used = time.perf_counter(), self._controller.cpu()
        if self._others:
            await self._others.idle(IDLE_SECONDS)
        else:
            await asyncio.sleep(IDLE_SECONDS)
        taken = self._controller.cpu() - used
        self._controller.idle = taken / (time.perf_counter() - begun)
        print(f"idle for {IDLE_SECONDS} s: {taken:.2f} s of CPU; memory {self._controller.memory()}", flush=True)

    async def restart(self) -> None:
        """Print what a new controller costs, which finds everything as it should be."""
        # What a status says of pods may be this old: the former controller still has to write it.
        await asyncio.sleep(PACE.total_seconds())
        await self._controller.calm()
        self._show("the controller started again", await self._controller.restart())
        print(f"  memory {self._controller.memory()}", flush=True)

    async def changes(self) -> None:
        """Print what small changes cost."""

        async def label(number: int) -> None:
            body = {"metadata": {"labels": {"note.example.org/round": str(number)}}}
            await self._api.patch(resource.NODES, crowded.node_name(number), body, content_type=MERGE)

        async def delete(number: int) -> None:
            namespace = crowded.namespace_name(number)
            pods = await self._api.request("GET", resource.PODS.path(namespace=namespace), query={"limit": 1})
            await self._api.request("DELETE", resource.PODS.path(pods["items"][0]["metadata"]["name"], namespace))

        await self._each("a node's label that changes no verdict", label)
        await self._each("a pod deleted, and made again", delete)

    async def suspension(self) -> None:
        """Suspend one service and restore it; print when the last host role follows, and the cost."""
        gone = {crowded.node_name(number) for number in range(self._size.nodes)}
        holding: dict[ObjectKey, bool] = {}
        moved = [0.0]
        suspended = await self._stand_in(crowded.service_name(0)) & gone

        def see(role: Json) -> frozenset[str]:
            return frozenset(name for rule in role["rules"] for name in rule.get("resourceNames", ()))

        def changed(key: ObjectKey, _old: frozenset[str] | None, new: frozenset[str] | None) -> None:
            holding[key] = bool(new and new & suspended)
            moved[0] = time.perf_counter()

        roles: Mirror[frozenset[str]] = Mirror(
            self._api, resource.CLUSTER_ROLES, see, changed, label_selector=names.HOST_ROLE_LABEL
        )
        watching = asyncio.create_task(roles.run())

        def holders() -> set[ObjectKey]:
            return {key for key, holds in holding.items() if holds}

        try:
            await roles.synced.wait()
            for status, wanted in (("Suspended", set()), ("Qualified", holders())):
                begun = time.perf_counter()
                work = self._suspend(status, lambda wanted=wanted: holders() == wanted)  # type: ignore[misc]
                cost = await self._say(f"service {status}", work)
                print(f"  {cost.order()}", flush=True)
                print(f"  the last role followed after {moved[0] - begun:.1f} s", flush=True)
        finally:
            watching.cancel()

    async def _suspend(self, status: str, followed: Callable[[], bool]) -> None:
        """Change the service, and wait until the roles have followed: a controller that waits for them looks idle."""
        body = [
            {"op": "replace", "path": f"/spec/qualifications/{index}/status", "value": status} for index in range(2)
        ]
        await self._api.patch(_ours("cloudservices"), crowded.service_name(0), body, content_type=JSON_PATCH)
        async with asyncio.timeout(FOLLOWED_SECONDS):
            while not followed():  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(ROLE_LOOK_SECONDS)

    async def _stand_in(self, service: str) -> set[str]:
        found = set()
        async for page, _ in self._api.pages(_ours("datacentres")):
            for site in page:
                if site["spec"]["serviceRef"]["name"] == service:
                    found |= {node["name"] for node in site["spec"]["nodes"]}
        return found

    async def _available(self) -> int:
        """Return how many pods are ready; 0 if the API server's own cache is too far behind to tell."""
        try:
            return sum(
                [
                    deployment.get("status", {}).get("availableReplicas", 0)
                    async for page, _ in self._api.pages(DEPLOYMENTS)
                    for deployment in page
                    if deployment["metadata"]["namespace"].startswith("bench-")
                ]
            )
        except UnavailableError:
            return 0

    async def _nodes(self) -> list[Json]:
        return [node async for page, _ in self._api.pages(resource.NODES, label_selector=FAKE) for node in page]

    async def _each(self, what: str, change: Callable[[int], Awaitable[None]]) -> None:
        changed, unchanged = [], []
        # Other things happen meanwhile, as nodes report that they are alive: as often without a change.
        for number in range(CHANGES):
            changed.append(await self._controller.cost(change(number)))
            unchanged.append(await self._controller.cost(asyncio.sleep(0)))
        cpu, without = (statistics.median(cost.cpu for cost in costs) for costs in (changed, unchanged))
        writes = sum(len(cost.writes) for cost in changed) / CHANGES
        print(f"{what}: {1000 * (cpu - without):.0f} ms of CPU, median of {CHANGES}; {writes:.1f} writes", flush=True)

    async def _say(self, what: str, work: Awaitable[object]) -> Cost:
        return self._show(what, await self._controller.cost(work))

    @staticmethod
    def _show(what: str, cost: Cost) -> Cost:
        print(
            f"{what}: idle again after {cost.seconds:.1f} s, {cost.cpu:.1f} s of CPU; wrote {cost.written()}",
            flush=True,
        )
        return cost

    async def _create(self, kind: Resource, objects: Iterable[Json]) -> None:
        waiting = iter(objects)

        async def some() -> None:
            for obj in waiting:
                await self._create_one(kind, obj)

        await asyncio.gather(*(some() for _ in range(AT_A_TIME)))

    async def _create_one(self, kind: Resource, obj: Json) -> None:
        await self._api.create(kind, obj, obj["metadata"].get("namespace"))


def _ours(plural: str) -> Resource:
    return resource.OURS[plural]


async def measure(cluster: Cluster, admin: Kubectl, size: Size, *, everything: bool) -> None:
    """Print all figures."""
    async with await connect(cluster.kubeconfig) as client:
        api = Api(client, ServerClock())
        others = Bystanders(api, admin) if everything else None
        bench = Bench(api, Controller(cluster, admin), size, others)
        await bench.nodes()
        await bench.workloads()
        await bench.idle()
        await bench.changes()
        await bench.suspension()
        await bench.restart()
        if others:
            await others.reviews()


def main() -> None:
    """Create a cluster of the chosen size, measure, and take it down."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.scale", description=__doc__)
    parser.add_argument("--name", default="bench-scale", help="of a cluster that is not there yet")
    for what, number in (("nodes", 500), ("policies", 12), ("workloads", 200), ("pods", 800)):
        parser.add_argument(f"--{what}", type=int, default=number, metavar="NUMBER")
    parser.add_argument("--everything", action="store_true", help="also run and measure signer, injector and agents")
    given = parser.parse_args()
    cluster = up(ClusterSpec(given.name, estate.NODES, backend="local"))
    try:
        install(cluster, *OPTIONS, *(() if given.everything else ALONE))
        admin = Kubectl(cluster.kubeconfig)
        with tempfile.TemporaryDirectory() as folder, kubelets(cluster, Path(folder, "kwok.log")):
            size = Size(given.nodes, given.policies, given.workloads, given.pods)
            print(size, flush=True)
            asyncio.run(measure(cluster, admin, size, everything=given.everything))
    finally:
        cluster.down()


if __name__ == "__main__":
    main()
