"""The sections of ``report`` about policies, services, derogations and nodes."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sovereign_operator.api.v1alpha1.cloud_service import Qualification
from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.api.v1alpha1.sovereignty_policy import QualificationDemand, SovereigntyPolicySpec
from sovereign_operator.cli.answers.estate import Estate, Kept
from sovereign_operator.cli.answers.report_rows import (
    AcceptanceRow,
    BasisRow,
    QualificationRow,
    ReportedDerogation,
    ReportedNode,
    ReportedPolicy,
    ReportedWorkload,
    ServiceRow,
)
from sovereign_operator.cli.answers.status_rows import DerogationRow, PolicyRow
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.core.placement.membership import Membership
from sovereign_operator.core.placement.qualification import Basis, in_force
from sovereign_operator.core.report.conditions import condition_of
from sovereign_operator.core.report.reasons import sentences, words


def report_policies(
    rows: Iterable[PolicyRow] | None, estate: Estate, recorded: Mapping[tuple[str, str], Mapping[str, Any]]
) -> tuple[ReportedPolicy, ...] | None:
    """Return what each policy demands, and how far its encryption is. ``recorded``: the statuses."""
    if rows is None:
        return None
    return tuple(_policy(row, estate, recorded.get(("sovereigntypolicies", row.policy), {})) for row in rows)


def _policy(row: PolicyRow, estate: Estate, status: Mapping[str, Any]) -> ReportedPolicy:
    spec = estate.facts.policies.get(row.policy)
    wanted = spec.encryption_in_transit if spec else None
    encryption, encrypted = status.get("encryption") or {}, condition_of(status, "Encrypted")
    running, sidecars = encryption.get("pods"), encryption.get("sidecars")
    return ReportedPolicy(
        policy=row.policy,
        ready=row.ready,
        reason=row.reason,
        message=row.message,
        demands=tuple(_demands(spec)) if spec else (),
        encryption_demanded=wanted.mode.value if wanted else "",
        encryption=str(encryption.get("mode", "")),
        running=running,
        plaintext=None if running is None or sidecars is None else running - sidecars,
        encrypted=encrypted.get("status", ""),
        encryption_message=encrypted.get("message", "" if wanted is None else "the operator has not reported it yet"),
    )


def _demands(spec: SovereigntyPolicySpec) -> Iterator[str]:
    """Yield all that a place has to meet."""
    for demand in sorted(spec.qualifications, key=lambda demand: demand.scheme):
        yield f"qualification {_qualification(demand)}"
    yield f"country: {_listed(spec.countries) or 'any'}"
    yield f"origin of technology: {_listed(spec.technology_origins) or 'any'}"
    yield f"laws outside the EU that may reach the service: {_listed(spec.accepted_foreign_laws) or 'none'}"
    yield f"evidence that a node stands there: {spec.node_evidence.value}"


def _qualification(demand: QualificationDemand) -> str:
    version = f", version {demand.minimum_version} or newer" if demand.minimum_version else ""
    activities = ", ".join(map(str, sorted(demand.activities)))
    return f"{demand.scheme}{version}{f', activities {activities}' if activities else ''}"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, values)))


def report_acceptances(estate: Estate) -> tuple[AcceptanceRow, ...] | None:
    """Return what each policy says of each datacentre."""
    if not estate.judged:
        return None
    return tuple(_acceptance(pair, estate) for pair in sorted(estate.verdicts.sites))


def _acceptance(pair: Pair, estate: Estate) -> AcceptanceRow:
    site, facts = estate.verdicts.sites[pair], estate.facts
    service = facts.services.get(facts.datacentres[pair.datacentre].service_ref.name)
    there = estate.verdicts.nodes_in(pair.datacentre)
    return AcceptanceRow(
        policy=pair.policy,
        datacentre=pair.datacentre,
        accepted=site.accepted,
        nodes=sum(estate.verdicts.accepts(pair.policy, node) for node in there),
        reasons=words(site.findings),
        why=sentences(site.findings),
        basis=tuple(_basis(basis, service.qualifications if service else ()) for basis in site.basis)
        if site.accepted
        else (),
        foreign_laws=service.foreign_laws if service else None,
        accepted_foreign_laws=facts.policies[pair.policy].accepted_foreign_laws,
    )


def _basis(basis: Basis, qualifications: Iterable[Qualification]) -> BasisRow:
    cited = next((entry for entry in qualifications if entry.id == basis.entry), None)
    return BasisRow(
        scheme=basis.scheme,
        version=(cited.version if cited else "") or "",
        decision=basis.decision or "",
        valid_from=cited.valid_from if cited else None,
        valid_until=basis.until,
        derogation=basis.derogation or "",
        text=basis.text,
    )


def report_services(estate: Estate, now: datetime) -> tuple[ServiceRow, ...] | None:
    """Return the services of the cluster's datacentres, with all that was recorded about their qualifications."""
    if not estate.known >= {Kept.SERVICES, Kept.DATACENTRES}:
        return None
    used = {spec.service_ref.name for spec in estate.facts.datacentres.values()}
    return tuple(_service(name, estate, now) for name in sorted(used & estate.facts.services.keys()))


