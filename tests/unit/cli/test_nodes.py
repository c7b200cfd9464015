"""Where nodes stand, and which policies accept them."""

from dataclasses import replace

import pytest
from hypothesis import given

from sovereign_operator.cli.answers.estate import Estate, Kept
from sovereign_operator.cli.answers.node import explain_node
from sovereign_operator.cli.answers.nodes import list_nodes
from sovereign_operator.cli.answers.placing import Judged
from sovereign_operator.cli.show.blocks import render
from sovereign_operator.cli.show.common import MOST_ROWS
from sovereign_operator.cli.show.overviews import show_nodes
from sovereign_operator.core.placement.declared_nodes import correct_uid
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.membership import locate_all
from sovereign_operator.core.placement.verdicts import Verdicts
from tests import builders
from tests.strategies import facts
from tests.unit.cli.clusters import ALL, BREST, FACTS, LYON, POLICY, SPARE, estate, unjudged, without

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
    assert answer.summary == "1 of 4 nodes stands in no datacentre"
    assert answer.exit_code == 1


AGAIN = replace(BREST, uid="99999999-0000-4000-8000-000000000009")
TWIN = {**FACTS.datacentres, "twin": builders.datacentre(BREST, service="armor-snc")}
CLAIMED_TWICE = (
    "brest-1 is claimed by the datacentres brest and twin, and stands in none of them until only one claims it"
)


def test_a_node_that_registered_again_has_the_command_that_corrects_its_uid() -> None:
    found = estate(replace(FACTS, nodes={**FACTS.nodes, BREST.name: AGAIN}))
    wanted = correct_uid("brest", FACTS.datacentres["brest"], AGAIN)
    assert wanted.startswith("once you have checked that brest-1 is the same machine: kubectl patch datacentre brest ")
    assert explain_node("brest-1", AGAIN.uid, found).next == wanted
    answer = list_nodes(found)
    assert {row.node: row.next for row in answer.nodes if row.next}["brest-1"] == wanted
    assert f"  What to do: {wanted}\n" in render(show_nodes(answer, wide=False))


def test_a_node_that_two_datacentres_claim_names_both() -> None:
    found = estate(replace(FACTS, datacentres=TWIN))
    explained = explain_node("brest-1", BREST.uid, found)
    assert (explained.place, explained.next) == (CLAIMED_TWICE, "have only one of these Datacentres claim it")
    answer = list_nodes(found)
    assert CLAIMED_TWICE in answer.findings
    assert f"{CLAIMED_TWICE}.\n  What to do: {explained.next}\n" in render(show_nodes(answer, wide=False))


def test_a_node_that_is_claimed_and_not_in_the_cluster_is_a_finding() -> None:
    answer = list_nodes(estate(without(LYON, SPARE)))
    assert answer.summary == "all 2 nodes stand in a datacentre"
    assert answer.findings == ("lyon-1, which datacentre brest claims, is not in the cluster",)
    assert answer.exit_code == 1
    assert "  What to do: take it out of spec.nodes if it does not come back\n" in render(
        show_nodes(answer, wide=False)
    )


def test_of_many_wrong_nodes_the_first_are_shown() -> None:
    many = [builders.node(f"n{number:03}") for number in range(100)]
    gone = builders.facts(datacentres={"brest": builders.datacentre(*many)})
    short, wide = (render(show_nodes(list_nodes(estate(gone)), wide=wide)) for wide in (False, True))
    assert (short.count("What to do"), wide.count("What to do")) == (MOST_ROWS, 100)
    assert "80 more are left out: -o wide shows all." in short


@pytest.mark.parametrize("missing", [Kept.DATACENTRES, Kept.SERVICES])
def test_where_nodes_stand_is_not_claimed_without_the_right_to_know(missing: Kept) -> None:
    answer = list_nodes(estate(known=ALL - {missing}))
    assert {row.datacentre for row in answer.nodes} == {None}
    assert answer.summary == "where they stand could not be read"
    assert (answer.lost, answer.exit_code) == ((), 0)


@given(facts())
def test_a_node_stands_where_the_controller_finds_it(drawn: Facts) -> None:
    members, verdicts = locate_all(drawn), Verdicts(drawn)
    for row in list_nodes(estate(drawn)).nodes:
        assert row.datacentre == members[row.node].datacentre
        assert bool(row.why) == bool(row.next) == bool(members[row.node].findings)
        assert set(row.accepted_by) == {name for name in drawn.policies if verdicts.accepts(name, row.node)}
        answer = explain_node(row.node, row.uid, estate(drawn))
        assert {entry.policy for entry in answer.policies if entry.verdict is Judged.ACCEPTED} == {*row.accepted_by}
        assert answer.next
