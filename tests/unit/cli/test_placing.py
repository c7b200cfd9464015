"""On which nodes a pod may run: the policy's verdicts are the core's, and the pod's own rules are told apart."""

from typing import Any

import pytest
from hypothesis import given

from sovereign_operator.cli.answers.placing import REMEDIES, Judged, NodeRows, own_rules, remedy
from sovereign_operator.core.kubernetes.node_fit import NodeTraits, fitting, shortcomings
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.verdicts import Verdicts
from sovereign_operator.core.report.reasons import NodeReason
from tests.strategies import facts
from tests.unit.cli.clusters import LABEL, POLICY, blind, estate, unjudged

PLACED = {"nodeSelector": {LABEL: "accepted"}}


def rows(spec: dict[str, Any] | None = None, **fields: Any) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    found = NodeRows(estate(**fields), POLICY, own_rules(spec or PLACED)).all
    return {row.node: (row.verdict, row.why, row.lacks) for row in found}


def test_accepted_nodes_come_first_and_say_what_they_rest_on() -> None:
    found = rows()
    assert [*found] == ["brest-1", "lyon-1", "paris-1", "spare-1"]
    assert found["brest-1"][0] == Judged.ACCEPTED
    assert "SecNumCloud 3.2 (decision EX-101), until 2031-06-15" in found["brest-1"][1]
    assert found["paris-1"][0] == Judged.REFUSED
    assert "Globex West Europe has no SecNumCloud qualification" in found["paris-1"][1]
    assert "spare-1 is in no datacentre" in found["spare-1"][1]


@pytest.mark.parametrize(
    ("spec", "lacks"),
    [
        (PLACED, ()),
        ({"nodeSelector": {LABEL: "accepted", "disk": "ssd"}}, ("does not meet spec.nodeSelector (disk In ssd)",)),
        ({"nodeName": "lyon-1"}, ("does not meet spec.nodeName (name In lyon-1)",)),
    ],
)
def test_the_label_of_the_policy_is_none_of_the_pods_own_rules(spec: dict[str, Any], lacks: tuple[str, ...]) -> None:
    assert rows(spec)["brest-1"][2] == lacks


def test_a_taint_that_is_not_tolerated_is_named() -> None:
    tainted = {"brest-1": ({"key": "dedicated", "value": "db", "effect": "NoSchedule"},)}
    assert rows(taints=tainted)["brest-1"][2] == ("has the taint dedicated=db:NoSchedule",)
    tolerant = PLACED | {"tolerations": [{"operator": "Exists"}]}
    assert rows(tolerant, taints=tainted)["brest-1"][2] == ()


def test_own_rules_are_not_listed_where_the_policy_refuses() -> None:
    assert rows({"nodeSelector": {"disk": "ssd"}})["paris-1"][2] == ()


def test_an_accepted_node_that_has_no_label_yet_says_so() -> None:
    found = NodeRows(estate(labelled=("lyon-1",)), POLICY, own_rules(PLACED))
    assert {row.node: row.labelled for row in found.all if row.fits} == {"brest-1": False, "lyon-1": True}


def test_without_rights_the_operators_own_words_count() -> None:
    recorded = {"brest-1": {POLICY: "accepted: brest"}, "paris-1": {POLICY: "refused: paris: no"}, "lyon-1": {}}
    found = NodeRows(unjudged(recorded), POLICY, own_rules(PLACED))
    assert found.of("brest-1") is not None
    assert {row.node: (row.verdict, row.why) for row in found.all} == {
        "brest-1": (Judged.ACCEPTED, "brest"),
        "lyon-1": (Judged.UNKNOWN, "you may not read what its verdict rests on"),
        "paris-1": (Judged.REFUSED, "paris: no"),
        "spare-1": (Judged.UNKNOWN, "you may not read what its verdict rests on"),
    }


def test_without_any_rights_there_is_no_row() -> None:
    assert NodeRows(blind(), POLICY, own_rules(PLACED)).all == ()
    assert NodeRows(blind(), POLICY, own_rules(PLACED)).of("brest-1") is None


def test_without_a_policy_nothing_is_refused() -> None:
    found = NodeRows(estate(), None, own_rules({})).all
    assert {row.verdict for row in found} == {Judged.ACCEPTED}


@given(facts())
def test_each_verdict_is_the_one_of_the_controller(drawn: Facts) -> None:
    verdicts = Verdicts(drawn)
    for policy in drawn.policies:
        for row in NodeRows(estate(drawn), policy, own_rules({})).all:
            assert (row.verdict is Judged.ACCEPTED) == verdicts.accepts(policy, row.node)
            assert bool(row.reasons) != verdicts.accepts(policy, row.node)


def test_every_reason_has_a_remedy_in_plain_text() -> None:
    assert set(REMEDIES) == {reason.value for reason in NodeReason}
    assert not [text for text in REMEDIES.values() if not text or "`" in text or "](" in text]


def test_the_remedy_is_for_the_reason_of_most_nodes() -> None:
    found = NodeRows(estate(), POLICY, own_rules({})).all
    assert remedy(found).startswith("1 node is refused with")
    assert remedy([row for row in found if row.verdict is Judged.ACCEPTED]) == ""


@pytest.mark.parametrize("spec", [{}, {"nodeSelector": {"disk": "ssd"}}, {"nodeName": "a"}])
@pytest.mark.parametrize("taints", [(), ({"key": "k", "effect": "NoExecute"},)])
def test_a_node_without_shortcomings_is_one_that_fits(spec: dict[str, Any], taints: tuple[Any, ...]) -> None:
    rules, nodes = own_rules(spec), [NodeTraits("a", {"disk": "ssd"}, taints), NodeTraits("b", {})]
    assert [node for node in nodes if not shortcomings(rules, node)] == fitting(rules, nodes)
