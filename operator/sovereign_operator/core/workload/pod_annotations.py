"""What a pod carries for an auditor: where it runs, and on what its acceptance rests."""

from sovereign_operator.core.names import audit_annotation
from sovereign_operator.core.placement.verdict import NodeVerdict


def audit_annotations(verdict: NodeVerdict) -> dict[str, str]:
    """Return the annotations of a pod that is bound to the verdict's node.

    They follow the verdict: a pod whose datacentre is refused later says so. The decision id is
    in the controller's log, with the whole verdict.
    """
    facts = {
        "policy": verdict.policy,
        "verdict": verdict.sentence,
        "datacentre": verdict.datacentre,
        "service": verdict.service,
        "qualification": "; ".join(basis.text for basis in verdict.basis),
        "evidence": verdict.evidence and verdict.evidence.value,
        "decision-id": verdict.decision_id,
        "node-uid": verdict.uid,
    }
    return {audit_annotation(name): value for name, value in facts.items() if value}


def unjudged_annotations(policy: str) -> dict[str, str]:
    """Return the annotations of a pod that is held to a policy which is not there, or cannot be read."""
    verdict = (
        f"unknown: there is no SovereigntyPolicy {policy}, or it cannot be read: nobody vouches for where this pod runs"
    )
    return {audit_annotation("policy"): policy, audit_annotation("verdict"): verdict}
