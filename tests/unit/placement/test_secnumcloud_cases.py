"""The cases that a product for SecNumCloud must get right, (a) to (l), with invented dates.

Region codes and providerID forms are real; which service was qualified when is not. (k), volumes and registries outside
the accepted sites, does not concern placement.
"""

from dataclasses import replace
from typing import Final

import pytest

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec, QualificationStatus, TechnologyOrigin
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core.placement.facts import Facts, Node
from sovereign_operator.core.placement.next_change import next_change
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.reasons import NodeReason, words
from tests.builders import (
    NEXT_YEAR,
    NOW,
    TODAY,
    datacentre,
    demand,
    derogation,
    facts,
    granted,
    node,
    policy,
    qualification,
    service,
)

EU, LICENSED, NON_EU = TechnologyOrigin.EU, TechnologyOrigin.LICENSED_NON_EU, TechnologyOrigin.NON_EU

AWS_PARIS = service(
    qualification("HDS", "2"),
    provider="AWS",
    called="eu-west-3",
    technology=NON_EU,
    laws=("US",),
    regions=("eu-west-3",),
    provider_ids=("aws:///eu-west-3",),
)
AZURE_PARIS = service(technology=NON_EU, laws=("US",), regions=("francecentral",), provider_ids=("azure:///",))
GOOGLE_PARIS = service(technology=NON_EU, laws=("US",), regions=("europe-west9",), provider_ids=("gce://",))
OUTSCALE_CLOUDGOUV = service(
    qualification(),
    provider="Outscale",
    called="cloudgouv",
    regions=("cloudgouv-eu-west-1",),
    zones=("cloudgouv-eu-west-1a",),
    provider_ids=("aws:///cloudgouv-eu-west-1",),
)
OUTSCALE_PUBLIC = service(regions=("eu-west-2",), zones=("eu-west-2a",), provider_ids=("aws:///eu-west-2",))
OVH_PUBLIC = service(provider="OVHcloud", called="Public Cloud", regions=("GRA7",), provider_ids=("openstack:///",))
OVH_SNC = service(qualification(), provider="OVHcloud", called="SNC", countries=("FR", "DE"))
BLEU = service(qualification(status=QualificationStatus.IN_PROCESS), provider="Bleu", technology=LICENSED)
S3NS = service(
    qualification(), provider="S3NS", technology=LICENSED, regions=("u-france-east1",), provider_ids=("gce://",)
)

SECNUMCLOUD: Final = policy(demand(at_least="3.2"), countries=("FR",))

IN_PARIS = node(region="eu-west-3", zone="eu-west-3a", provider_id="aws:///eu-west-3a/i-1")
IN_AZURE = node(region="francecentral", zone="francecentral-1", provider_id="azure:///subscriptions/1")
IN_GOOGLE = node(region="europe-west9", zone="europe-west9-a", provider_id="gce://project/europe-west9-a/vm")
IN_CLOUDGOUV = node(
    region="cloudgouv-eu-west-1", zone="cloudgouv-eu-west-1a", provider_id="aws:///cloudgouv-eu-west-1a/i-1"
)
IN_EU_WEST_2 = node(region="eu-west-2", zone="eu-west-2a", provider_id="aws:///eu-west-2a/i-1")
IN_GRA7 = node(region="GRA7", zone="nova", provider_id="openstack:///1")
IN_S3NS = node(region="u-france-east1", zone="u-france-east1-a", provider_id="gce://s3ns:p/u-france-east1-a/vm")


def one_node(seen: Node, claimed: CloudServiceSpec, demanded: SovereigntyPolicySpec, *, country: str = "FR") -> Facts:
    """Return facts with one node that a datacentre of the claimed service declares."""
    return facts(
        seen,
        services={"acme-cloud": claimed},
        datacentres={"site-1": datacentre(seen, country=country)},
        policies={"demo": demanded},
    )


def refusals(told: Facts) -> set[str]:
    """Return the reasons for which the one node is refused."""
    (verdict,) = Verdicts(told).nodes.values()
    return set(words(verdict.findings))


@pytest.mark.parametrize(
    ("seen", "claimed"),
    [(IN_PARIS, AWS_PARIS), (IN_AZURE, AZURE_PARIS), (IN_GOOGLE, GOOGLE_PARIS)],
    ids=["aws", "azure", "google"],
)
def test_a_standing_in_france_is_not_enough(seen: Node, claimed: CloudServiceSpec) -> None:
    assert refusals(one_node(seen, claimed, SECNUMCLOUD)) == {NodeReason.QUALIFICATION_MISSING, NodeReason.FOREIGN_LAW}


def test_b_of_two_regions_of_one_provider_in_france_one_is_qualified() -> None:
    assert not refusals(one_node(IN_CLOUDGOUV, OUTSCALE_CLOUDGOUV, SECNUMCLOUD))
    assert refusals(one_node(IN_EU_WEST_2, OUTSCALE_PUBLIC, SECNUMCLOUD)) == {NodeReason.QUALIFICATION_MISSING}


def test_b_a_node_of_the_other_region_cannot_be_claimed_for_the_qualified_one() -> None:
    assert refusals(one_node(IN_EU_WEST_2, OUTSCALE_CLOUDGOUV, SECNUMCLOUD)) == {NodeReason.NODE_CONTRADICTED}


