"""How long a suspension takes to have effect, compared with one write to the API server in the same run.

Run ``python -m hack.bench.withdrawal --name CLUSTER`` on a cluster where the demo or the tests have run. A service's
qualification is suspended and restored, alternately; the effect is polled as fast as the API server answers. With
``--crowd NUMBER`` it is measured again right after a tenant has created that many SovereignWorkloads that name missing
workloads, and five of a megabyte.
"""

import argparse
import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hack import estate
from hack.install import find
from hack.kubectl import Kubectl
from sovereign_operator.api.v1alpha1 import CLOUD_SERVICE, SOVEREIGN_WORKLOAD, SOVEREIGNTY_POLICY
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import JSON_PATCH, Api, Json, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.client.errors import NotFoundError, RefusedError
from sovereign_operator.kube.client.resource import SERVICE_ACCOUNTS

POLICY, SERVICE, NODE = "secnumcloud", "hexa-gouv", "lyon-1"
SPACE, CROWD = "bench-withdrawal", "bench-crowd"
ROUNDS, CROWDED_ROUNDS = 10, 3
LARGE = 5
TENANTS_CONNECTIONS = 20
SERVICES = resource.OURS[CLOUD_SERVICE.plural]
SOVEREIGN_WORKLOADS = resource.OURS[SOVEREIGN_WORKLOAD.plural]
POLICIES = resource.OURS[SOVEREIGNTY_POLICY.plural]

Look = Callable[[], Awaitable[bool]]


class Bench:
    """One cluster, and several ways to find out whether the node may host the policy's pods."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def role(self) -> bool:
        """Return whether the host role lists the node."""
        role = await self._api.get(resource.CLUSTER_ROLES, f"sovereignty:host:{POLICY}")
        return any(NODE in rule["resourceNames"] for rule in role["rules"])

    async def guard(self) -> bool:
        """Return whether the API server accepts a Binding to the node."""
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "bench"}}
        path = resource.PODS.path("bench", SPACE, "binding") + "?dryRun=All"
        try:
            await self._api.request("POST", path, body | {"target": {"kind": "Node", "name": NODE}})
        except RefusedError:
            return False
        return True

    async def status(self) -> bool:
        """Return whether the policy's status counts the node."""
        policy = await self._api.get(POLICIES, POLICY)
        nodes: int = policy["status"]["nodes"]
        return nodes == len(estate.ACCEPTED)

    async def set(self, status: str) -> None:
        """Set the service's status."""
        body = [{"op": "replace", "path": "/spec/qualifications/0/status", "value": status}]
        await self._api.patch(SERVICES, SERVICE, body, content_type=JSON_PATCH)

    async def waiting_pod(self) -> None:
        """Create the pod that is bound by hand."""
        labels = {"sovereignty.dev/enforce": POLICY}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE, "labels": labels}}
        await self._api.apply(resource.NAMESPACES, namespace)
        spec: dict[str, Any] = {"schedulerName": "nobody", "containers": [{"name": "c", "image": "none"}]}
        while await self._api.lasting(SERVICE_ACCOUNTS, "default", SPACE) is None:  # noqa: ASYNC110 - the API has no event for it
            await asyncio.sleep(0.1)
        await self._api.create(
            resource.PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bench"}, "spec": spec}, SPACE
        )

    async def crowd(self, number: int) -> None:
        """Create many SovereignWorkloads as a tenant could, as fast as the API server accepts them."""
        await self._api.apply(
            resource.NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CROWD}}
        )
        template = {"kind": "Deployment", "spec": {"template": {"x": "x" * 1_000_000}}}
        specs: list[Json] = [
            {"workloadRef": {"kind": "Deployment", "name": f"none-{index}"}} for index in range(number)
        ]
        specs += [{"template": template}] * LARGE
        waiting = iter(enumerate(specs))

        async def make() -> None:
            for index, spec in waiting:
                body: Json = {"apiVersion": SOVEREIGN_WORKLOADS.api_version, "kind": SOVEREIGN_WORKLOAD.name}
                body |= {"metadata": {"name": f"crowd-{index}"}, "spec": {"policyRef": {"name": POLICY}} | spec}
                await self._api.create(SOVEREIGN_WORKLOADS, body, CROWD)

        begun = time.perf_counter()
        await asyncio.gather(*(make() for _ in range(TENANTS_CONNECTIONS)))
        print(f"a tenant has made {len(specs)} SovereignWorkloads in {time.perf_counter() - begun:.1f} s")

    async def clean(self) -> None:
        """Delete the namespaces that were created."""
        for namespace in (SPACE, CROWD):
            with suppress(NotFoundError):
                await self._api.request("DELETE", resource.NAMESPACES.path(namespace))


async def until(look: Look, begun: float, *, wanted: bool) -> float:
    """Return the seconds from ``begun`` until ``look`` returns ``wanted``."""
    while await look() is not wanted:
        pass
    return time.perf_counter() - begun


async def measure(bench: Bench, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Print the figures, and return the seconds of each round."""
    looks: dict[str, Look] = {"role": bench.role, "guard": bench.guard, "status": bench.status}
    taken: dict[str, list[float]] = defaultdict(list)
    for number in range(2 * rounds):
        suspended = number % 2 == 0
        begun = time.perf_counter()
        await bench.set("Suspended" if suspended else "Qualified")
        written = time.perf_counter() - begun
        seconds = await asyncio.gather(*(until(look, begun, wanted=not suspended) for look in looks.values()))
        if suspended:
            taken["write"].append(written)
            for name, value in zip(looks, seconds, strict=True):
                taken[name].append(value)
    write = statistics.median(taken["write"])
    for name, values in taken.items():
        median = statistics.median(values)
        print(f"{name:7} median {median:.3f} s, worst {max(values):.3f} s, ratio to one write {median / write:.1f}")
    return taken


async def run(kubeconfig: Path, crowd: int) -> None:
    """Measure on a cluster."""
    async with await connect(kubeconfig) as client:
        bench = Bench(Api(client, ServerClock()))
        await bench.waiting_pod()
        try:
            quiet = await measure(bench)
            if crowd:
                await bench.crowd(crowd)
                crowded = await measure(bench, CROWDED_ROUNDS)
                for name in quiet:
                    worst, usual = max(crowded[name]), statistics.median(quiet[name])
                    print(f"{name:7} in a crowd worst {worst:.3f} s, ratio to a quiet median {worst / usual:.1f}")
        finally:
            await bench.clean()


def main() -> None:
    """Apply the example services and datacentres to the chosen cluster, and measure."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.withdrawal", description=__doc__)
    parser.add_argument("--name", default="sovereign-demo")
    parser.add_argument("--crowd", type=int, default=0, metavar="NUMBER", help="for example 2000")
    given = parser.parse_args()
    cluster = find(given.name)
    kubectl = Kubectl(cluster.kubeconfig)
    kubectl.apply(*estate.services(datetime.now(UTC).date()), *estate.datacentres(kubectl))
    asyncio.run(run(cluster.kubeconfig, given.crowd))


if __name__ == "__main__":
    main()
