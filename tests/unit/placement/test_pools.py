"""Nodes of a pool stand where its label and its providerIDs say, whatever their uids."""

import pytest

from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec, NodePool
from sovereign_operator.api.v1alpha1.sovereignty_policy import NodeEvidence
from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Claims, Facts, Node, Unread
from sovereign_operator.core.placement.membership import Membership, locate_all, unfound
from sovereign_operator.core.placement.status import report_datacentre
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.reasons import NodeReason, sentences, words
from sovereign_operator.kube.objects.spec import see_claims
from tests.builders import POOL_LABEL, datacentre, facts, node, of_pool, policy, pool, service

GENERAL = {POOL_LABEL: "general"}


def locate(one: Node, **datacentres: DatacentreSpec) -> Membership:
    """Locate a node."""
    return locate_all(facts(one, datacentres=datacentres or {"gra-1": datacentre(pools=(pool(),))}))[one.name]


def test_a_node_of_a_pool_stands_there() -> None:
    member = locate(of_pool())
    assert (member.datacentre, member.evidence, member.pool) == ("gra-1", NodeEvidence.POOL_DECLARED, "general")
    assert not member.findings


def test_a_pool_may_replace_its_nodes() -> None:
    """Each upgrade of a pool gives its nodes other uids, and other providerIDs."""
    open_to_pools = {"demo": policy(evidence=NodeEvidence.POOL_DECLARED)}
    told = facts(of_pool(uid="old"), datacentres={"gra-1": datacentre(pools=(pool(),))}, policies=open_to_pools)
    verdicts = Verdicts(told)
    assert verdicts.accepted_nodes("demo") == ("worker-1",)
    verdicts.update(told, {"worker-1": of_pool(uid="new", provider_id="openstack:///2")})
    assert verdicts.accepted_nodes("demo") == ("worker-1",)
    assert verdicts.nodes["worker-1", "demo"].uid == "new"


@pytest.mark.parametrize(
    ("seen", "form", "of_it"),
    [
        pytest.param("openstack:///42", "openstack:///", True, id="scheme"),
        pytest.param("aws:///cloudgouv-eu-west-1a/i-1", "aws:///cloudgouv-eu-west-1a/", True, id="zone"),
        pytest.param("gce://acme/fr-1/gke-c-general-1a2b-x", "gce://acme/fr-1/gke-c-general-1a2b-", True, id="group"),
        pytest.param("azure:///subscriptions/S/resourcegroups/r/x", "azure:///subscriptions/s/resourceGroups/R/", True),
        pytest.param("ocid1.instance.oc1.eu-paris-1.abc", "ocid1.instance.oc1.eu-paris-1.", True, id="no-scheme"),
        pytest.param("", "openstack:///", False, id="no-provider-id"),
        pytest.param("openstack://GRA/42", "openstack:///", False, id="no-empty-part-matches-anything"),
        pytest.param("aws:///eu-west-2a/i-1", "aws:///cloudgouv-eu-west-1a/", False, id="another-zone"),
        pytest.param("gce://acme-of-another/fr-1/vm", "gce://acme", False, id="an-account-that-begins-alike"),
        pytest.param("gce://acme-of-another/fr-1/vm", "gce://acme-", False, id="and-up-to-a-dash"),
        pytest.param("gce://acme/fr-1/vm", "gce://acme", False, id="a-form-without-an-end-matches-nothing"),
        pytest.param("x-openstack:///42", "openstack:///", False, id="not-at-the-beginning"),
    ],
)
def test_its_provider_id_begins_as_the_pool_says(seen: str, form: str, *, of_it: bool) -> None:
    member = locate(of_pool(provider_id=seen), a=datacentre(pools=(pool("general", form),)))
    assert (member.datacentre == "a") is of_it
    assert words(member.findings) == (() if of_it else (NodeReason.NOT_IN_POOL,))


def test_one_of_several_forms_is_enough() -> None:
    both = datacentre(pools=(pool("general", "openstack:///", "openstack://GRA/"),))
    assert locate(of_pool(provider_id="openstack://GRA/42"), a=both).datacentre == "a"


@pytest.mark.parametrize(
    ("labels", "selector"),
    [
        pytest.param({}, GENERAL, id="no-label"),
        pytest.param({POOL_LABEL: "other"}, GENERAL, id="another-pool"),
        pytest.param(GENERAL, {**GENERAL, "site.node-restriction.kubernetes.io/name": "gra"}, id="one-of-two"),
        pytest.param({"pool": "general"}, {"pool": "general"}, id="what-a-kubelet-may-write"),
        pytest.param({**GENERAL, "pool": "a"}, {**GENERAL, "pool": "a"}, id="and-what-a-kubelet-may-write"),
        pytest.param(
            {"node-restriction.kubernetes.io.evil.example/x": "y"},
            {"node-restriction.kubernetes.io.evil.example/x": "y"},
            id="begins-alike",
        ),
        *(
            pytest.param({key: "gra"}, {key: "gra"}, id=key.partition("/")[2])
            for key in (names.NODE_DATACENTRE_LABEL, names.NODE_UID_LABEL, names.node_policy_label("snc"))
        ),
    ],
)
def test_a_provider_id_alone_is_not_enough(labels: dict[str, str], selector: dict[str, str]) -> None:
    one = node(provider_id="openstack:///1", labels=labels)
    member = locate(one, a=datacentre(pools=(pool("general", selector=selector),)))
    assert words(member.findings) == (NodeReason.NOT_IN_DATACENTRE,)


