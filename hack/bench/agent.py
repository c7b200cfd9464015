"""What encryption adds to the start of a pod, and the agent's share of it.

Run ``python -m hack.bench.agent --name CLUSTER`` on a cluster with the operator installed. On one node, pods start one
at a time, alternately with and without a sidecar, timed from the request to the API server until the pod is Ready, and
compared with one write in the same run; we aim at 2 s more. For each pod with a sidecar the agent's metrics say how
long it waited from its network to its rules. Then ``--at-once`` pods start at once, and the metrics say how long they
waited. Printed are also the memory and CPU that this cost the agent, with the programs that it starts.
"""

import argparse
import asyncio
import os
import statistics
import time
from dataclasses import dataclass

from hack.bench import encrypted, peers, replicas
from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api, connect
from sovereign_operator.kube.client.clock import ServerClock

POLICY = "bench-agent"
NODE = "brest-1"
BARE, WITH = "bench-agent-bare", "bench-agent-sidecars"
HOLD = ("python3", "-c", "import signal; signal.sigwait([signal.SIGTERM])")
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 600
WAITED = "sovereign_redirect_seconds"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Used:
    """What the agent has used so far."""

    cpu: float
    """In seconds."""
    anonymous: float
    """In MB."""
    resident: float


@dataclass(frozen=True)
class Agent:
    """The agent of the node."""

    cluster: Cluster
    admin: Kubectl

    def _pod(self) -> Json:
        return next(pod for pod in replicas.pods(self.admin, "agent") if pod["spec"]["nodeName"] == NODE)

    def waited(self) -> dict[str, float]:
        """Return the agent's histogram of how long pods waited: count, sum and buckets."""
        shown = replicas.metrics(self.cluster, self._pod())
        return {name.removeprefix(f"{WAITED}_"): value for name, value in shown.items() if name.startswith(WAITED)}

    def used(self) -> Used:
        """Return what the agent has used."""
        name = self._pod()["metadata"]["name"]
        said = self.admin.run("-n", NAMESPACE, "exec", name, "--", "cat", "/proc/1/stat", "/proc/1/smaps_rollup")
        stat, _, *rollup = said.splitlines()
        # utime and stime, of the process and of its children.
        ticks = sum(map(int, stat.rpartition(")")[2].split()[11:15]))
        kilobytes = {key: int(value.split()[0]) for key, value in (line.split(":") for line in rollup)}
        return Used(ticks / TICKS, kilobytes["Anonymous"] * 1.024e-3, kilobytes["Rss"] * 1.024e-3)


