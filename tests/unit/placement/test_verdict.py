"""Whether pods of a policy may start on a node: site, membership and evidence together."""

import pytest

from sovereign_operator.api.v1alpha1.cloud_service import TechnologyOrigin
from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec
from sovereign_operator.api.v1alpha1.sovereignty_policy import NodeEvidence
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.verdict import NodeVerdict
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.reasons import NodeReason, words
from tests.builders import (
    NEXT_YEAR,
    POOL_LABEL,
    SITE_LABEL,
    datacentre,
    demand,
    derogation,
    facts,
    node,
    policy,
    pool,
    qualification,
    service,
)

WEAK = {"site": "gra"}
LABELLED = {SITE_LABEL: "gra"}
ONE = node(provider_id="openstack:///1", labels={**WEAK, **LABELLED, POOL_LABEL: "general"})


def verdict_of(facts: Facts) -> NodeVerdict:
    """Judge the one node of the facts by their one policy."""
    (verdict,) = Verdicts(facts).nodes.values()
    return verdict


def test_an_accepted_node_says_where_it_stands_and_on_what_that_rests() -> None:
    verdict = verdict_of(facts(node(), datacentres={"gra-1": datacentre(node())}))
    assert verdict.accepted
    assert (verdict.datacentre, verdict.service, verdict.uid) == ("gra-1", "acme-cloud", "uid-of-worker-1")
    assert verdict.sentence == "accepted: gra-1, SecNumCloud 3.2 (decision 100), until 2031-06-15"


def test_a_node_accepted_by_a_policy_without_demands_rests_on_nothing() -> None:
    verdict = verdict_of(facts(node(), datacentres={"gra-1": datacentre(node())}, policies={"open": policy()}))
    assert verdict.sentence == "accepted: gra-1"


def test_a_node_in_no_datacentre_is_refused_whatever_the_policy() -> None:
    verdict = verdict_of(facts(node(), policies={"open": policy(evidence=NodeEvidence.SELF_ASSERTED)}))
    assert not verdict.accepted
    assert verdict.sentence == (
        "refused: worker-1 is in no datacentre: name it in a Datacentre's spec.nodes if it stands in one"
    )


@pytest.mark.parametrize(
    ("claim", "known"),
    [
        pytest.param(datacentre(ONE), NodeEvidence.DECLARED, id="by-name-and-uid"),
        pytest.param(datacentre(pools=(pool(),)), NodeEvidence.POOL_DECLARED, id="by-its-pool"),
        pytest.param(datacentre(selector=LABELLED), NodeEvidence.DECLARED, id="by-labels-of-others"),
        pytest.param(datacentre(selector=WEAK), NodeEvidence.SELF_ASSERTED, id="by-labels-of-its-kubelet"),
        pytest.param(datacentre(ONE, pools=(pool(),)), NodeEvidence.DECLARED, id="by-name-and-by-its-pool"),
        pytest.param(datacentre(selector=WEAK, pools=(pool(),)), NodeEvidence.POOL_DECLARED, id="by-two-labels"),
    ],
)
@pytest.mark.parametrize("demanded", NodeEvidence)
def test_a_node_is_known_as_well_as_the_policy_demands(
    claim: DatacentreSpec, known: NodeEvidence, demanded: NodeEvidence
) -> None:
    weakest_first = [NodeEvidence.SELF_ASSERTED, NodeEvidence.POOL_DECLARED, NodeEvidence.DECLARED]
    verdict = verdict_of(facts(ONE, datacentres={"gra-1": claim}, policies={"demo": policy(evidence=demanded)}))
    assert (verdict.datacentre, verdict.evidence) == ("gra-1", known)
    enough = weakest_first.index(known) >= weakest_first.index(demanded)
    assert words(verdict.findings) == (() if enough else (NodeReason.WEAK_EVIDENCE,))


