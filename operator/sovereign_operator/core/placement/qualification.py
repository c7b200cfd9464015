"""Is a service qualified as a policy demands, at one instant?"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec, Qualification, QualificationStatus
from sovereign_operator.api.v1alpha1.sovereignty_policy import QualificationDemand
from sovereign_operator.core.placement.calendar import end_instant, first_instant
from sovereign_operator.core.placement.derogation import Derogation
from sovereign_operator.core.report.reasons import NodeFinding, NodeReason, line

LONGEST_USER: Final = 200
"""Characters of the name of a user that are quoted, so that there is room for the rest of the sentence."""


@dataclass(frozen=True, order=True)
class Basis:
    """What an acceptance rests on: a qualification in force, or a derogation."""

    scheme: str
    text: str
    decision: str | None
    until: date | None
    derogation: str | None = None
    """The name of the derogation, if it is one."""
    entry: str = field(default="", compare=False)
    """The id of the qualification within its service; empty if it is a derogation."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", line(self.text))


@dataclass(frozen=True)
class Standing:
    """The answer to one demand: a basis, or the findings of all checks that failed."""

    basis: Basis | None
    findings: tuple[NodeFinding, ...]


def title(service: CloudServiceSpec) -> str:
    """Return the service as people call it."""
    return line(f"{service.provider} {service.service}")


def label(qualification: Qualification) -> str:
    """Return a qualification as people cite it: scheme, version, decision."""
    decision = f"decision {qualification.decision}" if qualification.decision else qualification.id
    return f"{_named(qualification)} ({decision})"


def _named(qualification: Qualification) -> str:
    return f"{qualification.scheme} {qualification.version}" if qualification.version else qualification.scheme


def in_force(qualification: Qualification, now: datetime) -> bool:
    """Whether a qualification is in force at this instant, whatever a policy demands."""
    return why_not_in_force(qualification, now) is None


def why_not_in_force(qualification: Qualification, now: datetime) -> NodeReason | None:
    """Return the first reason why a qualification is not in force at this instant; None if it is."""
    return next((finding.reason for finding in _standing_findings("", qualification, now)), None)


def examine(
    where: str,
    service: CloudServiceSpec,
    demand: QualificationDemand,
    derogation: Derogation | None,
    now: datetime,
) -> Standing:
    """Answer one demand for one service.

    Of several qualifications of the scheme (a decision and its renewal), one that satisfies is
    enough; the one that lasts longest is cited. If none does, a derogation waives it. ``derogation``: one from this
    scheme for this service that is in force.
    """
    candidates = [entry for entry in service.qualifications if entry.scheme == demand.scheme]
    failures = {entry.id: _failures(where, service, entry, demand, now) for entry in candidates}
    satisfying = [entry for entry in candidates if not failures[entry.id]]
    if satisfying:
        best = max(satisfying, key=lambda entry: (entry.valid_until or date.max, entry.id))
        return Standing(_cite(best), ())
    if derogation:
        return Standing(_waived(derogation), ())
    findings = {finding for found in failures.values() for finding in found}
    if not candidates:
        message = f"{where}: {title(service)} has no {demand.scheme} qualification"
        findings.add(NodeFinding(NodeReason.QUALIFICATION_MISSING, message))
    return Standing(None, tuple(sorted(findings)))


def _cite(qualification: Qualification) -> Basis:
    until = f", until {qualification.valid_until}" if qualification.valid_until else ", no end recorded"
    # The id of the entry is no decision, and must not be filed as one.
    cited = label(qualification) if qualification.decision else f"{_named(qualification)} (no decision recorded)"
    return Basis(
        qualification.scheme, cited + until, qualification.decision, qualification.valid_until, entry=qualification.id
    )


def _waived(derogation: Derogation) -> Basis:
    spec, approval = derogation.spec, derogation.approval
    people = (line(name, LONGEST_USER) for name in (approval.asked_by, approval.approved_by))
    text = "derogation {} from {}, asked for by {}, approved by {} until {}: {}".format(
        derogation.name, spec.scheme, *people, spec.until, spec.reason
    )
    return Basis(spec.scheme, text, None, spec.until, derogation.name)


def _failures(
    where: str, service: CloudServiceSpec, entry: Qualification, demand: QualificationDemand, now: datetime
) -> tuple[NodeFinding, ...]:
    subject = f"{where}: {title(service)}"
    return (*_standing_findings(subject, entry, now), *_demand_findings(subject, entry, demand))


def _standing_findings(subject: str, entry: Qualification, now: datetime) -> list[NodeFinding]:
    """Return what is wrong with the status and the dates of a qualification."""
    cited = label(entry)
    findings = []
    match entry.status:
        case QualificationStatus.IN_PROCESS:
            message = f"{subject} has applied for {cited} but does not hold it yet"
            findings.append(NodeFinding(NodeReason.QUALIFICATION_IN_PROCESS, message))
        case QualificationStatus.SUSPENDED:
            findings.append(NodeFinding(NodeReason.QUALIFICATION_SUSPENDED, f"{subject}: {cited} is suspended"))
        case QualificationStatus.WITHDRAWN:
            findings.append(NodeFinding(NodeReason.QUALIFICATION_WITHDRAWN, f"{subject}: {cited} was withdrawn"))
        case QualificationStatus.QUALIFIED:
            pass
    if entry.valid_from and now < first_instant(entry.valid_from):
        message = f"{subject}: {cited} begins on {entry.valid_from}"
        findings.append(NodeFinding(NodeReason.QUALIFICATION_NOT_YET_VALID, message))
    if entry.valid_until and now >= end_instant(entry.valid_until):
        message = f"{subject}: {cited} ended on {entry.valid_until}"
        findings.append(NodeFinding(NodeReason.QUALIFICATION_EXPIRED, message))
    return findings


def _demand_findings(subject: str, entry: Qualification, demand: QualificationDemand) -> list[NodeFinding]:
    """Return what a qualification lacks of a policy's demand."""
    cited = label(entry)
    findings = []
    if demand.minimum_version and not entry.version:
        message = f"{subject}: version of {cited} is not recorded, {demand.minimum_version} is demanded"
        findings.append(NodeFinding(NodeReason.VERSION_UNKNOWN, message))
    elif demand.minimum_version and entry.version and _parts(entry.version) < _parts(demand.minimum_version):
        message = f"{subject}: {cited} is below version {demand.minimum_version}"
        findings.append(NodeFinding(NodeReason.VERSION_TOO_LOW, message))
    missing = sorted(set(demand.activities) - set(entry.activities or ()))
    if missing:
        numbers = ", ".join(str(number) for number in missing)
        known = "does not cover" if entry.activities is not None else "is not known to cover"
        message = f"{subject}: {cited} {known} activity {numbers}"
        findings.append(NodeFinding(NodeReason.ACTIVITY_NOT_COVERED, message))
    return findings


def _parts(version: str) -> tuple[int, ...]:
    """Split a version so that 3.2 is below 3.10, and 3 equals 3.0."""
    parts = [int(part) for part in version.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)
