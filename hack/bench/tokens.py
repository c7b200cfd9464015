"""How fast certificates are issued by token, compared with those by request, in the same run.

Run ``python -m hack.bench.tokens --name CLUSTER`` on a cluster with Kubernetes 1.37 where the demo or the tests have
run. Pods with sidecars are started on both accepted nodes. Then a pod sends requests with their tokens, 16 at a time,
from another address than theirs, which the signer is told to accept meanwhile; and a cluster admin, who deletes the
guard of requests for some minutes, creates PodCertificateRequests for pods on the same nodes. One signer answers both.
"""

import argparse
import asyncio
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from hack import estate
from hack.bench import peers, release, replicas
from hack.bench.asking import AT_A_TIME, Asking, timed
from hack.bench.away import away
from hack.bench.certificates import GUARD, SIGNER, SPACE, Signers, request_for
from hack.cluster import Cluster
from hack.images import public
from hack.install import find
from hack.kubectl import Json, Kubectl
from hack.signer_requests import Asker, Request, pkcs10, token_of
from sovereign_operator.core.sidecar.contract import CONTAINER
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.signer.fair_share import BURST, RATE

POLICY = "bench-tokens"
SIDECARS = "bench-tokens"
PODS, EACH, ROUNDS = 20, 80, 3
"""Pods of each node, and requests of a batch: no more than a signer lets a node and a pod make at once."""


@dataclass(frozen=True)
class Measured:
    """The results of one batch."""

    rate: float
    latencies: list[float]
    cpu: float
    """Seconds of the signer for each certificate."""


class ByToken:
    """Asks with the tokens of pods, from a pod."""

    def __init__(self, cluster: Cluster, admin: Kubectl, pods: Sequence[Json]) -> None:
        self._asker = Asker(admin, SPACE, "asker", POLICY)
        self._tokens = [token_of(cluster, pod) for pod in pods]

    def ask(self) -> tuple[float, list[float]]:
        """Send a batch. Return the rate, and the seconds that each request took."""
        tokens = [self._tokens[number % len(self._tokens)] for number in range(EACH)]
        answers, seconds = self._asker.ask_all([Request(token, pkcs10()) for token in tokens], at_once=AT_A_TIME)
        refused = [answered for answered in answers if answered.status != HTTPStatus.OK]
        assert not refused, refused[0]
        return EACH / seconds, [answered.seconds for answered in answers]


async def measure(asking: Asking, by_token: ByToken, signers: Signers) -> None:
    """Print rates, latencies and the signer's CPU, for both ways by turns."""
    batches: dict[str, list[Measured]] = {"request": [], "token": []}
    for _ in range(ROUNDS):
        for way, found in batches.items():
            await asking.settle()
            await asyncio.sleep(BURST / RATE)
            before = signers.used()
            if way == "request":
                batch = await timed([asking.ask(request) for request in asking.prepare(EACH)])
                rate, latencies = batch.rate, batch.latencies
            else:
                rate, latencies = await asyncio.to_thread(by_token.ask)
            after = signers.used()
            found.append(Measured(rate, latencies, sum(after[name].cpu - before[name].cpu for name in after) / EACH))
    rates = {way: statistics.median(batch.rate for batch in found) for way, found in batches.items()}
    for way, found in batches.items():
        latencies = sorted(second * 1000 for batch in found for second in batch.latencies)
        cpu, tail = statistics.median(batch.cpu for batch in found), statistics.quantiles(latencies, n=100)[98]
        print(
            f"by {way:8} {rates[way]:4.0f}/s, p50 {statistics.median(latencies):4.0f} ms, p99 {tail:4.0f} ms; "
            f"{1000 * cpu:.1f} s of the signer's CPU for 1,000; ratio {rates[way] / rates['request']:.2f} to by request"
        )


@contextmanager
def any_address(cluster: Cluster, admin: Kubectl) -> Iterator[None]:
    """Have new sidecars ask by token, and the signer answer from any address, for a while."""
    release.upgrade(cluster, admin, "identity.certificates=Token", "identity.checkAddress=false")
    try:
        yield
    finally:
        release.upgrade(cluster, admin, "identity.certificates=Request", "identity.checkAddress=true")


async def run(cluster: Cluster, admin: Kubectl, requests: list[Json], by_token: ByToken) -> None:
    """Measure on a cluster, for running pods."""
    async with await connect(cluster.kubeconfig) as client:
        asking = Asking(Api(client, ServerClock()), SPACE, requests)
        with away(admin, "validatingadmissionpolicybinding", GUARD), replicas.restored(admin, SIGNER):
            replicas.scale(admin, SIGNER, 1)
            try:
                await asking.ready()
                await measure(asking, by_token, Signers(cluster, admin))
            finally:
                asking.close()


def _with_sidecar(name: str, node: str) -> Json:
    idle = {"name": "idle", "image": peers.IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "86400"]}
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 1,
        "containers": [idle],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def main() -> None:
    """Start pods on the chosen cluster, and measure."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.tokens", description=__doc__)
    parser.add_argument("--name", default="sovereign-demo")
    cluster = find(parser.parse_args().name)
    cluster.load_image(public.archive(peers.IMAGE))
    admin = Kubectl(cluster.kubeconfig)
    with any_address(cluster, admin):
        admin.apply(estate.policy(admin, POLICY, encryptionInTransit={"mode": "Permissive"}))
        try:
            with peers.space(admin, SPACE) as space, peers.space(admin, SIDECARS, POLICY) as sidecars:
                idle = [peers.peer(f"on-{node}", node, ["sleep", "86400"]) for node in estate.ACCEPTED]
                asker = peers.peer("asker", estate.ACCEPTED[0], ["sleep", "86400"])
                running = peers.start(admin, space, [*idle, asker])
                requests = [request_for(admin, pod) for name, pod in running.items() if name != "asker"]
                wanted = [_with_sidecar(f"{node}-{n}", node) for node in estate.ACCEPTED for n in range(PODS)]
                started = peers.start(admin, sidecars, wanted).values()
                assert all(pod["spec"]["initContainers"][0]["name"] == CONTAINER for pod in started)
                asyncio.run(run(cluster, admin, requests, ByToken(cluster, admin, [*started])))
        finally:
            admin.delete("sovereigntypolicy", POLICY)


if __name__ == "__main__":
    main()