def test_a_person_reads_what_better_evidence_would_be() -> None:
    weak = facts(node(labels=WEAK), datacentres={"gra-1": datacentre(selector=WEAK)})
    assert verdict_of(weak).sentence == (
        "refused: worker-1 is in gra-1 only by labels that its kubelet may set itself (SelfAsserted); "
        "policy demo demands Declared: name the node with its uid in the Datacentre"
    )


def test_a_person_reads_who_may_accept_the_evidence_of_a_pool() -> None:
    assert verdict_of(facts(ONE, datacentres={"gra-1": datacentre(pools=(pool(),))})).sentence == (
        "refused: worker-1 is in gra-1 only as a node of pool general (PoolDeclared); policy demo demands Declared: "
        "name the node with its present uid in the Datacentre, or have whoever answers for the policy set "
        "spec.nodeEvidence to PoolDeclared"
    )


def test_what_is_wrong_with_node_evidence_and_site_is_said_at_once() -> None:
    foreign = service(technology=TechnologyOrigin.NON_EU, laws=("US",), regions=("gra",))
    verdict = verdict_of(
        facts(
            node(labels=WEAK, region="par"),
            services={"acme-cloud": foreign},
            datacentres={"gra-1": datacentre(selector=WEAK, country="IE")},
            policies={"demo": policy(demand(), countries=("FR",), technologies=(TechnologyOrigin.EU,))},
        )
    )
    assert words(verdict.findings) == (
        NodeReason.NODE_CONTRADICTED,
        NodeReason.WEAK_EVIDENCE,
        NodeReason.COUNTRY_NOT_ACCEPTED,
        NodeReason.COUNTRY_CONTRADICTED,
        NodeReason.QUALIFICATION_MISSING,
        NodeReason.TECHNOLOGY_NOT_ACCEPTED,
        NodeReason.FOREIGN_LAW,
    )


def test_a_derogation_waives_neither_evidence_nor_a_contradiction() -> None:
    verdict = verdict_of(
        facts(
            node(labels=WEAK, region="par"),
            services={"acme-cloud": service(regions=("gra",))},
            datacentres={"gra-1": datacentre(selector=WEAK)},
            derogations=(derogation(),),
        )
    )
    assert words(verdict.findings) == (NodeReason.NODE_CONTRADICTED, NodeReason.WEAK_EVIDENCE)


def test_every_node_is_judged_by_every_policy() -> None:
    lenient, strict = policy(), policy(demand("HDS"))
    verdicts = Verdicts(
        facts(
            node("a"),
            node("b"),
            node("c"),
            datacentres={"gra-1": datacentre(node("a"), node("b"))},
            policies={"lenient": lenient, "strict": strict},
        )
    )
    assert len(verdicts.nodes) == 6
    assert verdicts.accepted_nodes("lenient") == ("a", "b")
    assert verdicts.accepted_nodes("strict") == ()
    assert verdicts.accepted_nodes("unknown") == ()


def test_the_decision_id_stands_for_the_verdict() -> None:
    standing = {"gra-1": datacentre(node())}
    first = verdict_of(facts(node(), datacentres=standing))
    again = verdict_of(facts(node(), datacentres=standing))
    renewed = {"acme-cloud": service(qualification(until=NEXT_YEAR.replace(year=2032)))}
    after_renewal = verdict_of(facts(node(), datacentres=standing, services=renewed))
    assert first.decision_id == again.decision_id
    assert first.decision_id != after_renewal.decision_id
    assert len(first.decision_id) == len(bytes.fromhex(first.decision_id)) * 2 == 16


def test_what_is_new_or_says_something_else_has_changed() -> None:
    both = (node("worker-1"), node("worker-2"))
    here = facts(*both, datacentres={"gra-1": datacentre(*both)})
    verdicts = Verdicts(here)
    assert verdicts.update(here, here.nodes).verdicts == ()
    changes = verdicts.update(facts(datacentres={"gra-1": datacentre(both[0])}), {})
    assert [node for node, _ in changes.verdicts] == ["worker-2"]
    gone = verdicts.update(verdicts.facts, {"worker-2": None})
    assert (gone.verdicts, set(gone.nodes)) == ((), {"worker-2"}), "a node that is gone says nothing"
