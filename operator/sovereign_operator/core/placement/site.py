"""Does a policy accept a datacentre? Each demand is one named check; all that fail are reported."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec
from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core.placement.derogation import Derogation, waiver
from sovereign_operator.core.placement.facts import Facts, Pair
from sovereign_operator.core.placement.qualification import Basis, Standing, examine, title
from sovereign_operator.core.report.reasons import NodeFinding, NodeReason


@dataclass(frozen=True)
class Site:
    """What the checks look at: one datacentre, its service, one policy and its derogations, at one instant."""

    name: str
    datacentre: DatacentreSpec
    service: CloudServiceSpec
    policy_name: str
    policy: SovereigntyPolicySpec
    derogations: tuple[Derogation, ...]
    """Those of this policy for this service that somebody approved."""
    now: datetime


@dataclass(frozen=True)
class SiteVerdict:
    """The answer. Accepted if no check failed; ``basis`` then says what it rests on."""

    datacentre: str
    policy: str
    findings: tuple[NodeFinding, ...]
    basis: tuple[Basis, ...]

    @property
    def accepted(self) -> bool:
        """Whether no check failed."""
        return not self.findings

    @property
    def derogations(self) -> tuple[str, ...]:
        """The names of the derogations without which it would not be accepted; none if it is refused."""
        return tuple(basis.derogation for basis in self.basis if basis.derogation) if self.accepted else ()


def check_country(site: Site) -> tuple[NodeFinding, ...]:
    """Refuse a site in another country than the policy's, or than its own service's."""
    findings = []
    country, accepted = site.datacentre.country, site.policy.countries
    if accepted and country not in accepted:
        message = f"{site.name} stands in {country}; policy {site.policy_name} accepts {_listed(accepted)}"
        findings.append(NodeFinding(NodeReason.COUNTRY_NOT_ACCEPTED, message))
    if site.service.countries and country not in site.service.countries:
        message = (
            f"{site.name} is declared to stand in {country}, but {title(site.service)} "
            f"is in {_listed(site.service.countries)}: correct one of the two"
        )
        findings.append(NodeFinding(NodeReason.COUNTRY_CONTRADICTED, message))
    return tuple(findings)


def check_qualifications(site: Site) -> tuple[NodeFinding, ...]:
    """Refuse a service that lacks a demanded qualification, unless a derogation waives it."""
    return tuple(finding for standing in _standings(site) for finding in standing.findings)


def check_technology(site: Site) -> tuple[NodeFinding, ...]:
    """Refuse technology of an origin that the policy does not accept, or does not know."""
    accepted, origin = site.policy.technology_origins, site.service.technology_origin
    if not accepted or origin in accepted:
        return ()
    demanded = f"policy {site.policy_name} accepts {_listed(accepted)}"
    if origin is None:
        message = f"{site.name}: origin of {title(site.service)}'s technology is not recorded; {demanded}"
        return (NodeFinding(NodeReason.TECHNOLOGY_UNKNOWN, message),)
    message = f"{site.name}: {title(site.service)} runs {origin.value} technology; {demanded}"
    return (NodeFinding(NodeReason.TECHNOLOGY_NOT_ACCEPTED, message),)


def check_foreign_law(site: Site) -> tuple[NodeFinding, ...]:
    """Refuse a service that a foreign law can reach. Unknown exposure is not none."""
    laws = site.service.foreign_laws
    if laws is None:
        unknown = f"which foreign laws reach {title(site.service)} is not recorded"
        message = f"{site.name}: {unknown}: write spec.foreignLaws there, [] if there are none"
        return (NodeFinding(NodeReason.FOREIGN_LAW_UNKNOWN, message),)
    reaching = sorted(set(laws) - set(site.policy.accepted_foreign_laws))
    if not reaching:
        return ()
    message = f"{site.name}: {title(site.service)} is exposed to the law of {', '.join(reaching)}"
    return (NodeFinding(NodeReason.FOREIGN_LAW, message),)


CHECKS: Final[tuple[Callable[[Site], tuple[NodeFinding, ...]], ...]] = (
    check_country,
    check_qualifications,
    check_technology,
    check_foreign_law,
)


def no_service(name: str, facts: Facts) -> NodeFinding:
    """Return why the service of a datacentre cannot be judged: it does not exist, or cannot be read."""
    if name in facts.unread.services:
        message = f"CloudService {name} cannot be read: its condition Qualified says why"
        return NodeFinding(NodeReason.UNREADABLE, message)
    return NodeFinding(
        NodeReason.SERVICE_NOT_FOUND, f"there is no CloudService {name}: create it or correct spec.serviceRef"
    )


def judge_site(name: str, policy_name: str, facts: Facts) -> SiteVerdict:
    """Run every check for one datacentre and one policy."""
    datacentre, policy = facts.datacentres[name], facts.policies[policy_name]
    service = facts.services.get(datacentre.service_ref.name)
    if service is None:
        missing = no_service(datacentre.service_ref.name, facts)
        finding = NodeFinding(missing.reason, f"{name}: {missing.message}")
        return SiteVerdict(name, policy_name, (finding,), ())
    approved = facts.derogations.approved(policy_name, datacentre.service_ref.name)
    site = Site(name, datacentre, service, policy_name, policy, approved, facts.now)
    findings = tuple(finding for check in CHECKS for finding in check(site))
    basis = tuple(standing.basis for standing in _standings(site) if standing.basis)
    return SiteVerdict(name, policy_name, findings, basis)


def judge_sites(facts: Facts) -> dict[Pair, SiteVerdict]:
    """Judge every datacentre by every policy."""
    return {
        Pair(policy, datacentre): judge_site(datacentre, policy, facts)
        for datacentre in sorted(facts.datacentres)
        for policy in sorted(facts.policies)
    }


def _standings(site: Site) -> tuple[Standing, ...]:
    demands = sorted(site.policy.qualifications, key=lambda demand: demand.scheme)
    return tuple(
        examine(site.name, site.service, demand, waiver(site.derogations, demand.scheme, site.now), site.now)
        for demand in demands
    )


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(sorted(str(value) for value in values))