def test_c_london_that_poses_as_the_public_region_in_paris_gains_nothing() -> None:
    assert NodeReason.QUALIFICATION_MISSING in refusals(one_node(IN_EU_WEST_2, OUTSCALE_PUBLIC, SECNUMCLOUD))


def test_c_london_that_poses_as_the_qualified_region_is_contradicted() -> None:
    assert NodeReason.NODE_CONTRADICTED in refusals(one_node(IN_EU_WEST_2, OUTSCALE_CLOUDGOUV, SECNUMCLOUD))


def test_d_a_node_with_perfect_labels_that_nobody_declared_stands_nowhere() -> None:
    told = facts(
        IN_CLOUDGOUV,
        services={"acme-cloud": OUTSCALE_CLOUDGOUV},
        datacentres={"site-1": datacentre(node("worker-2"))},
        policies={"demo": SECNUMCLOUD},
    )
    assert refusals(told) == {NodeReason.NOT_IN_DATACENTRE}


def test_d_a_node_with_perfect_labels_under_a_declared_name_is_known_by_its_uid() -> None:
    impostor = node("worker-1", "another-uid", region="cloudgouv-eu-west-1")
    told = facts(
        impostor,
        services={"acme-cloud": OUTSCALE_CLOUDGOUV},
        datacentres={"site-1": datacentre(node("worker-1"))},
        policies={"demo": SECNUMCLOUD},
    )
    assert refusals(told) == {NodeReason.NODE_REPLACED}


def test_d_labels_that_a_kubelet_may_write_are_weak_evidence() -> None:
    told = facts(
        IN_CLOUDGOUV,
        services={"acme-cloud": OUTSCALE_CLOUDGOUV},
        datacentres={"site-1": datacentre(selector={"topology.kubernetes.io/region": "cloudgouv-eu-west-1"})},
        policies={"demo": SECNUMCLOUD},
    )
    assert refusals(told) == {NodeReason.WEAK_EVIDENCE}


def test_e_a_provider_with_qualified_services_is_not_itself_qualified() -> None:
    told = facts(
        IN_GRA7,
        services={"ovhcloud-public": OVH_PUBLIC, "ovhcloud-snc": OVH_SNC},
        datacentres={"gra-1": datacentre(IN_GRA7, service="ovhcloud-public")},
        policies={"demo": SECNUMCLOUD},
    )
    (verdict,) = Verdicts(told).nodes.values()
    assert verdict.sentence == "refused: gra-1: OVHcloud Public Cloud has no SecNumCloud qualification"


def test_f_in_process_is_refused_but_under_an_explicit_derogation() -> None:
    assert refusals(one_node(node(), BLEU, SECNUMCLOUD)) == {NodeReason.QUALIFICATION_IN_PROCESS}
    pilot = granted(derogation())
    assert not refusals(replace(one_node(node(), BLEU, SECNUMCLOUD), derogations=pilot))


def test_g_licensed_technology_may_be_qualified_and_is_still_not_european() -> None:
    assert not refusals(one_node(IN_S3NS, S3NS, SECNUMCLOUD))
    european = policy(demand(), technologies=(EU,))
    assert refusals(one_node(IN_S3NS, S3NS, european)) == {NodeReason.TECHNOLOGY_NOT_ACCEPTED}


def test_h_a_qualification_that_ends_today_holds_today_and_the_next_look_is_at_midnight() -> None:
    told = one_node(node(), service(qualification(until=TODAY)), SECNUMCLOUD)
    assert not refusals(told)
    midnight = next_change(told)
    assert midnight is not None
    assert (midnight - NOW).total_seconds() == 10 * 3600
    assert refusals(Facts(told.services, told.datacentres, told.policies, told.nodes, midnight)) == {
        NodeReason.QUALIFICATION_EXPIRED
    }


def test_h_a_renewal_that_follows_at_once_changes_no_acceptance() -> None:
    renewed = service(qualification(until=TODAY), qualification(since=TODAY, until=NEXT_YEAR, decision="200"))
    told = one_node(node(), renewed, SECNUMCLOUD)
    midnight_a_year_later = next_change(told)
    assert midnight_a_year_later is not None
    assert midnight_a_year_later.date() > NEXT_YEAR


def test_i_a_qualified_platform_in_berlin_holds_the_scheme_and_is_not_in_france() -> None:
    assert not refusals(one_node(node(), OVH_SNC, policy(demand(at_least="3.2")), country="DE"))
    assert refusals(one_node(node(), OVH_SNC, SECNUMCLOUD, country="DE")) == {NodeReason.COUNTRY_NOT_ACCEPTED}


def test_j_hosting_of_health_data_is_no_immunity_from_foreign_law() -> None:
    health = policy(demand("HDS", at_least="2"), countries=("FR",))
    assert refusals(one_node(IN_PARIS, AWS_PARIS, health)) == {NodeReason.FOREIGN_LAW}
    knowing = policy(demand("HDS", at_least="2"), countries=("FR",), laws=("US",))
    assert not refusals(one_node(IN_PARIS, AWS_PARIS, knowing))


def test_l_version_3_1_gives_no_immunity() -> None:
    old = service(qualification(version="3.1"))
    assert refusals(one_node(node(), old, SECNUMCLOUD)) == {NodeReason.VERSION_TOO_LOW}
    assert not refusals(one_node(node(), old, policy(demand())))
