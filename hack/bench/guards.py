"""What our admission costs: pods created and bound in five scenarios, in short slices in turn, in one run.

Run ``python -m hack.bench.guards --name CLUSTER`` on a cluster of the local backend with the operator installed.

- ``bare``: the bindings of our admission policies and our webhooks are deleted, and the namespace has no policy.
- ``lean``: like bare, with the least that placement by admission could be (see lean.py).
- ``out of scope``: ours are installed, and the namespace has no policy.
- ``placement``: the namespace is held to a policy that does not encrypt. Its host role lists 5,000 nodes.
- ``encrypting``: the namespace is held to a policy that encrypts, so that the API server calls the injector.

Requests are dry runs: they go through admission and are not stored. CPU is that of the API server and of our injectors,
for 1,000 requests, without what they use when there are none. The load generator and other programs share the cores,
but are not counted; latencies and rates suffer from them.

Nothing is placed and guarded on this cluster while ours are deleted, for seconds at a time. They are restored however
the run ends, unless it is killed (SIGKILL): then install the operator again. No controller runs meanwhile, because it
would report the missing guards.
"""

import argparse
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Final

from hack import estate
from hack.bench import dry_runs, lean, processes, ratios, replicas
from hack.bench.away import away, there
from hack.bench.dry_runs import STORED, Server
from hack.bench.effects import Effects
from hack.bench.load import Seen, cpu_of
from hack.cluster import Cluster
from hack.install import NAMESPACE, RELEASE, find
from hack.kubectl import Json, Kubectl, eventually
from sovereign_operator.core import names
from sovereign_operator.core.placement.host_roles import host_role_objects

