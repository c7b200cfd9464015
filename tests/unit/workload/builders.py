"""The facts about a workload, with defaults for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sovereign_operator.api.v1alpha1.sovereign_workload import SovereignWorkloadSpec, WorkloadKind
from sovereign_operator.core import names
from sovereign_operator.core.placement.verdict import NodeVerdict
from sovereign_operator.core.report.reasons import NodeFinding, NodeReason
from sovereign_operator.core.workload.facts import (
    LastWrite,
    Workload,
    WorkloadFacts,
    WorkloadPod,
)
from sovereign_operator.core.workload.rewrites import FEW

POLICY = "secnumcloud"
NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)


def ref(kind: str = "Deployment", policy: str | None = POLICY) -> SovereignWorkloadSpec:
    """Build a spec that refers to the workload `app`."""
    named = {"policyRef": {"name": policy}} if policy else {}
    return SovereignWorkloadSpec.model_validate(named | {"workloadRef": {"kind": kind, "name": "app"}})


def template(kind: str = "Deployment") -> SovereignWorkloadSpec:
    """Build a spec that owns a workload."""
    return SovereignWorkloadSpec.model_validate(
        {"policyRef": {"name": POLICY}, "template": {"kind": kind, "spec": {"replicas": 1}}}
    )


def selecting(**labels: str) -> SovereignWorkloadSpec:
    """Build a spec that selects pods by these labels."""
    return SovereignWorkloadSpec.model_validate({"policyRef": {"name": POLICY}, "podSelector": {"matchLabels": labels}})


def workload(kind: WorkloadKind = WorkloadKind.DEPLOYMENT, **fields: Any) -> Workload:
    """Build a workload that the operator has not adopted."""
    usual = {"kind": kind, "name": "app", "uid": "w", "policy": None, "template_policy": None, "owner_uid": None}
    return Workload(**(usual | fields))


ADOPTED: dict[str, Any] = {"policy": POLICY, "template_policy": POLICY, "ours": True}


def verdict(node: str, *findings: NodeFinding) -> NodeVerdict:
    """Build a verdict about a node in the datacentre `gra`."""
    return NodeVerdict(node, f"uid-{node}", POLICY, "gra", "acme", None, findings, ())


SUSPENDED = NodeFinding(NodeReason.QUALIFICATION_SUSPENDED, "gra: Acme Cloud: SecNumCloud 3.2 is suspended")
VERDICTS = {"good": verdict("good"), "bad": verdict("bad", SUSPENDED)}

RENDERED = {"metadata": {"annotations": {names.RENDERED_ANNOTATION: "d1"}}}


def facts(**fields: Any) -> WorkloadFacts:
    """Build facts: a Deployment that exists, in a namespace without label, one node accepted."""
    usual: dict[str, Any] = {
        "namespace": "hospital",
        "name": "app",
        "uid": "s",
        "spec": ref(),
        "enforced": None,
        "in_system_namespace": False,
        "policies": frozenset({POLICY, "hds"}),
        "target": workload(),
        "taken_by": None,
        "pods": (),
        "verdicts": VERDICTS,
        "accepted_nodes": 1,
        "wanted": RENDERED if fields.get("spec", ref()).template else None,
        "as_rendered": False,
        "guards_broken": (),
        "authorities": frozenset({"a"}),
        "encryption": None,
        "now": NOW,
    }
    return WorkloadFacts(**(usual | fields))


def pod(name: str = "app-1", node: str | None = "good", *, placed: bool = True, waiting: str = "") -> WorkloadPod:
    """Build a pod."""
    return WorkloadPod(name, f"uid-{name}", node, waiting, frozenset({POLICY} if placed else ()))


def written(times: int = FEW, ago: timedelta = timedelta(0), **fields: Any) -> LastWrite:
    """Build the record of the operator's last write."""
    usual: dict[str, Any] = {"uid": "w", "content": POLICY, "generation": 7, "times": times, "at": NOW - ago}
    return LastWrite(**(usual | fields))
