"""How fast certificates are issued, and refused, compared with what the API server can do in the same run.

Run ``python -m hack.bench.certificates --name CLUSTER`` on a cluster where the demo or the tests have run. A cluster
admin deletes the guard of requests for some minutes, and creates requests for one real pod on each accepted node, as
its kubelet would, 16 at a time. They are answered alternately by one signer, by two, and by a client that decides
nothing: it patches a prepared status as soon as it sees the request ("patched"), or with all requests created before
the clock starts ("limit": what the API server can do, or this client, if it is busy; we aim at 0.7 of it). Then 100
requests are made at once, as for 100 new pods, and then more until ``--live`` certificates are live, as fast as a
signer lets two nodes request them. Last comes the measurement of handshakes.py.
"""

import argparse
import asyncio
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from hack import audit_log, estate
from hack.bench import handshakes, peers, replicas
from hack.bench.asking import PATCHED, Asking, Batch, timed
from hack.bench.away import away
from hack.cluster import Cluster
from hack.images import public
from hack.install import find
from hack.kubectl import Json, Kubectl
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock

SPACE = "bench-certificates"
EACH, AT_ONCE, ROUNDS = 80, 100, 3
"""Requests of a batch, half of them for each node: no more than a signer lets a node make at once."""
LIVE_BATCH = 500
SIGNER = "signer"
GUARD = "sovereignty-guard-requests"
RARE = 0.25
"""Requests that a signer makes less often than this per certificate are housekeeping."""


@dataclass(frozen=True)
class Used:
    """What a signer has used so far."""

    memory: float
    """Resident, in bytes."""
    cpu: float
    """In seconds."""


@dataclass(frozen=True)
class Signers:
    """The signer's replicas."""

    cluster: Cluster
    admin: Kubectl

    def used(self) -> dict[str, Used]:
        """Return what each replica has used, by the name of its pod."""
        return {pod["metadata"]["name"]: self._used(pod) for pod in replicas.pods(self.admin, SIGNER)}

    def _used(self, pod: Json) -> Used:
        found = replicas.metrics(self.cluster, pod)
        return Used(found["process_resident_memory_bytes"], found["process_cpu_seconds_total"])


def request_for(admin: Kubectl, pod: Json) -> Json:
    """Return the spec of a kubelet's request for a pod, without signer and key."""
    node, account = pod["spec"]["nodeName"], pod["spec"]["serviceAccountName"]
    return {
        "podName": pod["metadata"]["name"],
        "podUID": pod["metadata"]["uid"],
        "serviceAccountName": account,
        "serviceAccountUID": admin.get("serviceaccount", account, SPACE)["metadata"]["uid"],
        "nodeName": node,
        "nodeUID": admin.get("node", node)["metadata"]["uid"],
        "maxExpirationSeconds": 86400,
    }


async def measure(asking: Asking, signers: Signers, live: int) -> None:
    """Print rates, latencies, and what the signers use until ``live`` certificates are live."""
    batches: defaultdict[str, list[Batch]] = defaultdict(list)
    fresh = signers.used()
    spent = 0.0
    for _ in range(ROUNDS):
        for number in (1, 2):
            await asyncio.to_thread(replicas.scale, signers.admin, SIGNER, number)
            await asking.settle()
            before = signers.used()
            batches[f"signers: {number}"].append(await timed([asking.ask(request) for request in asking.prepare(EACH)]))
            after = signers.used()
            spent += sum(after[name].cpu - before[name].cpu for name in after)
        await asking.settle()
        batches["patched"].append(await timed([asking.ask(request) for request in asking.prepare(EACH, PATCHED)]))
        waiting = asking.prepare(EACH, PATCHED)
        await timed([asking.create(request) for request in waiting])
        batches["limit"].append(await timed([asking.patch(request.name, request.status) for request in waiting]))
    await asking.settle(AT_ONCE)
    at_once = await timed([asking.ask(request) for request in asking.prepare(AT_ONCE)], AT_ONCE)
    batches[f"signers: 2, {AT_ONCE} at once"].append(at_once)
    report(batches)
    print(f"CPU of the signers: {spent * 1000 / (2 * ROUNDS * EACH):.1f} s for 1,000 certificates")
    while asking.issued < live:
        await timed([asking.ask(request) for request in asking.prepare(min(LIVE_BATCH, live - asking.issued))])
    for name, last in signers.used().items():
        begun = f"{fresh[name].memory / 2**20:.0f} MiB before, " if name in fresh else "younger, "
        print(
            f"resident memory of a signer: {begun}{last.memory / 2**20:.0f} MiB with {asking.issued} certificates live"
        )


