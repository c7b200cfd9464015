"""Specs, nodes and facts with sensible defaults, so that a test gives only the values that matter to it.

The defaults describe an accepted site: a French service of EU technology, under no foreign law, with one qualification
in force. Dates are invented and relative to `NOW`.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sovereign_operator.api.v1alpha1.cloud_service import (
    CloudServiceSpec,
    NodeForm,
    Qualification,
    QualificationStatus,
    TechnologyOrigin,
)
from sovereign_operator.api.v1alpha1.datacentre import CloudServiceRef, DatacentreSpec, DeclaredNode, NodePool
from sovereign_operator.api.v1alpha1.derogation import DerogationSpec
from sovereign_operator.api.v1alpha1.sovereign_workload import PolicyRef
from sovereign_operator.api.v1alpha1.sovereignty_policy import (
    NodeEvidence,
    QualificationDemand,
    SovereigntyPolicySpec,
)
from sovereign_operator.core.placement.derogation import Approval, Derogation, Derogations
from sovereign_operator.core.placement.facts import Facts, Node
from sovereign_operator.core.placement.membership import REGION_LABEL, ZONE_LABEL
from sovereign_operator.core.placement.site import SiteVerdict, judge_site

NOW: Final = datetime(2030, 6, 15, 12, tzinfo=UTC)
TODAY: Final = NOW.date()
YESTERDAY: Final = TODAY - timedelta(days=1)
TOMORROW: Final = TODAY + timedelta(days=1)
LAST_YEAR: Final = date(2029, 6, 15)
NEXT_YEAR: Final = date(2031, 6, 15)

SITE_LABEL: Final = "site.node-restriction.kubernetes.io/name"
POOL_LABEL: Final = "pool.node-restriction.kubernetes.io/name"
"""A label that a kubelet cannot write."""


def qualification(
    scheme: str = "SecNumCloud",
    version: str | None = "3.2",
    *,
    status: QualificationStatus = QualificationStatus.QUALIFIED,
    since: date | None = LAST_YEAR,
    until: date | None = NEXT_YEAR,
    decision: str | None = "100",
    activities: tuple[int, ...] | None = None,
    called: str = "",
) -> Qualification:
    """Build a qualification that is in force by default."""
    return Qualification(
        id=called or f"{scheme.lower()}-{decision or 'x'}",
        scheme=scheme,
        version=version,
        status=status,
        decision=decision,
        valid_from=since,
        valid_until=until,
        activities=activities,
    )


def service(
    *qualifications: Qualification,
    provider: str = "Acme",
    called: str = "Cloud",
    countries: tuple[str, ...] = ("FR",),
    technology: TechnologyOrigin | None = TechnologyOrigin.EU,
    laws: tuple[str, ...] | None = (),
    regions: tuple[str, ...] = (),
    zones: tuple[str, ...] = (),
    provider_ids: tuple[str, ...] = (),
) -> CloudServiceSpec:
    """Build a service with these qualifications and no others."""
    return CloudServiceSpec(
        provider=provider,
        service=called,
        countries=countries,
        qualifications=qualifications,
        technology_origin=technology,
        foreign_laws=laws,
        node_form=NodeForm(regions=regions, zones=zones, provider_ids=provider_ids),
    )


def node(
    name: str = "worker-1",
    uid: str = "",
    *,
    region: str = "",
    zone: str = "",
    provider_id: str = "",
    labels: Mapping[str, str] | None = None,
) -> Node:
    """Build a node whose uid is derived from its name."""
    topology = {key: value for key, value in ((REGION_LABEL, region), (ZONE_LABEL, zone)) if value}
    return Node(name, uid or f"uid-of-{name}", {**topology, **(labels or {})}, provider_id)


def datacentre(
    *nodes: Node,
    service: str = "acme-cloud",
    country: str = "FR",
    selector: Mapping[str, str] | None = None,
    pools: tuple[NodePool, ...] = (),
) -> DatacentreSpec:
    """Build a datacentre in which these nodes are declared by name and uid."""
    declared = tuple(DeclaredNode(name=node.name, uid=node.uid) for node in nodes)
    if not declared and not pools and selector is None:
        selector = {SITE_LABEL: "empty"}
    return DatacentreSpec(
        service_ref=CloudServiceRef(name=service),
        country=country,
        nodes=declared,
        node_selector=selector,
        node_pools=pools,
    )


def pool(
    name: str = "general",
    *forms: str,
    selector: Mapping[str, str] | None = None,
) -> NodePool:
    """Build a pool whose nodes have the pool's label and a providerID of one of these forms, by default OpenStack's."""
    labels = {POOL_LABEL: name} if selector is None else selector
    return NodePool(name=name, node_selector=labels, provider_ids=forms or ("openstack:///",))


def of_pool(
    name: str = "general", *, called: str = "worker-1", uid: str = "", provider_id: str = "openstack:///1"
) -> Node:
    """Build a node of a pool."""
    return node(called, uid, provider_id=provider_id, labels={POOL_LABEL: name})


def demand(
    scheme: str = "SecNumCloud", at_least: str | None = None, activities: tuple[int, ...] = ()
) -> QualificationDemand:
    """Build a demand for a qualification."""
    return QualificationDemand(scheme=scheme, minimum_version=at_least, activities=activities)


APPROVED: Final = Approval(1, "ann", "bob", 1)
"""As an approval should be: one person asked, another approved what stands there."""


def derogation(
    scheme: str = "SecNumCloud",
    *,
    policy: str = "demo",
    service: str = "acme-cloud",
    until: date = NEXT_YEAR,
    called: str = "pilot",
    approval: Approval = APPROVED,
) -> Derogation:
    """Build a derogation that is in force by default."""
    spec = DerogationSpec(
        policy_ref=PolicyRef(name=policy),
        service_ref=CloudServiceRef(name=service),
        scheme=scheme,
        reason="pilot before qualification",
        until=until,
    )
    return Derogation(called, spec, approval)


def granted(*derogations: Derogation) -> Derogations:
    """Return these derogations by name."""
    return Derogations({one.name: one for one in derogations})


def policy(
    *demands: QualificationDemand,
    countries: tuple[str, ...] = (),
    technologies: tuple[TechnologyOrigin, ...] = (),
    laws: tuple[str, ...] = (),
    evidence: NodeEvidence = NodeEvidence.DECLARED,
    grace: timedelta = timedelta(days=7),
    trusted: tuple[str, ...] = (),
) -> SovereigntyPolicySpec:
    """Build a policy with these demands and no others."""
    return SovereigntyPolicySpec(
        countries=countries,
        qualifications=demands,
        technology_origins=technologies,
        accepted_foreign_laws=laws,
        node_evidence=evidence,
        grace_period_seconds=int(grace.total_seconds()),
        trusted_policies=trusted,
    )


def facts(
    *nodes: Node,
    services: Mapping[str, CloudServiceSpec] | None = None,
    datacentres: Mapping[str, DatacentreSpec] | None = None,
    policies: Mapping[str, SovereigntyPolicySpec] | None = None,
    derogations: tuple[Derogation, ...] = (),
    now: datetime = NOW,
) -> Facts:
    """Build facts. By default: one qualified service, one policy that demands SecNumCloud."""
    return Facts(
        services={"acme-cloud": service(qualification())} if services is None else services,
        datacentres=datacentres or {},
        policies={"demo": policy(demand())} if policies is None else policies,
        nodes={node.name: node for node in nodes},
        now=now,
        derogations=granted(*derogations),
    )


def ask(
    service: CloudServiceSpec | None,
    policy: SovereigntyPolicySpec,
    *derogations: Derogation,
    country: str = "FR",
    now: datetime = NOW,
) -> SiteVerdict:
    """Judge whether policy ``demo`` accepts the site ``gra-1`` of this service. None: the service does not exist."""
    services = {} if service is None else {"acme-cloud": service}
    site = datacentre(country=country)
    told = Facts(services, {"gra-1": site}, {"demo": policy}, {}, now, granted(*derogations))
    return judge_site("gra-1", "demo", told)
