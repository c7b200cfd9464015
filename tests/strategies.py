"""Hypothesis strategies for facts.

Names, schemes, versions and labels come from small pools, so that claims collide, renewals overlap and references
dangle. Dates gather around changes of summer time and the ends of the calendar. The pools are computed once in full and
drawn from directly, which keeps hundreds of examples cheap.
"""

from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from typing import Final, TypeVar

from hypothesis import strategies as st

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

T = TypeVar("T")

SERVICES: Final = ("acme-cloud", "bravo-cloud")
NO_SERVICE: Final = "no-such-service"
DATACENTRES: Final = ("gra-1", "rbx-1", "sbg-1")
POLICIES: Final = ("health", "secnumcloud")
NO_POLICY: Final = "no-such-policy"
NODES: Final = ("n1", "n2", "n3")
SCHEMES: Final = ("SecNumCloud", "HDS", "C5")
VERSIONS: Final = ("2", "3", "3.1", "3.2", "3.2.0", "3.10", "10")
COUNTRIES: Final = ("FR", "DE", "US")
REGIONS: Final = ("gra", "GRA", "par")
PROVIDER_IDS: Final = ("openstack:///", "openstack://GRA/", "aws:///eu-west-2", "ocid1.instance")
GRACES: Final = (0, 3600, 86400, 259200)
NODE_LABELS: Final = ("site.node-restriction.kubernetes.io/name", "site")


def _around(centre: date, reach: int) -> tuple[date, ...]:
    return tuple(centre + timedelta(days=offset) for offset in range(-reach, reach + 1))


SPRING: Final = _around(date(2030, 3, 31), 2)
AUTUMN: Final = _around(date(2030, 10, 27), 2)
SUMMER: Final = _around(date(2030, 6, 15), 2)
ENDS: Final = (date.min, date(1, 1, 2), date(1911, 3, 10), date(9999, 12, 30), date.max)
DAYS: Final = (*SPRING, *SUMMER, *AUTUMN, *ENDS)
SPANS: Final = tuple(combinations(sorted(DAYS), 2)) + tuple((day, day) for day in DAYS)
INSTANTS: Final = tuple(
    datetime(day.year, day.month, day.day, hour, tzinfo=UTC) + timedelta(microseconds=delta)
    for day in (*SPRING, *SUMMER, *AUTUMN)
    for hour in (0, 12, 22, 23)
    for delta in (-1, 0, 1)
)


def _mostly(usual: T, *others: T) -> st.SearchStrategy[T]:
    """Draw the usual value in about three of four cases, so that acceptance is not too rare to be tested."""
    return st.sampled_from((*[usual] * 3 * len(others), *others))


def _some(pool: tuple[T, ...], most: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    """Draw a subset of the pool, more often a large one."""
    return st.sampled_from([chosen for size in range(most, -1, -1) for chosen in combinations(pool, size)])


def _dicts(keys: tuple[str, ...], values: tuple[str, ...]) -> list[dict[str, str]]:
    """Return every map from some of the keys to one of the values."""
    maps: list[dict[str, str]] = [{}]
    for key in keys:
        maps += [known | {key: value} for known in maps for value in values]
    return maps


def instants() -> st.SearchStrategy[datetime]:
    """Return instants in UTC around the midnights of the pool's days, to the microsecond, and sometimes any other."""
    return _INSTANTS


_INSTANTS: Final = st.sampled_from(INSTANTS) | st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis wants its bounds without a time zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)

QUALIFICATIONS: Final = st.builds(
    lambda scheme, version, status, span, known, activities: Qualification(
        id="set-by-the-service",
        scheme=scheme,
        version=version,
        status=status,
        valid_from=span[0] if known != "end" else None,
        valid_until=span[1] if known != "start" else None,
        activities=activities,
    ),
    scheme=_mostly("SecNumCloud", "HDS", "C5"),
    version=_mostly("3.2", None, *VERSIONS),
    status=_mostly(QualificationStatus.QUALIFIED, *QualificationStatus),
    span=st.just((date.min, date.max)) | st.sampled_from(SPANS),
    known=_mostly("both", "start", "end"),
    activities=_mostly((1, 2, 3, 4, 5, 6), None, (), (1,), (2, 3, 4)),
)
"""One decision, with its dates in order or left out."""

NODE_FORMS: Final = st.builds(
    NodeForm,
    regions=_mostly((), REGIONS, ("gra",)),
    zones=_mostly((), REGIONS, ("par",)),
    provider_ids=_mostly((), *((form,) for form in PROVIDER_IDS)),
)

SERVICE_SPECS: Final = st.builds(
    lambda held, countries, origin, laws, form: CloudServiceSpec(
        provider="Acme",
        service="Cloud",
        countries=countries,
        qualifications=tuple(
            entry.model_copy(update={"id": f"{entry.scheme.lower()}-{number}"}) for number, entry in enumerate(held)
        ),
        technology_origin=origin,
        foreign_laws=laws,
        node_form=form,
    ),
    held=st.lists(QUALIFICATIONS, max_size=3) | st.lists(QUALIFICATIONS, min_size=2, max_size=3),
    countries=_mostly((), ("FR",), ("DE",), ("FR", "DE")),
    origin=_mostly(TechnologyOrigin.EU, None, *TechnologyOrigin),
    laws=_mostly((), None, ("US",), ("US", "CN")),
    form=NODE_FORMS,
)
"""A service with up to three decisions, several of one scheme among them."""

