"""A namespace of a small cluster, as a preview sees it."""

from decimal import Decimal
from typing import Any

from sovereign_operator.cli.answers.placing import own_rules
from sovereign_operator.cli.answers.preview import PreviewSeen
from sovereign_operator.core.identity.trust_window import trust_windows
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.workload.previewed import Previewed, Replica, Stage
from tests.unit.cli.clusters import FACTS, POLICY, estate

CHANGE = (f"namespace hospital enforced policy {POLICY}",)


def replica(node: str | None, cpu: int = 1, **spec: Any) -> Replica:
    """Build a pod that requests this much."""
    requests = {"cpu": Decimal(cpu), "pods": Decimal(1)}
    return Replica(own_rules(spec), requests, node, requests if node else {})


def workload(name: str, *replicas: Replica, kind: str = "Deployment", **fields: Any) -> Previewed:
    """Build a workload that the namespace's label would put in scope."""
    return Previewed("hospital", kind, name, replicas, POLICY, None, **fields)


def stage(after: Facts = FACTS, before: Facts = FACTS) -> Stage:
    """Build the nodes, each with 4 CPUs left."""
    traits = {name: seen.traits for name, seen in estate(after).nodes.items()}
    free = {name: {"cpu": Decimal(4), "pods": Decimal(100)} for name in traits}
    return Stage(estate(before).verdicts, estate(after).verdicts, frozenset(trust_windows(after)), traits, free)


def hospital() -> PreviewSeen:
    """Return workloads of which some run inside already, and some outside."""
    workloads = (
        workload("archive", replica("paris-1", nodeSelector={"disk": "ssd"}), kind="StatefulSet"),
        workload("imaging", replica("paris-1", 8)),
        workload("portal", replica("brest-1"), replica("lyon-1")),
        workload("records", replica("brest-1"), replica("paris-1")),
        workload(
            "viewer", replica("paris-1"), unjudged="its pods have to be spread evenly by topology.kubernetes.io/zone"
        ),
    )
    return PreviewSeen(CHANGE, workloads, stage(), judged=True, scope="hospital")
