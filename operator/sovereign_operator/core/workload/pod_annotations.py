"""What a pod carries for an auditor: where it runs, and on what its acceptance rests."""

from collections.abc import Collection
from typing import Final

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


AUTHORITY_DIGITS: Final = ", authority sha256 "
"""What comes before the first digits of the authority's fingerprint, at the end of the line."""


def authority_digits(fingerprint: str) -> str:
    """Return the 16 hexadecimal digits that stand for an authority."""
    return fingerprint[:16]


def certificate_line(not_after: str, said: str) -> str:
    """Return what a pod carries of its certificate. The end comes first, so that the last is the greatest."""
    return f"until {not_after}, {said}"


def certificate_end(line: str) -> str:
    """Return until when the certificate is valid that a pod says it has, RFC 3339 in UTC; empty if it says of none."""
    return line.partition(",")[0].removeprefix("until ")


def certificate_authority(line: str) -> str:
    """Return what stands for the authority that signed the certificate that a pod says it has."""
    _, known, digits = line.rpartition(AUTHORITY_DIGITS)
    return digits if known else ""


def is_distrusted(line: str, now: str, trusted: Collection[str]) -> bool:
    """Return whether a certificate is in force, and yet by none of these authorities. ``now``: RFC 3339 in UTC."""
    return certificate_end(line) > now and certificate_authority(line) not in trusted