SELECTORS: Final = st.sampled_from(_dicts(NODE_LABELS, DATACENTRES[:2])[1:])

DECLARED: Final = st.builds(
    lambda names, uid: tuple(DeclaredNode(name=name, uid=uid.format(name)) for name in names),
    names=_mostly(("n1", "n2"), (), ("n2",), ("n3",), NODES),
    uid=_mostly("uid-{}", "outdated"),
)

POOLS: Final = st.builds(
    lambda selector, forms: (NodePool(name="pool", node_selector=selector, provider_ids=forms),),
    selector=SELECTORS,
    forms=_mostly(("openstack:///",), *((form,) for form in PROVIDER_IDS), ("aws:///eu-west-2/", "openstack://GRA/")),
)
"""A pool, perhaps one that no API server would store: with labels that kubelets write, or a form without an end."""

DATACENTRE_SPECS: Final = st.builds(
    lambda service, country, declared, selector, selects, pools: DatacentreSpec(
        service_ref=CloudServiceRef(name=service),
        country=country,
        nodes=declared,
        node_selector=selector if selects or not (declared or pools) else None,
        node_pools=pools,
    ),
    service=_mostly("acme-cloud", "bravo-cloud", NO_SERVICE),
    country=_mostly("FR", *COUNTRIES),
    declared=DECLARED,
    selector=SELECTORS,
    selects=_mostly(False, True),
    pools=st.just(()) | st.just(()) | POOLS,
)
"""A claim on nodes that others may claim too, with uids that may be outdated."""

NODE_PARTS: Final = st.tuples(
    _mostly("uid-{}", "anew"),
    _mostly({}, *_dicts(NODE_LABELS, DATACENTRES[:2])),
    st.sampled_from(_dicts((REGION_LABEL, ZONE_LABEL), REGIONS)),
    _mostly("", *PROVIDER_IDS, *(form + "a/1" for form in PROVIDER_IDS)),
)
"""A node, perhaps registered again, perhaps with labels that contradict a claim."""

DEMANDS: Final = st.builds(
    lambda schemes, version, activities: tuple(
        QualificationDemand(scheme=scheme, minimum_version=version, activities=activities) for scheme in schemes
    ),
    schemes=_mostly(("SecNumCloud",), (), ("HDS", "SecNumCloud"), ("C5",)),
    version=_mostly(None, *VERSIONS),
    activities=_mostly((), (1,), (2, 3)),
)
"""Demands, at most one for each scheme."""

DEROGATIONS: Final = st.lists(
    st.builds(
        lambda policy, service, scheme, until, approval: (
            DerogationSpec(
                policy_ref=PolicyRef(name=policy),
                service_ref=CloudServiceRef(name=service),
                scheme=scheme,
                reason="pilot",
                until=until,
            ),
            approval,
        ),
        policy=st.sampled_from((*POLICIES, *POLICIES, NO_POLICY)),
        service=_mostly("acme-cloud", "bravo-cloud", NO_SERVICE),
        scheme=_mostly("SecNumCloud", "HDS", "C5"),
        until=st.sampled_from(DAYS),
        approval=_mostly(
            Approval(2, "ann", "bob", 2),
            Approval(2, "ann"),
            Approval(2, "ann", "ann", 2),
            Approval(2, "ann", "bob", 1),
            Approval(2, "", "bob", 2),
        ),
    ),
    max_size=4,
).map(lambda drawn: Derogations({f"d{number}": Derogation(f"d{number}", *one) for number, one in enumerate(drawn)}))
"""Derogations, several from one scheme among them, of which most are approved."""

POLICY_SPECS: Final = st.builds(
    SovereigntyPolicySpec,
    countries=_mostly((), ("FR",), ("FR", "DE")),
    qualifications=DEMANDS,
    technology_origins=_mostly((), (TechnologyOrigin.EU,), tuple(TechnologyOrigin)),
    accepted_foreign_laws=_some(("US", "CN"), 2),
    node_evidence=st.sampled_from(NodeEvidence),
    grace_period_seconds=_mostly(604800, *GRACES),
    trusted_policies=_mostly((), POLICIES, (NO_POLICY,)),
)
"""A policy, from one that demands nothing to one that demands it all."""


def _named(names: tuple[str, ...], specs: st.SearchStrategy[T]) -> st.SearchStrategy[dict[str, T]]:
    return st.lists(specs, min_size=1, max_size=len(names)).map(lambda drawn: dict(zip(names, drawn, strict=False)))


_FACTS: Final = st.builds(
    Facts,
    services=_named(SERVICES, SERVICE_SPECS),
    datacentres=_named(DATACENTRES, DATACENTRE_SPECS),
    policies=_named(POLICIES, POLICY_SPECS),
    nodes=_named(NODES, NODE_PARTS).map(
        lambda drawn: {
            name: Node(name, uid.format(name), site | topology, provider_id)
            for name, (uid, site, topology, provider_id) in drawn.items()
        }
    ),
    now=_INSTANTS,
    derogations=DEROGATIONS,
)


def facts() -> st.SearchStrategy[Facts]:
    """Facts in which references may dangle, dates border each other and nodes are claimed twice."""
    return _FACTS