def report(batches: dict[str, list[Batch]]) -> None:
    """Print the rates and latencies of the batches."""
    rates = {who: statistics.median(batch.rate for batch in several) for who, several in batches.items()}
    for who, several in batches.items():
        latencies = sorted(second * 1000 for batch in several for second in batch.latencies)
        busy = statistics.median(batch.busy for batch in several)
        tail = statistics.quantiles(latencies, n=100)[98]
        ratios = [f"{rates[who] / rates[other]:.2f} to {other}" for other in ("limit", "patched")]
        print(
            f"{who:22} {rates[who]:4.0f}/s, p50 {statistics.median(latencies):4.0f} ms, p99 {tail:4.0f} ms; "
            f"ratio {', '.join(ratios)}; this client took {busy:.2f} CPU"
        )


@contextmanager
def counted(cluster: Cluster) -> Iterator[None]:
    """Print the signers' API requests meanwhile, per certificate."""
    begun = audit_log.position(cluster)
    yield
    requests = audit_log.requests_of(cluster, f"sovereign-{SIGNER}", begun)
    asked = Counter(
        f"{entry['verb']} {audit_log.target(entry)}" for entry in requests if entry["stage"] == "ResponseComplete"
    )
    certificates = asked["patch podcertificaterequests/status"]
    each = {what: count / certificates for what, count in asked.most_common() if count > RARE * certificates}
    said = ", ".join(f"{what} {count:.2f}" for what, count in each.items())
    print(f"requests of a signer for each certificate: {sum(each.values()):.1f} ({said})")


async def run(cluster: Cluster, admin: Kubectl, pods: list[Json], live: int) -> None:
    """Measure on a cluster, for running pods."""
    signers = Signers(cluster, admin)
    async with await connect(cluster.kubeconfig) as client:
        asking = Asking(Api(client, ServerClock()), SPACE, pods)
        with away(admin, "validatingadmissionpolicybinding", GUARD), replicas.restored(admin, SIGNER), counted(cluster):
            try:
                await asking.ready()
                await measure(asking, signers, live)
            finally:
                asking.close()


def main() -> None:
    """Start pods on the chosen cluster, and measure."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.certificates", description=__doc__)
    parser.add_argument("--name", default="sovereign-demo")
    parser.add_argument("--live", type=int, default=1_000, help="how many certificates are live in the end")
    parser.add_argument("--pods", type=int, default=12, help="how many there are when a service is suspended")
    given = parser.parse_args()
    cluster = find(given.name)
    cluster.load_image(public.archive(peers.IMAGE))
    admin = Kubectl(cluster.kubeconfig)
    # The demo leaves a service suspended.
    admin.apply(*estate.services(datetime.now(UTC).date()))
    with peers.space(admin, SPACE) as space:
        idle = [peers.peer(f"on-{node}", node, ["sleep", "86400"]) for node in estate.ACCEPTED]
        running = peers.start(admin, space, idle).values()
        asyncio.run(run(cluster, admin, [request_for(admin, pod) for pod in running], given.live))
    handshakes.measure(admin, given.pods)


if __name__ == "__main__":
    main()
