"""What it costs to place pods by webhook, compared with the API server's own policies, in one run.

Run ``python -m hack.bench.placing --name CLUSTER`` on a cluster of the local backend with Kubernetes 1.36 or later,
with encryption installed, where the demo or the tests have run. The release is upgraded to one way and the other by
turns, several times.

Requests are dry runs: they go through admission and are not stored. CPU is that of the API server and of our injectors,
for 1,000 requests, without what they use when there are none.
"""

import argparse
import statistics
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from hack import estate
from hack.bench import dry_runs, ratios, release, replicas
from hack.bench.away import there
from hack.bench.dry_runs import Server
from hack.bench.guards import admitting, measures, resting
from hack.bench.load import Seen
from hack.cluster import Cluster
from hack.install import find
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names

FREE, HELD, ENCRYPTING = "bench-free", "bench-placed", "bench-placed-encrypting"
POLICIES: Final[dict[str, Json]] = {HELD: {}, ENCRYPTING: {"encryptionInTransit": {"mode": "Permissive"}}}
"""What a policy of the same name as its namespace demands besides accepted nodes."""
WAYS: Final = {"by policies": "Policies", "by webhook": "Webhook"}
"""The values of ``placement.by``. Ratios are to the first."""
CLIENTS: Final = (1, 10)


def use(cluster: Cluster, admin: Kubectl, way: str) -> None:
    """Have pods placed this way from now on, and return once the API server does so."""
    release.upgrade(cluster, admin, f"placement.by={WAYS[way]}")

    def injectors_asked() -> float:
        metrics = [replicas.metrics(cluster, pod) for pod in replicas.pods(admin, "injector")]
        return sum(value for each in metrics for name, value in each.items() if "_reviews_total" in name)

    def takes_this_way() -> bool:
        before = injectors_asked()
        made = admin.attempt("create", "-n", HELD, "--dry-run=server", "-o", "yaml", "-f", "-", stdin=dry_runs.TEXT)
        return "nodeSelector:" in made.stdout and (injectors_asked() > before) is (WAYS[way] == "Webhook")

    eventually(takes_this_way, what=f"pods placed {way}")


def measure(cluster: Cluster, rounds: int, seconds: float) -> None:
    """Create what is needed, measure, and print the figures."""
    admin = Kubectl(cluster.kubeconfig)
    taken: dict[tuple[str, int], dict[str, list[Seen]]] = defaultdict(lambda: {way: [] for way in WAYS})
    idle: list[float] = []
    with ExitStack() as stack:
        stack.callback(release.upgrade, cluster, admin, "placement.by=")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(there(admin, *(estate.policy(admin, name, **spec) for name, spec in POLICIES.items())))
        labels = {FREE: {}, **{name: {names.ENFORCE_LABEL: name} for name in POLICIES}}
        stack.enter_context(there(admin, *(_namespace(name, held) for name, held in labels.items())))
        server = Server.of(cluster.kubeconfig, folder)
        for number in range(rounds):
            for way in reversed(WAYS) if number % 2 else WAYS:
                use(cluster, admin, way)
                pids = admitting(cluster, admin)
                for space in labels:
                    server.put(dry_runs.CREATE, space, max(CLIENTS), seconds, pids)  # To warm connections and caches.
                idle.append(resting(pids, seconds))
                for clients in CLIENTS:
                    for space in labels:
                        taken[space, clients][way].append(server.put(dry_runs.CREATE, space, clients, seconds, pids))
        rest = statistics.median(idle)
        for (space, clients), seen in taken.items():
            what = {FREE: "out of scope", HELD: "placement", ENCRYPTING: "encrypting"}[space]
            shown = {way: [measures(each, rest) for each in several] for way, several in seen.items()}
            ratios.show(f"CREATE, {what}, {clients} client(s) without pause", shown)


def _namespace(name: str, labels: dict[str, str]) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def main() -> None:
    """Measure on the chosen cluster."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.placing", description=__doc__)
    parser.add_argument("--name", default="sovereign-demo")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each slice")
    given = parser.parse_args()
    measure(find(given.name), given.rounds, given.seconds)


if __name__ == "__main__":
    main()
