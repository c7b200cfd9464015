"""Where a node stands. Labels and providerID can contradict a claim, but never prove one."""

import pytest

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec, NodeForm
from sovereign_operator.api.v1alpha1.sovereignty_policy import NodeEvidence
from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Node
from sovereign_operator.core.placement.membership import Membership, locate_all, provider_id_contradicts, unfound
from sovereign_operator.core.report.reasons import NodeReason, sentences, words
from tests.builders import SITE_LABEL, datacentre, facts, node, pool, service

GRA = {SITE_LABEL: "gra"}
IN_GRA = pool("gra", selector=GRA)


def locate(one: Node, service: CloudServiceSpec) -> Membership:
    """Locate a node that datacentre gra-1 of this service declares."""
    return locate_all(facts(one, services={"acme-cloud": service}, datacentres={"gra-1": datacentre(one)}))[one.name]


def test_a_node_declared_by_name_and_uid_stands_there() -> None:
    member = locate(node(), service())
    assert (member.datacentre, member.evidence, member.findings) == ("gra-1", NodeEvidence.DECLARED, ())


def test_a_node_that_registered_anew_stands_nowhere() -> None:
    claim = datacentre(node("worker-1", "old-uid"))
    member = locate_all(facts(node("worker-1", "new-uid"), datacentres={"gra-1": claim}))["worker-1"]
    assert (member.datacentre, member.evidence) == (None, None)
    assert words(member.findings) == (NodeReason.NODE_REPLACED,)
    assert sentences(member.findings) == (
        "worker-1 registered again, or its uid was mistyped: it is new-uid, not the one that gra-1 declares; "
        "check that it is the same machine, then correct spec.nodes there"
    )


def test_a_node_that_nobody_claims_stands_nowhere() -> None:
    member = locate_all(facts(node(), datacentres={"gra-1": datacentre(node("worker-2"))}))["worker-1"]
    assert words(member.findings) == (NodeReason.NOT_IN_DATACENTRE,)


@pytest.mark.parametrize(
    ("selector", "evidence"),
    [
        pytest.param({"site.node-restriction.kubernetes.io/name": "gra"}, NodeEvidence.DECLARED, id="restricted"),
        pytest.param({"node-restriction.kubernetes.io/site": "gra"}, NodeEvidence.DECLARED, id="restricted-itself"),
        pytest.param({"topology.kubernetes.io/region": "gra"}, NodeEvidence.SELF_ASSERTED, id="kubelet-may-write"),
        pytest.param({"site": "gra"}, NodeEvidence.SELF_ASSERTED, id="no-prefix"),
        pytest.param(
            {"notnode-restriction.kubernetes.io/site": "gra"}, NodeEvidence.SELF_ASSERTED, id="looks-restricted"
        ),
        pytest.param(
            {"node-restriction.kubernetes.io.example.com/site": "gra"}, NodeEvidence.SELF_ASSERTED, id="begins-alike"
        ),
        pytest.param(
            {"site.node-restriction.kubernetes.io/name": "gra", "site": "gra"},
            NodeEvidence.SELF_ASSERTED,
            id="as-weak-as-its-weakest-label",
        ),
    ],
)
def test_a_selector_is_as_strong_as_who_may_write_its_labels(selector: dict[str, str], evidence: NodeEvidence) -> None:
    labelled = node(labels=selector)
    member = locate_all(facts(labelled, datacentres={"gra-1": datacentre(selector=selector)}))["worker-1"]
    assert (member.datacentre, member.evidence) == ("gra-1", evidence)


@pytest.mark.parametrize(
    "labels",
    [{}, {SITE_LABEL: "sbg"}, {SITE_LABEL: ""}, {"name": "gra"}],
    ids=["no-label", "another-value", "no-value", "another-key"],
)
def test_a_selector_wants_every_label_with_its_value(labels: dict[str, str]) -> None:
    claim = datacentre(selector=GRA)
    member = locate_all(facts(node(labels=labels), datacentres={"gra-1": claim}))["worker-1"]
    assert words(member.findings) == (NodeReason.NOT_IN_DATACENTRE,)


def test_a_name_with_its_uid_outweighs_weak_labels_in_the_same_datacentre() -> None:
    labelled = node(labels={"site": "gra"})
    claim = datacentre(labelled, selector={"site": "gra"})
    member = locate_all(facts(labelled, datacentres={"gra-1": claim}))["worker-1"]
    assert member.evidence is NodeEvidence.DECLARED


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(datacentre(node()), datacentre(node()), id="declared-twice"),
        pytest.param(datacentre(selector=GRA), datacentre(selector=GRA), id="selected-twice"),
        pytest.param(datacentre(node()), datacentre(selector=GRA), id="declared-and-selected"),
        pytest.param(datacentre(pools=(IN_GRA,)), datacentre(pools=(IN_GRA,)), id="in-two-pools"),
        pytest.param(datacentre(node()), datacentre(pools=(IN_GRA,)), id="declared-and-in-a-pool"),
        pytest.param(datacentre(pools=(IN_GRA,)), datacentre(selector=GRA), id="in-a-pool-and-selected"),
    ],
)
def test_a_node_claimed_by_two_datacentres_stands_in_neither(first: object, second: object) -> None:
    claims = {"gra-1": first, "sbg-1": second}
    labelled = node(labels=GRA, provider_id="openstack:///1")
    member = locate_all(facts(labelled, datacentres=claims))["worker-1"]  # type: ignore[arg-type]
    assert (member.datacentre, member.contenders) == (None, ("gra-1", "sbg-1"))
    assert sentences(member.findings) == (
        "worker-1 is claimed by the datacentres gra-1 and sbg-1, and stands in none of them until only one claims it"
    )
    assert words(member.findings) == (NodeReason.CLAIMED_TWICE,)


