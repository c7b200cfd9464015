"""The controller's process: what it costs, and what it writes."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass

from hack import audit_log
from hack.bench import processes, replicas
from hack.bench.load import cpu_of, memory_of
from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Json, Kubectl, eventually

PROGRAM = "sovereign_operator.controller"
ACCOUNT = "sovereign-controller"
ROLES = frozenset({"clusterroles", "clusterrolebindings"})
LOOK_SECONDS = 0.5
STARTED_SECONDS = 300
"""Within this time a new controller leads. A cluster with thousands of new pods lets its own wait for minutes."""
CALM_LOOKS = 6
"""How many looks in a row have to find it idle: longer than any of its pauses between two writes of one change."""
BUSY = 0.04
"""The share of a CPU above which the controller is not idle, beyond twice what it uses with nothing to do."""


@dataclass(frozen=True)
class Cost:
    """What a change cost the controller."""

    seconds: float
    """Until it was idle again."""
    cpu: float
    """Seconds, without those of idling meanwhile."""
    writes: list[Json]
    """The writes, but to Leases, as the audit log has them."""

    def written(self) -> str:
        """Return how many writes went to each resource, in words."""
        counts = Counter(map(audit_log.target, self.writes))
        return ", ".join(f"{count} {what}" for what, count in counts.most_common()) or "nothing"

    def order(self) -> str:
        """Return whether all roles were written before anything else, in words."""
        roles = [entry for entry in self.writes if audit_log.target(entry) in ROLES]
        others = [entry for entry in self.writes if audit_log.target(entry) not in ROLES]
        if not roles or not others:
            return "roles or other writes are missing"
        begun = min(map(audit_log.received, roles))
        last = (max(map(audit_log.answered, roles)) - begun).total_seconds()
        first = min(others, key=audit_log.received)
        since = (audit_log.received(first) - begun).total_seconds()
        return (
            f"the last role was written {last:.2f} s after the first one was sent, "
            f"anything else from {since:.2f} s ({first['verb']} of {audit_log.target(first)})"
        )


class Controller:
    """The only replica of the controller."""

    def __init__(self, cluster: Cluster, admin: Kubectl) -> None:
        self._cluster = cluster
        self._admin = admin
        self._pid = self._find()
        self.idle = 0.0
        """The share of a CPU that it uses with nothing to do."""

    def _find(self) -> int:
        pods = replicas.pods(self._admin, "controller")
        found = [pid for pod in pods for pid in processes.of_pod(pod["metadata"]["uid"])]
        found = [pid for pid in found if PROGRAM in processes.read(pid, "cmdline")]
        assert len(found) == 1, f"{len(found)} processes of the controller"
        return found[0]

    def cpu(self) -> float:
        """Return the seconds of CPU that it has used so far."""
        return cpu_of([self._pid])

    def memory(self) -> str:
        """Return its resident memory now and at most, in words."""
        highest = next(line for line in processes.read(self._pid, "status").splitlines() if line.startswith("VmHWM"))
        return f"{memory_of(self._pid).resident:.0f} MB, {int(highest.split()[1]) * 1.024e-3:.0f} MB at most"

    async def calm(self) -> float:
        """Wait until it is idle, and return since when, on the clock of perf_counter."""
        since = looked = time.perf_counter()
        used, looks = self.cpu(), 0
        while looks < CALM_LOOKS:
            await asyncio.sleep(LOOK_SECONDS)
            now, cpu = time.perf_counter(), self.cpu()
            looks = looks + 1 if cpu - used < (BUSY + 2 * self.idle) * (now - looked) else 0
            looked, used, since = now, cpu, since if looks else now
        return since

    async def cost(self, work: Awaitable[object]) -> Cost:
        """Do work, and return what it cost until the controller is idle again."""
        position, begun, used = audit_log.position(self._cluster), time.perf_counter(), self.cpu()
        await work
        since = await self.calm()
        passed = time.perf_counter() - begun
        cpu = self.cpu() - used - self.idle * passed
        return Cost(since - begun, cpu, self._writes(position))

    async def restart(self) -> Cost:
        """Replace its pod, and return what the new one cost until it was idle."""
        position, begun = audit_log.position(self._cluster), time.perf_counter()
        (former,) = replicas.pods(self._admin, "controller")
        name = former["metadata"]["name"]
        self._admin.run("-n", NAMESPACE, "delete", "pod", name)
        self._admin.run("-n", NAMESPACE, "rollout", "status", f"deployment/{ACCOUNT}", "--timeout=5m")
        self._pid = eventually(self._find, seconds=STARTED_SECONDS, what="the new controller")
        eventually(self._leads, seconds=STARTED_SECONDS, what="a controller that leads")
        since = await self.calm()
        return Cost(since - begun, self.cpu(), self._writes(position))

    def _leads(self) -> bool:
        (pod,) = replicas.pods(self._admin, "controller")
        holder = self._admin.get("lease", ACCOUNT, NAMESPACE)["spec"].get("holderIdentity")
        return bool(holder == pod["metadata"]["name"])

    def _writes(self, position: int) -> list[Json]:
        return audit_log.writes_in(audit_log.requests_of(self._cluster, ACCOUNT, position))
