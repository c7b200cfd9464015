"""Where nodes stand, and which policies accept them."""

import pytest
from hypothesis import given

from sovereign_operator.cli.answers.estate import Estate, Kept
from sovereign_operator.cli.answers.node import explain_node
from sovereign_operator.cli.answers.nodes import list_nodes
from sovereign_operator.cli.answers.placing import Judged
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.membership import locate_all
from sovereign_operator.core.placement.verdicts import Verdicts
from tests import builders
from tests.strategies import facts
from tests.unit.cli.clusters import ALL, BREST, FACTS, POLICY, estate, unjudged

WRITTEN = Verdicts(FACTS).nodes["brest-1", POLICY].sentence


def recorded(sentence: str) -> Estate:
    return estate(recorded={"brest-1": {POLICY: sentence}})


def test_a_node_that_is_accepted() -> None:
    answer = explain_node("brest-1", BREST.uid, recorded(WRITTEN))
    assert (answer.datacentre, answer.service, answer.evidence) == ("brest", "armor-snc", "Declared")
    assert [(row.policy, row.verdict, row.written) for row in answer.policies] == [(POLICY, Judged.ACCEPTED, True)]
    assert (answer.next, answer.exit_code) == ("nothing", 0)


@pytest.mark.parametrize("sentence", ["refused: brest: old", "accepted: elsewhere"])
def test_a_verdict_that_the_operator_has_not_written_yet_is_told(sentence: str) -> None:
    answer = explain_node("brest-1", BREST.uid, recorded(sentence))
    assert answer.policies[0].written is False
    assert "kubectl sovereign check" in answer.next
    assert answer.exit_code == 1


def test_a_node_that_is_in_no_datacentre_is_to_be_declared() -> None:
    answer = explain_node("spare-1", "u", estate())
    assert answer.datacentre is None
    assert "is in no datacentre" in answer.place
    assert answer.next == "if you know where it stands: kubectl sovereign nodes declare spare-1"
    assert answer.exit_code == 1


def test_a_node_that_no_policy_accepts_says_what_to_do() -> None:
    answer = explain_node("paris-1", "u", estate())
    assert answer.place == "paris-1 stands in paris (Declared)"
    assert answer.next == (
        "secnumcloud refuses it with QualificationMissing: use another service, or ask for a Derogation"
    )
    assert answer.exit_code == 1


def test_a_node_of_a_pool_says_which() -> None:
    one = builders.of_pool()
    sites = {"brest": builders.datacentre(service="armor-snc", pools=(builders.pool(),))}
    told = builders.facts(one, services=FACTS.services, datacentres=sites, policies=FACTS.policies)
    answer = explain_node(one.name, one.uid, estate(told))
    assert answer.place == "worker-1 stands in brest (PoolDeclared, pool general)"
    assert "WeakEvidence" in answer.next
    assert [row.evidence for row in list_nodes(estate(told)).nodes] == ["PoolDeclared"]


def test_a_node_that_is_none_of_the_pool_whose_labels_it_has_says_what_to_do() -> None:
    one = builders.of_pool(provider_id="aws:///x/i-1")
    told = builders.facts(one, datacentres={"brest": builders.datacentre(pools=(builders.pool(),))})
    answer = explain_node(one.name, one.uid, estate(told))
    assert "has the labels of pool general of brest, but the providerID aws:///x/i-1" in answer.place
    assert "correct providerIDs of the pool" in answer.next


def test_without_a_policy_there_is_nothing_to_judge_by() -> None:
    bare = builders.facts(BREST, services=FACTS.services, datacentres=FACTS.datacentres, policies={})
    assert "create a SovereigntyPolicy" in explain_node("brest-1", BREST.uid, estate(bare)).next


def test_without_rights_it_tells_what_the_operator_wrote() -> None:
    found = unjudged({"brest-1": {POLICY: "accepted: brest", "hds": "refused: no", "odd": "what"}})
    answer = explain_node("brest-1", BREST.uid, found)
    assert {row.policy: row.verdict for row in answer.policies} == {
        POLICY: Judged.ACCEPTED,
        "hds": Judged.REFUSED,
        "odd": Judged.UNKNOWN,
    }
    assert "cloudservices, datacentres, derogations, sovereigntypolicies" in answer.next


def test_the_list_begins_with_nodes_in_no_datacentre() -> None:
    answer = list_nodes(estate())
    assert [row.node for row in answer.nodes] == ["spare-1", "brest-1", "lyon-1", "paris-1"]
    assert answer.nodes[0].reasons == ("NotInDatacentre",)
    assert answer.nodes[1].accepted_by == (POLICY,)
    assert answer.summary == "1 of 4 nodes in no datacentre"
    assert answer.exit_code == 1


@pytest.mark.parametrize("missing", [Kept.DATACENTRES, Kept.SERVICES])
def test_where_nodes_stand_is_not_claimed_without_the_right_to_know(missing: Kept) -> None:
    answer = list_nodes(estate(known=ALL - {missing}))
    assert {row.datacentre for row in answer.nodes} == {None}
    assert answer.summary == "where they stand could not be read"
    assert answer.exit_code == 0


@given(facts())
def test_a_node_stands_where_the_controller_finds_it(drawn: Facts) -> None:
    members, verdicts = locate_all(drawn), Verdicts(drawn)
    for row in list_nodes(estate(drawn)).nodes:
        assert row.datacentre == members[row.node].datacentre
        assert bool(row.why) == bool(members[row.node].findings)
        assert set(row.accepted_by) == {name for name in drawn.policies if verdicts.accepts(name, row.node)}
        answer = explain_node(row.node, row.uid, estate(drawn))
        assert {entry.policy for entry in answer.policies if entry.verdict is Judged.ACCEPTED} == {*row.accepted_by}
        assert answer.next