POLICY: Final = "bench"
TRANSIT: Final = "bench-transit"
NODES: Final = tuple(f"bench-{number}" for number in range(5000))
FREE, HELD, ENCRYPTING, LEAN = "bench-free", "bench-held", "bench-encrypting", "bench-lean"
SPACES: Final[dict[str, dict[str, str]]] = {
    FREE: {},
    HELD: {names.ENFORCE_LABEL: POLICY},
    ENCRYPTING: {names.ENFORCE_LABEL: TRANSIT},
    LEAN: {lean.LABEL: "true"},
}
"""Namespaces, and their labels."""
CREATE, BIND = "CREATE", "BIND"
REQUESTS: Final = {CREATE: dry_runs.CREATE, BIND: dry_runs.bind(NODES[len(NODES) // 2])}
SCENARIOS: Final = {
    "bare": (FREE, (CREATE, BIND)),
    "lean": (LEAN, (CREATE,)),
    "out of scope": (FREE, (CREATE, BIND)),
    "placement": (HELD, (CREATE, BIND)),
    "encrypting": (ENCRYPTING, (CREATE,)),
}
"""The namespace of each scenario, and what is asked for there. Ratios are to the first."""
BARE, ALONE, *OURS = SCENARIOS
CLIENTS: Final = (1, 10, 50)
WARM_CLIENTS: Final = 10
RELEASED: Final = f"app.kubernetes.io/instance={RELEASE}"
SEEN_LAST: Final = {
    "mutatingwebhookconfiguration": "sovereign-injector",
    "mutatingadmissionpolicybinding": "sovereignty-place-pods-by-namespace",
    "validatingadmissionpolicybinding": "sovereignty-guard-pods-by-namespace",
}
"""The objects whose effect is looked at, by kind. The API server follows changes in their order: these come last."""


@dataclass(frozen=True)
class Bench:
    """Puts loads on a cluster, and keeps what it sees."""

    cluster: Cluster
    admin: Kubectl
    server: Server
    effects: Effects
    seconds: float
    """Of each slice."""
    taken: defaultdict[tuple[str, int], defaultdict[str, list[Seen]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    """What was seen in each round, by requests and clients, and by scenario."""
    idle: list[float] = field(default_factory=list)
    """How many CPUs the processes used in each round while there were no requests."""

    def warm(self) -> None:
        """Put a load on the cluster that does not count."""
        for scenario in OURS:
            self._put(scenario, CREATE, WARM_CLIENTS)

    def round(self, number: int) -> None:
        """Measure everything once; in every other round in the opposite order, as what comes first may fare worse."""
        parts = [self._with_ours, self._without_ours]
        for part in reversed(parts) if number % 2 else parts:
            part(number)

    def _with_ours(self, number: int) -> None:
        self.effects.wait_for_ours(present=True)
        self.idle.append(resting(admitting(self.cluster, self.admin), self.seconds))
        self._slices(OURS[number % len(OURS) :] + OURS[: number % len(OURS)])

    def _without_ours(self, number: int) -> None:
        parts = [self._bare, self._lean]
        with without_ours(self.admin):
            self.effects.wait_for_ours(present=False)
            for part in reversed(parts) if number % 2 else parts:
                part()

    def _bare(self) -> None:
        self.effects.wait_for_lean(present=False)
        self._slices([BARE])

    def _lean(self) -> None:
        with lean.installed(self.admin):
            self.effects.wait_for_lean(present=True)
            self._slices([ALONE])

    def _slices(self, scenarios: Sequence[str]) -> None:
        for clients in CLIENTS:
            for requests in REQUESTS:
                for scenario in scenarios:
                    if requests in SCENARIOS[scenario][1]:
                        seen = self._put(scenario, requests, clients)
                        self.taken[requests, clients][scenario].append(seen)

    def _put(self, scenario: str, requests: str, clients: int) -> Seen:
        namespace, _ = SCENARIOS[scenario]
        pids = admitting(self.cluster, self.admin)
        return self.server.put(REQUESTS[requests], namespace, clients, self.seconds, pids)

    def show(self) -> None:
        """Print the figures and their ratios."""
        idle = statistics.median(self.idle)
        for (requests, clients), seen in sorted(self.taken.items(), key=lambda item: item[0][0], reverse=True):
            ordered = {name: [measures(each, idle) for each in seen[name]] for name in SCENARIOS if name in seen}
            ratios.show(f"{requests}, {clients} client(s) without pause", ordered)
        every = [each for seen in self.taken.values() for several in seen.values() for each in several]
        client, others = (statistics.median(map(attrgetter(name), every)) for name in ("client", "others"))
        print(f"\nwithout requests, the API server and our injectors used {idle:.3f} CPUs")
        print(f"the load generator used {1000 * client:.2f} s of CPU for 1,000 requests")
        print(f"other programs used {others:.2f} CPUs, at most {max(each.others for each in every):.2f}")


def admitting(cluster: Cluster, admin: Kubectl) -> list[int]:
    """Return the processes of the API server and of our injectors."""
    injectors = (pod["metadata"]["uid"] for pod in replicas.pods(admin, "injector"))
    return [processes.api_server(cluster), *(pid for uid in injectors for pid in processes.of_pod(uid))]


def resting(pids: Sequence[int], seconds: float) -> float:
    """Return how many CPUs processes use while there are no requests."""
    before, begun = cpu_of(pids), time.perf_counter()
    time.sleep(seconds)
    return (cpu_of(pids) - before) / (time.perf_counter() - begun)


def measures(seen: Seen, idle: float) -> Mapping[str, float]:
    """Return the measures of a slice, for a table. ``idle`` is what the processes use when there are no requests."""
    return {"p50 ms": seen.p50, "requests/s": seen.rate, "CPU s/1,000": 1000 * (seen.cpu - idle / seen.rate)}


@contextmanager
def without_ours(admin: Kubectl) -> Iterator[None]:
    """Delete what puts our admission into effect, and restore it at the end."""
    with ExitStack() as stack:
        for kind, last in SEEN_LAST.items():
            found = [obj["metadata"]["name"] for obj in admin.list(kind, selector=RELEASED)]
            stack.enter_context(away(admin, kind, *sorted(found, key=lambda name: name == last)))
        yield


def made() -> Iterator[Json]:
    """Yield what the scenarios need besides the policy that encrypts."""
    # The controller deletes host roles of policies that do not exist; it ignores these, which lack its label.
    for obj in host_role_objects(POLICY, NODES, NAMESPACE):
        yield obj | {"metadata": {"name": obj["metadata"]["name"]}}
    for name, labels in SPACES.items():
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def store_pods(admin: Kubectl) -> None:
    """Create the pods that dry runs bind."""
    stored = dry_runs.pod() | {"metadata": {"name": STORED}}
    for namespace in {namespace for namespace, requests in SCENARIOS.values() if BIND in requests}:
        # It is refused until the namespace has a service account, and the API server knows the policy.
        eventually(partial(admin.apply, stored, namespace=namespace), what="a stored pod")


def measure(cluster: Cluster, rounds: int, seconds: float) -> None:
    """Create what is needed, measure, print the figures, and restore everything."""
    admin = Kubectl(cluster.kubeconfig)
    processes.api_server(cluster)
    transit = estate.policy(admin, TRANSIT, encryptionInTransit={"mode": "Permissive"})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(there(admin, transit))
        stack.enter_context(there(admin, *made()))
        effects = Effects(admin, HELD, ENCRYPTING, LEAN)
        store_pods(admin)
        # Only the controller makes what the injector needs for a policy.
        effects.wait_for_ours(present=True)
        stack.enter_context(replicas.restored(admin, "controller"))
        replicas.scale(admin, "controller", 0)
        bench = Bench(cluster, admin, Server.of(cluster.kubeconfig, folder), effects, seconds)
        bench.warm()
        for number in range(rounds):
            bench.round(number)
        bench.show()


def end(*_: object) -> None:
    """End the program, after everything is restored, which no further signal interrupts."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.exit("ended by a signal")


def main() -> None:
    """Measure on the chosen cluster."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.guards", description=__doc__)
    parser.add_argument("--name", default="sovereign-demo")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each slice")
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    measure(find(given.name), given.rounds, given.seconds)


if __name__ == "__main__":
    main()