def test_an_outdated_uid_is_no_second_claim() -> None:
    claims = {"gra-1": datacentre(node("worker-1", "old-uid")), "sbg-1": datacentre(node())}
    assert locate_all(facts(node(), datacentres=claims))["worker-1"].datacentre == "sbg-1"


@pytest.mark.parametrize(
    ("seen", "form", "contradicted"),
    [
        pytest.param(node(region="gra"), service(regions=("gra", "sbg")), False, id="known-region"),
        pytest.param(node(region="GRA"), service(regions=("gra",)), False, id="region-in-capitals"),
        pytest.param(node(), service(regions=("gra",)), False, id="no-region-label"),
        pytest.param(node(region="par"), service(), False, id="regions-not-known"),
        pytest.param(node(region="par"), service(regions=("gra",)), True, id="another-region"),
        pytest.param(node(zone="gra-a"), service(zones=("gra-a",)), False, id="known-zone"),
        pytest.param(node(zone="gra-b"), service(zones=("gra-a",)), True, id="another-zone"),
        pytest.param(node(zone="gra-b"), service(regions=("gra",)), False, id="zones-not-known"),
        pytest.param(
            node(provider_id="aws:///gra-a/i-1"), service(provider_ids=("openstack:///",)), True, id="another-provider"
        ),
        pytest.param(node(), service(provider_ids=("openstack:///",)), False, id="no-provider-id"),
    ],
)
def test_only_a_positive_mismatch_contradicts(seen: Node, form: CloudServiceSpec, contradicted: bool) -> None:
    assert words(locate(seen, form).findings) == ((NodeReason.NODE_CONTRADICTED,) if contradicted else ())


def test_a_contradicted_node_is_reported_with_the_datacentre_that_claims_it() -> None:
    member = locate(node(region="eu-west-2"), service(regions=("cloudgouv-eu-west-1",)))
    assert member.datacentre == "gra-1"
    assert sentences(member.findings) == (
        "worker-1 has region eu-west-2, but nodes of Acme Cloud have cloudgouv-eu-west-1: it cannot be in gra-1"
    )


def test_every_contradiction_is_reported() -> None:
    seen = node(region="par", zone="par-a", provider_id="aws:///par-a/i-1")
    form = service(regions=("gra",), zones=("gra-a",), provider_ids=("openstack:///",))
    assert len(locate(seen, form).findings) == 3


@pytest.mark.parametrize(
    ("seen", "known", "contradicted"),
    [
        pytest.param("openstack:///42", "openstack:///", False, id="same-scheme"),
        pytest.param("openstack://REGION/42", "openstack:///", False, id="region-seen-but-not-known"),
        pytest.param("openstack:///42", "openstack://REGION/", False, id="region-known-but-not-seen"),
        pytest.param("openstack://region/42", "openstack://REGION/", False, id="region-in-capitals"),
        pytest.param("openstack://OTHER/42", "openstack://REGION/", True, id="another-region"),
        pytest.param("aws:///gra-a/i-1", "aws:///gra", False, id="path-begins-alike"),
        pytest.param("aws:///eu-west-2a/i-1", "aws:///cloudgouv-eu-west-1", True, id="another-path"),
        pytest.param("gce://s3ns:project/u-france-east1-a/vm", "gce://", False, id="scheme-alone"),
        pytest.param("azure:///subscriptions/1", "gce://", True, id="another-scheme"),
        pytest.param("", "gce://", False, id="nothing-seen"),
        pytest.param("aws:///GRA-a/i-1", "aws:///gra", False, id="path-in-capitals"),
        pytest.param("ocid1.instance.oc1.eu-paris-1.abc", "ocid1.instance.oc1.eu-paris-1", False, id="no-scheme"),
        pytest.param("ocid1.instance.oc1.eu-paris-1.abc", "ocid1.instance.oc1.uk", True, id="no-scheme-and-other"),
        pytest.param("ocid1.instance.oc1.eu-paris-1.abc", "aws:///eu-west-3", True, id="no-scheme-seen"),
        pytest.param("aws:///eu-west-3a/i-1", "", False, id="an-empty-form-says-nothing"),
    ],
)
def test_an_empty_part_of_a_provider_id_says_nothing(seen: str, known: str, contradicted: bool) -> None:
    assert provider_id_contradicts(seen, NodeForm(provider_ids=(known,))) is contradicted


def test_one_form_that_fits_is_enough() -> None:
    assert not provider_id_contradicts("osc:///x/1", NodeForm(provider_ids=("aws:///", "osc:///")))


def test_declared_nodes_that_are_gone_are_told_from_those_that_registered_again() -> None:
    there, again, gone = node("worker-1"), node("worker-2", "old-uid"), node("worker-3")
    known = facts(there, node("worker-2", "new-uid"), node("worker-4"))
    found = unfound(datacentre(gone, again, there), known.nodes)
    assert found.lost == ("worker-3",)
    assert [(entry.name, entry.uid) for entry in found.replaced] == [("worker-2", "old-uid")]


@pytest.mark.parametrize("key", [names.NODE_DATACENTRE_LABEL, names.NODE_UID_LABEL, names.node_policy_label("snc")])
def test_what_we_write_ourselves_is_no_evidence(key: str) -> None:
    """The holder of the controller's token can write these labels on any node."""
    labelled = node(labels={key: "gra"})
    member = locate_all(facts(labelled, datacentres={"gra-1": datacentre(selector={key: "gra"})}))["worker-1"]
    assert words(member.findings) == (NodeReason.NOT_IN_DATACENTRE,)
