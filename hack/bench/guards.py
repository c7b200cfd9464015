"""What the guards cost: pods and Bindings in a namespace in scope and in one out of scope, alternately, in one run.

Run ``python -m hack.bench.guards --name CLUSTER`` on a cluster with the operator installed. A host role made for this
lists 5,000 nodes. Requests are dry runs: they go through admission and are not stored.

At the end several clients create pods without pause: how many a second, and how much CPU the API server uses for them,
which can only be read on the local backend.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from hack.bench.load import cpu_of
from hack.cluster import Cluster, ClusterError
from hack.cluster.local import LocalCluster
from hack.install import NAMESPACE, find
from sovereign_operator.core.placement.host_roles import host_role_objects
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.client.resource import SERVICE_ACCOUNTS

POLICY = "bench"
NODES = tuple(f"bench-{number}" for number in range(5000))
ROUNDS = 200
CLIENTS = 8
TURNS = 5
PODS_OF_A_TURN = 400
SPACES = {"bench-free": {}, "bench-held": {"sovereignty.dev/enforce": POLICY}}
DRY = "?dryRun=All"


def pod(selects: dict[str, str]) -> dict[str, Any]:
    """Return a pod that no scheduler handles."""
    spec = {"schedulerName": "nobody", "nodeSelector": selects, "containers": [{"name": "c", "image": "none"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bench"}, "spec": spec}


async def milliseconds(requests: dict[str, Callable[[], Awaitable[object]]]) -> dict[str, list[float]]:
    """Time the requests alternately."""
    taken: dict[str, list[float]] = {name: [] for name in requests}
    for _ in range(ROUNDS):
        for name, request in requests.items():
            begun = time.perf_counter()
            await request()
            taken[name].append((time.perf_counter() - begun) * 1000)
    return taken


def report(what: str, taken: dict[str, list[float]]) -> None:
    """Print medians, 99th percentiles and the ratio of the medians."""
    free, held = taken["bench-free"], taken["bench-held"]
    ratio = statistics.median(held) / statistics.median(free)
    tails = [statistics.quantiles(values, n=100)[98] for values in (free, held)]
    print(
        f"{what:8} out of scope p50 {statistics.median(free):.2f} ms p99 {tails[0]:.2f}; "
        f"in scope p50 {statistics.median(held):.2f} ms p99 {tails[1]:.2f}; ratio {ratio:.2f}"
    )


async def throughput(api: Api, server: int) -> None:
    """Create pods as fast as the API server accepts them, in each namespace in turn, and print the figures."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in SPACES}

    async def create(namespace: str) -> None:
        for _ in range(PODS_OF_A_TURN // CLIENTS):
            await api.request("POST", resource.PODS.path(namespace=namespace) + DRY, pod({}) | _other())

    for _ in range(TURNS):
        for name, values in taken.items():
            used, begun = cpu_of([server]), time.perf_counter()
            await asyncio.gather(*(create(name) for _ in range(CLIENTS)))
            seconds = time.perf_counter() - begun
            values.append((PODS_OF_A_TURN / seconds, (cpu_of([server]) - used) / PODS_OF_A_TURN))
    (free_rate, free_cpu), (held_rate, held_cpu) = (
        [statistics.median(column) for column in zip(*taken[name], strict=True)] for name in SPACES
    )
    print(
        f"{CLIENTS} clients without pause: out of scope {free_rate:.0f} pods/s; in scope {held_rate:.0f}, "
        f"ratio {held_rate / free_rate:.2f}"
    )
    print(
        f"CPU seconds of the API server for 1,000 pods: out of scope {1000 * free_cpu:.2f}; "
        f"in scope {1000 * held_cpu:.2f}, ratio {held_cpu / free_cpu:.2f}"
    )


def api_server(cluster: Cluster) -> int:
    """Return the API server's process id. Raises ClusterError."""
    found = cluster.find_process("kube-apiserver") if isinstance(cluster, LocalCluster) else None
    if found is None:
        raise ClusterError("the API server's CPU can be read on the local backend alone: make another cluster")
    return found.pid


async def measure(api: Api, server: int) -> None:
    """Create the objects, measure, and delete them."""
    # The controller deletes host roles of policies that do not exist; it ignores these, which lack its label.
    objects = host_role_objects(POLICY, NODES, NAMESPACE)
    roles = (resource.CLUSTER_ROLES, resource.CLUSTER_ROLE_BINDINGS)
    try:
        for kind, obj in zip(roles, objects, strict=True):
            await api.apply(kind, obj | {"metadata": {"name": obj["metadata"]["name"]}})
        for name, labels in SPACES.items():
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
            await api.apply(resource.NAMESPACES, body)
            await _until_account(api, name)
            await api.create(resource.PODS, pod({}), name)
        pods = resource.PODS
        report(
            "CREATE",
            await milliseconds(
                {
                    name: lambda name=name: api.request("POST", pods.path(namespace=name) + DRY, pod({}) | _other())  # type: ignore[misc]
                    for name in SPACES
                }
            ),
        )
        target = {"kind": "Node", "name": NODES[2500]}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "bench"}, "target": target}
        report(
            "BIND",
            await milliseconds(
                {
                    name: lambda name=name: api.request("POST", pods.path("bench", name, "binding") + DRY, binding)  # type: ignore[misc]
                    for name in SPACES
                }
            ),
        )
        await throughput(api, server)
    finally:
        for kind, obj in zip(roles, objects, strict=True):
            await api.request("DELETE", kind.path(obj["metadata"]["name"]))
        for name in SPACES:
            await api.request("DELETE", resource.NAMESPACES.path(name))


def _other() -> dict[str, Any]:
    return {"metadata": {"generateName": "bench-"}}


async def _until_account(api: Api, namespace: str) -> None:
    """Wait for the namespace's service account, without which no pod is admitted."""
    while await api.lasting(SERVICE_ACCOUNTS, "default", namespace) is None:  # noqa: ASYNC110 - the API has no event for it
        await asyncio.sleep(0.1)


async def run(cluster: Cluster) -> None:
    """Measure on a cluster."""
    server = api_server(cluster)
    async with await connect(cluster.kubeconfig) as client:
        await measure(Api(client, ServerClock()), server)


def main() -> None:
    """Measure on the chosen cluster."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.guards", description=__doc__)
    parser.add_argument("--name", default="sovereign-demo")
    asyncio.run(run(find(parser.parse_args().name)))


if __name__ == "__main__":
    main()