def test_a_node_with_the_label_and_another_provider_id_is_told_so() -> None:
    assert sentences(locate(of_pool(provider_id="aws:///x/i-1")).findings) == (
        "worker-1 has the labels of pool general of gra-1, but the providerID aws:///x/i-1, which is none of those "
        "that the pool may have: find out which machine it is, and correct providerIDs of the pool if it belongs there"
    )
    assert "but no providerID, which" in sentences(locate(of_pool(provider_id="")).findings)


def test_a_node_that_is_named_and_in_a_pool_of_the_same_datacentre_is_there_by_the_stronger_evidence() -> None:
    both = datacentre(of_pool(), pools=(pool(),))
    assert locate(of_pool(), a=both).evidence is NodeEvidence.DECLARED


def test_once_it_registers_again_it_is_there_by_its_pool_and_never_replaced() -> None:
    both = datacentre(of_pool(uid="old"), pools=(pool(),))
    again = of_pool(uid="new")
    member = locate(again, a=both)
    assert (member.datacentre, member.evidence) == ("a", NodeEvidence.POOL_DECLARED)
    assert not unfound(both, {again.name: again}).replaced
    assert not unfound(both, {again.name: again}).lost


def test_what_contradicts_a_claim_contradicts_that_of_a_pool() -> None:
    """The service knows its zones, whatever the pool's owner says."""
    told = facts(
        node(labels=GENERAL, provider_id="openstack:///1", region="par"),
        services={"acme-cloud": service(regions=("gra",))},
        datacentres={"gra-1": datacentre(pools=(pool(),))},
    )
    assert words(locate_all(told)["worker-1"].findings) == (NodeReason.NODE_CONTRADICTED,)


def test_in_two_pools_of_a_datacentre_it_is_there_once() -> None:
    two = datacentre(pools=(pool("later", selector=GENERAL), pool("general")))
    member = locate(of_pool(), a=two)
    assert (member.datacentre, member.pool) == ("a", "general")


SPEC = {"nodePools": [{"name": "general", "nodeSelector": GENERAL, "providerIDs": ["openstack:///"]}]}


@pytest.mark.parametrize(
    ("spec", "claims"),
    [
        pytest.param(SPEC, Claims(selector={}, pools=(pool(),)), id="a-pool"),
        pytest.param({"nodePools": []}, Claims(selector={}), id="no-pool"),
        pytest.param({"nodePools": [{"name": "x"}]}, Claims(selector={}, anything=True), id="a-pool-without-labels"),
        pytest.param({"nodePools": [7, *SPEC["nodePools"]]}, Claims(selector={}, pools=(pool(),), anything=True)),
        pytest.param({"nodePools": "x"}, Claims(selector={}, anything=True), id="no-list"),
    ],
)
def test_what_a_datacentre_that_cannot_be_read_claims_by_pools(spec: dict[str, object], claims: Claims) -> None:
    assert see_claims(spec) == claims


@pytest.mark.parametrize(
    ("pools", "reasons"),
    [((pool(),), (NodeReason.CLAIMED_TWICE,)), ((pool("other"),), ())],
    ids=["its-pool", "another-pool"],
)
def test_a_node_of_its_pool_is_contested(pools: tuple[NodePool, ...], reasons: tuple[NodeReason, ...]) -> None:
    unread = Unread(datacentres={"spoilt": Claims(pools=pools)})
    told = facts(of_pool(), datacentres={"gra-1": datacentre(of_pool())})
    contested = Facts(**{**vars(told), "unread": unread})
    assert words(locate_all(contested)["worker-1"].findings) == reasons


def test_a_pool_that_is_corrected_takes_its_nodes_at_once() -> None:
    wrong = facts(of_pool(), datacentres={"gra-1": datacentre(pools=(pool("general", "aws:///"),))})
    verdicts = Verdicts(wrong)
    assert words(verdicts.members["worker-1"].findings) == (NodeReason.NOT_IN_POOL,)
    right = facts(of_pool(), datacentres={"gra-1": datacentre(pools=(pool(),))})
    assert verdicts.update(right, {}).nodes == {"worker-1"}
    assert verdicts.members["worker-1"].datacentre == "gra-1"


def test_a_datacentre_counts_the_nodes_of_its_pools() -> None:
    named = node("worker-3")
    told = facts(
        of_pool(), of_pool(called="worker-2"), named, datacentres={"gra-1": datacentre(named, pools=(pool(),))}
    )
    report = report_datacentre("gra-1", told, Verdicts(told))
    (ready,) = report.observations
    assert (report.status["nodes"], report.status["nodesOfPools"], ready.status) == (3, 2, "True")
