"""How fast the injector answers, and what it adds to the creation of a pod.

Run ``python -m hack.bench.injector --name CLUSTER`` on a cluster with the operator installed. Reviews of one pod that
needs a sidecar go directly to the pods of two replicas, with TLS as in the webhook configuration. First 1, 10, 50 and
200 clients each send the next review as soon as the last one is answered: on few cores this shows how queues grow, and
what a core can do. Then 50 clients send reviews at the rate of a busy cluster; there we aim at a p99 under 10 ms.

Then pods are created as dry runs, alternately out of scope, in scope of a policy that does not encrypt, and in scope
of one that does, which adds a sidecar. Each round repeats the first two without the webhook.
"""

import argparse
import asyncio
import base64
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from hack.bench import encrypted, peers, replicas, reviewing
from hack.bench.away import away
from hack.bench.reviewing import Batch, Client, Server
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.client.errors import RefusedError

POLICY = "bench-injector"
FREE, HELD, ENCRYPTING = SPACES = ("bench-injector-free", "bench-injector-held", "bench-injector-encrypting")
NODE = "brest-1"
WEBHOOKS = "sovereign-injector"
HOST = "sovereign-injector.sovereign-system.svc"
PORT = 8443
CLIENTS = (1, 10, 50, 200)
OPEN_CLIENTS = 50
REVIEWED = 'sovereign_injector_reviews_total{result="injected"}'
CPU = "process_cpu_seconds_total"
DRY_RUNS = 50

Load = Callable[[Sequence[Client]], Coroutine[Any, Any, Batch]]


@dataclass(frozen=True)
class Asked:
    """The results of a load, and what it cost."""

    batch: Batch
    cpu: float
    """Seconds of CPU that the replicas used."""
    busy: float
    """The share of one CPU that this program used meanwhile."""


@dataclass(frozen=True)
class Injectors:
    """Two replicas of the injector."""

    cluster: Cluster
    admin: Kubectl
    pods: Sequence[Json]
    trusted: str
    """The authority of the webhook configuration, as PEM."""
    review: Json

    async def put(self, count: int, load: Load) -> Asked:
        """Put a load on the replicas with ``count`` clients."""
        addresses = [pod["status"]["podIP"] for pod in self.pods]
        server = Server(addresses, PORT, HOST, self.trusted)
        clients = await reviewing.connect(server, self.review, count)
        before = await asyncio.to_thread(self._shown)
        begun, used = time.perf_counter(), time.process_time()
        batch = await load(clients)
        busy = (time.process_time() - used) / (time.perf_counter() - begun)
        after = await asyncio.to_thread(self._shown)
        await reviewing.close(clients)
        if after[REVIEWED] - before[REVIEWED] != len(batch.latencies):
            raise AssertionError(f"{len(batch.latencies)} answers, of which not all are in {before} and {after}")
        return Asked(batch, after[CPU] - before[CPU], busy)

    def _shown(self) -> Mapping[str, float]:
        shown = [replicas.metrics(self.cluster, pod) for pod in self.pods]
        return {name: sum(each.get(name, 0) for each in shown) for name in (REVIEWED, CPU)}