class Bench:
    """Starts pods."""

    def __init__(self, api: Api, agent: Agent) -> None:
        self._api = api
        self._agent = agent

    async def start(self, namespace: str, name: str) -> tuple[float, float]:
        """Start a pod. Return the seconds that the write took, and those until it is Ready."""
        begun = time.perf_counter()
        made = await self._api.create(resource.PODS, encrypted.pod(name, NODE, HOLD), namespace)
        written = time.perf_counter() - begun
        if (sidecar.container_of(made) is not None) is not (namespace == WITH):
            raise AssertionError(f"a sidecar in {BARE}, or none in {WITH}")
        while not _is_ready(await self._api.get(resource.PODS, name, namespace)):  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(LOOK_SECONDS)
        return written, time.perf_counter() - begun

    async def end(self, namespace: str, name: str) -> None:
        """Delete a pod, and wait until it is gone."""
        await self._api.request("DELETE", resource.PODS.path(name, namespace))
        while await self._api.lasting(resource.PODS, name, namespace) is not None:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(LOOK_SECONDS)

    async def first(self) -> None:
        """Start the first pod of each namespace, and print: one with a sidecar also waits for its transit config."""
        taken = {}
        for namespace in (BARE, WITH):
            _, taken[namespace] = await self.start(namespace, "first")
            await self.end(namespace, "first")
        print(f"created to Ready, the first of a namespace: {taken[BARE]:.3f} s, with sidecar {taken[WITH]:.3f} s")

    async def one_at_a_time(self, rounds: int) -> None:
        """Start pods of both kinds alternately, and print the figures."""
        written: list[float] = []
        taken: dict[str, list[float]] = {BARE: [], WITH: []}
        redirected: list[float] = []
        for number in range(rounds):
            for namespace, seconds in taken.items():
                name = f"pod-{number}"
                before = await asyncio.to_thread(self._agent.waited)
                write, ready = await self.start(namespace, name)
                after = await asyncio.to_thread(self._agent.waited)
                await self.end(namespace, name)
                written.append(write)
                seconds.append(ready)
                if after["count"] == before["count"] + 1:
                    redirected.append(after["sum"] - before["sum"])
        if len(redirected) != rounds:
            raise AssertionError(f"{rounds} pods with a sidecar, and the agent redirected {len(redirected)}")
        write = statistics.median(written)
        for what, seconds in (("without sidecar", taken[BARE]), ("with sidecar", taken[WITH])):
            print(f"{_spread(f'created to Ready, {what}', seconds)}; ratio to one write {_median(seconds) / write:.0f}")
        added = [ours - bare for bare, ours in zip(taken[BARE], taken[WITH], strict=True)]
        print(f"{_spread('added by the sidecar', added)}; ratio {_median(taken[WITH]) / _median(taken[BARE]):.2f}")
        print(
            f"{_spread('network to rules, one pod at a time', redirected)}; ratio to the added "
            f"{_median(redirected) / _median(added):.3f}"
        )

    async def at_once(self, count: int) -> None:
        """Start ``count`` pods with sidecars at once, and print the figures."""
        begun, used = await asyncio.to_thread(self._agent.waited), await asyncio.to_thread(self._agent.used)
        async with asyncio.timeout(PATIENCE_SECONDS):
            started = await asyncio.gather(*(self.start(WITH, f"many-{number}") for number in range(count)))
        ended, after = await asyncio.to_thread(self._agent.waited), await asyncio.to_thread(self._agent.used)
        new = {name: ended[name] - begun.get(name, 0) for name in ended}
        within = {name.split('"')[1]: value for name, value in new.items() if name.startswith("bucket")}
        print(
            f"network to rules, {count} pods at once: mean {new['sum'] / new['count']:.3f} s; of {new['count']:.0f}, "
            f"{', '.join(f'{value:.0f} in {bound} s' for bound, value in within.items() if bound != '+Inf')}"
        )
        print(_spread(f"created to Ready, {count} at once", [ready for _, ready in started]))
        print(
            f"the agent: {(after.cpu - used.cpu) / count * 1000:.0f} ms CPU for each pod; "
            f"anonymous {used.anonymous:.0f} MB before, {after.anonymous:.0f} MB after, resident "
            f"{used.resident:.0f} MB before, {after.resident:.0f} MB after"
        )


def _is_ready(pod: Json) -> bool:
    return any(found["type"] == "Ready" and found["status"] == "True" for found in pod["status"].get("conditions", ()))


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _spread(what: str, values: list[float]) -> str:
    return f"{what}: median {_median(values):.3f} s, least {min(values):.3f} s, worst {max(values):.3f} s"


async def measure(agent: Agent, rounds: int, count: int) -> None:
    """Print the figures."""
    async with await connect(agent.cluster.kubeconfig) as client:
        bench = Bench(Api(client, ServerClock()), agent)
        await bench.first()
        await bench.one_at_a_time(rounds)
        await bench.at_once(count)


def main() -> None:
    """Create a policy that encrypts on the chosen cluster, and measure."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.agent", description=__doc__)
    parser.add_argument("--name", default="sovereign-demo")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=50)
    given = parser.parse_args()
    cluster, admin = encrypted.prepared(given.name)
    with (
        encrypted.policy(cluster, admin, POLICY),
        peers.space(admin, BARE),
        peers.space(admin, WITH, POLICY),
    ):
        asyncio.run(measure(Agent(cluster, admin), given.rounds, given.at_once))


if __name__ == "__main__":
    main()