def _service(name: str, estate: Estate, now: datetime) -> ServiceRow:
    spec = estate.facts.services[name]
    return ServiceRow(
        service=name,
        provider=spec.provider,
        legal_entity=spec.legal_entity or "",
        called=spec.service,
        technology_origin=spec.technology_origin,
        foreign_laws=spec.foreign_laws,
        qualifications=tuple(
            QualificationRow(
                scheme=entry.scheme,
                version=entry.version or "",
                status=entry.status,
                in_force=in_force(entry, now),
                decision=entry.decision or "",
                valid_from=entry.valid_from,
                valid_until=entry.valid_until,
                source=entry.evidence.url if entry.evidence else "",
                read_on=entry.evidence.read_on if entry.evidence else None,
                read_by=(entry.evidence.read_by if entry.evidence else "") or "",
            )
            for entry in sorted(spec.qualifications, key=lambda entry: (entry.scheme, entry.id))
        ),
    )


def report_derogations(rows: Iterable[DerogationRow] | None, estate: Estate) -> tuple[ReportedDerogation, ...] | None:
    """Return all Derogations, in force or not."""
    if rows is None:
        return None
    sites = estate.verdicts.sites if estate.judged else {}
    return tuple(
        ReportedDerogation(
            name=row.name,
            policy=row.policy,
            service=row.service,
            scheme=row.scheme,
            standing=row.standing,
            asked_by=row.asked_by,
            approved_by=row.approved_by,
            until=row.until,
            reason=row.reason,
            datacentres=tuple(sorted(pair.datacentre for pair, site in sites.items() if row.name in site.derogations)),
        )
        for row in rows
    )


def report_nodes(estate: Estate, workloads: Iterable[ReportedWorkload]) -> tuple[ReportedNode, ...] | None:
    """Return the nodes on which the pods run, and why each counts as standing in its datacentre."""
    if not estate.judged:
        return None
    used = {pod.node for row in workloads for place in row.places for pod in place.pods}
    return tuple(_node(name, estate) for name in sorted(used & estate.facts.nodes.keys()))


def _node(name: str, estate: Estate) -> ReportedNode:
    member = estate.verdicts.members[name]
    return ReportedNode(
        node=name,
        uid=estate.facts.nodes[name].uid,
        datacentre=member.datacentre or "",
        evidence=member.evidence.value if member.evidence else "",
        how=_how(member, estate.facts.datacentres.get(member.datacentre or "")),
        accepted_by=tuple(policy for policy in sorted(estate.facts.policies) if estate.verdicts.accepts(policy, name)),
    )


def _how(member: Membership, datacentre: DatacentreSpec | None) -> str:
    """Say why a node counts as standing in its datacentre, or what is wrong with that."""
    if member.findings or datacentre is None:
        return sentences(member.findings)
    if any(entry.name == member.node and entry.uid == member.uid for entry in datacentre.nodes):
        return f"Datacentre {member.datacentre} names it with this uid"
    if member.pool:
        return f"Datacentre {member.datacentre} claims it as a node of pool {member.pool}, by labels and providerID"
    selector = ", ".join(f"{key}={value}" for key, value in sorted((datacentre.node_selector or {}).items()))
    return f"Datacentre {member.datacentre} selects it by labels: {selector}"