def review_of(pod: Json) -> Json:
    """Return the AdmissionReview that an API server sends for a pod that it has completed."""
    kind, kinds = {"group": "", "version": "v1", "kind": "Pod"}, {"group": "", "version": "v1", "resource": "pods"}
    metadata = {key: value for key, value in pod["metadata"].items() if key in ("name", "labels", "annotations")}
    request = {
        "uid": str(uuid4()),
        "kind": kind,
        "resource": kinds,
        "requestKind": kind,
        "requestResource": kinds,
        "name": pod["metadata"]["name"],
        "namespace": ENCRYPTING,
        "operation": "CREATE",
        "userInfo": {"username": "bench", "groups": ["system:authenticated"]},
        "object": pod | {"metadata": metadata | {"namespace": ENCRYPTING}},
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


async def measure_reviews(injectors: Injectors, rounds: int, seconds: float, rate: float) -> None:
    """Send reviews to the injectors, and print the figures."""
    loads: list[tuple[str, int, Load]] = [
        (f"{count} client(s) without pause", count, lambda clients: reviewing.closed_loop(clients, seconds))
        for count in CLIENTS
    ]
    calm = f"{OPEN_CLIENTS} clients, {rate:g} reviews/s"
    loads.append((calm, OPEN_CLIENTS, lambda clients: reviewing.open_loop(clients, seconds, rate)))
    taken: defaultdict[str, list[Asked]] = defaultdict(list)
    for _ in range(rounds):
        for what, count, load in loads:
            taken[what].append(await injectors.put(count, load))
    alone = 1000 * statistics.median(each for asked in taken[loads[0][0]] for each in asked.batch.latencies)
    for what, several in taken.items():
        answers = sum(len(asked.batch.latencies) for asked in several)
        rate = answers / sum(asked.batch.seconds for asked in several)
        cpu = sum(asked.cpu for asked in several)
        latencies = [latency * 1000 for asked in several for latency in asked.batch.latencies]
        p50, p99 = statistics.median(latencies), statistics.quantiles(latencies, n=100)[98]
        print(
            f"{what:28} {rate:5.0f}/s, "
            f"p50 {p50:6.2f} ms, p99 {p99:6.2f} ms, ratio of p50 to that of one client {p50 / alone:5.2f}; "
            f"{answers / cpu:5.0f} reviews for a second of CPU; "
            f"this client took {statistics.median(asked.busy for asked in several):.2f} CPU"
        )


class Creating:
    """Creates pods as dry runs."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.taken: defaultdict[str, list[float]] = defaultdict(list)
        """Milliseconds, by kind of request."""

    async def pod(self, namespace: str) -> Json:
        """Return the pod that would be created. Raises RefusedError."""
        body = encrypted.pod("bench", NODE, ("sleep", "1000"))
        made: Json = await self._api.request("POST", resource.PODS.path(namespace=namespace) + "?dryRun=All", body)
        return made

    async def has_sidecar(self) -> bool:
        """Return whether a pod that needs a sidecar would get one; if not, the pod is refused."""
        try:
            return sidecar.container_of(await self.pod(ENCRYPTING)) is not None
        except RefusedError:
            return False

    async def time(self, kinds: Mapping[str, str]) -> None:
        """Create pods in the namespaces, alternately. ``kinds`` describes each namespace."""
        for _ in range(DRY_RUNS):
            for namespace, what in kinds.items():
                begun = time.perf_counter()
                await self.pod(namespace)
                self.taken[what].append((time.perf_counter() - begun) * 1000)

    def show(self) -> None:
        """Print the times."""
        least = min(map(statistics.median, self.taken.values()))
        for what, values in self.taken.items():
            median, tail = statistics.median(values), statistics.quantiles(values, n=100)[98]
            print(
                f"dry run, {what:36} p50 {median:6.2f} ms, p99 {tail:6.2f} ms, ratio to the least {median / least:.2f}"
            )


async def measure_creations(creating: Creating, admin: Kubectl, rounds: int) -> None:
    """Create pods with the webhook and without it, and print the times."""
    asked = {FREE: "out of scope", HELD: "in scope, no encryption", ENCRYPTING: "in scope, gets a sidecar"}
    unasked = {FREE: "out of scope, no webhook", HELD: "in scope, no webhook"}
    for _ in range(rounds):
        await _until(creating, there=True)
        await creating.time(asked)
        with away(admin, "mutatingwebhookconfiguration", WEBHOOKS):
            await _until(creating, there=False)
            await creating.time(unasked)
    await _until(creating, there=True)
    creating.show()


async def _until(creating: Creating, *, there: bool) -> None:
    async with asyncio.timeout(60):
        while await creating.has_sidecar() is not there:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.2)


async def measure(cluster: Cluster, admin: Kubectl, given: argparse.Namespace) -> None:
    """Print the figures."""
    async with await connect(cluster.kubeconfig) as client:
        creating = Creating(Api(client, ServerClock()))
        await _until(creating, there=True)
        hooks = admin.get("mutatingwebhookconfiguration", WEBHOOKS)["webhooks"]
        trusted = base64.b64decode(hooks[0]["clientConfig"]["caBundle"]).decode()
        review = review_of(await creating.pod(HELD))
        injectors = Injectors(cluster, admin, replicas.pods(admin, "injector"), trusted, review)
        await measure_reviews(injectors, given.rounds, given.seconds, given.rate)
        await measure_creations(creating, admin, given.rounds)


def main() -> None:
    """Create a policy that encrypts on the chosen cluster, and measure."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.injector", description=__doc__)
    parser.add_argument("--name", default="sovereign-demo")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each load")
    parser.add_argument("--rate", type=float, default=100, help="reviews a second")
    given = parser.parse_args()
    cluster, admin = encrypted.prepared(given.name)
    with (
        encrypted.policy(cluster, admin, POLICY),
        peers.space(admin, FREE, None),
        peers.space(admin, HELD),
        peers.space(admin, ENCRYPTING, POLICY),
        replicas.restored(admin, "injector"),
    ):
        replicas.scale(admin, "injector", 2)
        asyncio.run(measure(cluster, admin, given))


if __name__ == "__main__":
    main()
