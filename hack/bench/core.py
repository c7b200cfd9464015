"""What decisions cost: each policy judges each node, without a cluster.

``python -m hack.bench.core`` prints seconds and the ratio to the time for a tenth of the nodes: 10 means that the cost
grows no faster than the number of nodes.
"""

import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec, Qualification
from sovereign_operator.api.v1alpha1.datacentre import CloudServiceRef, DatacentreSpec, DeclaredNode
from sovereign_operator.api.v1alpha1.sovereignty_policy import QualificationDemand, SovereigntyPolicySpec
from sovereign_operator.core.placement.facts import Facts, Node
from sovereign_operator.core.placement.node_metadata import node_metadata
from sovereign_operator.core.placement.verdicts import Verdicts

ROUNDS = 5
SITES = 20


def estate(nodes: int, policies: int) -> Facts:
    """Return this many nodes, in twenty datacentres of ten services, and this many policies."""
    services = {
        f"service-{number}": CloudServiceSpec(
            provider="P",
            service=f"S{number}",
            foreign_laws=(),
            qualifications=(
                Qualification.model_validate(
                    {
                        "id": "a",
                        "scheme": "SecNumCloud",
                        "version": "3.2",
                        "status": "Qualified",
                        "validUntil": date(2027 + number % 3, 1 + number, 1),
                    }
                ),
            ),
        )
        for number in range(SITES // 2)
    }
    names = [f"node-{number}" for number in range(nodes)]
    datacentres = {
        f"site-{number}": DatacentreSpec(
            service_ref=CloudServiceRef(name=f"service-{number // 2}"),
            country="FR",
            nodes=tuple(DeclaredNode(name=name, uid=name) for name in names[number::SITES]),
        )
        for number in range(SITES)
    }
    demands = {
        f"policy-{number}": SovereigntyPolicySpec(
            countries=("FR",), qualifications=(QualificationDemand(scheme="SecNumCloud", minimum_version="3.2"),)
        )
        for number in range(policies)
    }
    return Facts(
        services=services,
        datacentres=datacentres,
        policies=demands,
        nodes={name: Node(name, name) for name in names},
        now=datetime(2026, 11, 24, tzinfo=UTC),
    )


def seconds(work: Callable[[], object]) -> float:
    """Return the median duration of a few runs."""
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def decide(facts: Facts) -> object:
    """Decide what the first reconciliation of the cluster decides, without reading or writing."""
    verdicts = Verdicts(facts)
    return [node_metadata(name, verdicts, frozenset()) for name in facts.nodes], verdicts.next_change


def main() -> None:
    """Print the figures."""
    for policies in (1, 20):
        small, large = estate(500, policies), estate(5000, policies)
        few, many = seconds(lambda facts=small: decide(facts)), seconds(lambda facts=large: decide(facts))  # type: ignore[misc]
        print(f"{policies:3} policies: 500 nodes {few:.3f} s, 5000 nodes {many:.3f} s, ratio {many / few:.1f}")


if __name__ == "__main__":
    main()
