"""What signers, injectors and agents cost on a large cluster, whose size should not matter to them."""

import asyncio
import json
from collections.abc import Iterator

from hack.bench import crowded, processes, replicas
from hack.bench.load import cpu_of, memory_of
from hack.kubectl import Kubectl, eventually
from sovereign_operator.kube.client import resource
from sovereign_operator.kube.client.api import Api

COMPONENTS = ("signer", "injector", "agent")
SPACE = "bench-encrypting"
REVIEWS = 200
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "app"},
    "spec": {
        "containers": [
            {"name": "app", "image": "registry.example.org/application", "securityContext": {"runAsUser": 1000}}
        ]
    },
}


class Bystanders:
    """The operator's processes on this machine, besides the controller."""

    def __init__(self, api: Api, admin: Kubectl) -> None:
        self._api = api
        self._admin = admin
        self._pids = {component: list(self._find(component)) for component in COMPONENTS}

    def _find(self, component: str) -> Iterator[int]:
        for pod in replicas.pods(self._admin, component):
            for pid in processes.of_pod(pod["metadata"]["uid"]):
                # Those of fake nodes have no process.
                if f"sovereign_operator.{component}" in processes.read(pid, "cmdline"):
                    yield pid

    async def idle(self, seconds: float) -> None:
        """Print what each process costs in this time, in which nothing happens, and its memory."""
        before = {component: cpu_of(pids) for component, pids in self._pids.items()}
        await asyncio.sleep(seconds)
        for component, pids in self._pids.items():
            each = (cpu_of(pids) - before[component]) / len(pids)
            memory = max(memory_of(pid).resident for pid in pids)
            print(f"{component}, idle for {seconds:g} s: {each:.2f} s of CPU each; {memory:.0f} MB", flush=True)

    async def reviews(self) -> None:
        """Print what the injectors need to answer for a pod in scope of a policy that encrypts."""
        strict = {"encryptionInTransit": {"mode": "Strict", "clusterNetworks": ["10.0.0.0/8"]}}
        policy = crowded.policy(0) | {"metadata": {"name": SPACE}}
        await self._api.create(resource.OURS["sovereigntypolicies"], policy | {"spec": policy["spec"] | strict})
        labels = {"sovereignty.dev/enforce": SPACE}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE, "labels": labels}}
        await self._api.create(resource.NAMESPACES, namespace)
        # The policy's host role comes first, then its transit config.
        eventually(self._injects, what="a pod with a sidecar")
        before = cpu_of(self._pids["injector"])
        for _ in range(REVIEWS):
            await self._dry_run()
        each = (cpu_of(self._pids["injector"]) - before) / REVIEWS
        print(f"injector: {1000 * each:.1f} ms of CPU for each pod", flush=True)

    async def _dry_run(self) -> None:
        await self._api.request("POST", resource.PODS.path(namespace=SPACE), POD, query={"dryRun": "All"})

    def _injects(self) -> bool:
        done = self._admin.attempt(
            "-n", SPACE, "create", "-f", "-", "--dry-run=server", "-o", "yaml", stdin=json.dumps(POD)
        )
        return "restartPolicy: Always" in done.stdout.partition("initContainers:")[2]
