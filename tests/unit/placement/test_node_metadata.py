"""What verdicts lead to: node labels, taints and roles."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Facts, Node
from sovereign_operator.core.placement.host_roles import host_role_objects, host_role_rules
from sovereign_operator.core.placement.node_metadata import Placement, plan_placement
from sovereign_operator.core.placement.verdict import judge
from tests import strategies
from tests.builders import datacentre, facts, node

ACCEPTED_LABEL = names.node_policy_label("demo")


def placed(told: Facts, *occupied: tuple[str, str]) -> Placement:
    """Plan the placement if these pairs of node and policy have running pods."""
    return plan_placement(told, judge(told), frozenset(occupied))


@given(strategies.facts(), st.data())
def test_no_rule_ever_has_empty_resource_names(told: Facts, data: st.DataObject) -> None:
    """RBAC treats an empty list as every name."""
    pairs = [(name, policy) for name in told.nodes for policy in told.policies]
    occupied = data.draw(st.frozensets(st.sampled_from(pairs))) if pairs else frozenset()
    for policy, nodes in plan_placement(told, judge(told), occupied).roles.items():
        role, _ = host_role_objects(policy, nodes, "operator")
        for rule in role["rules"]:
            assert rule["resourceNames"]
            assert all(rule["resourceNames"])
            assert "*" not in (*rule["resourceNames"], *rule["verbs"], *rule["resources"], *rule["apiGroups"])


@given(strategies.facts())
def test_a_role_lists_exactly_the_accepted_nodes(told: Facts) -> None:
    verdicts = judge(told)
    for policy, nodes in placed(told).roles.items():
        rules = {rule["resources"][0]: rule["resourceNames"] for rule in host_role_rules(policy, nodes)}
        accepted = sorted(node for (node, name), said in verdicts.nodes.items() if name == policy and said.accepted)
        assert rules.get("nodes", []) == accepted
        assert rules["sovereigntypolicies"] == [policy]


@pytest.mark.parametrize("needs_sidecar", [False, True])
def test_the_role_says_whether_pods_need_a_sidecar(*, needs_sidecar: bool) -> None:
    (existence,) = host_role_rules("demo", (), needs_sidecar=needs_sidecar)
    assert existence["verbs"] == (["enforce", "encrypt"] if needs_sidecar else ["enforce"])
    assert existence["resourceNames"] == ["demo"]
    # The verb host in this rule means that some node is accepted; the other rule lists the nodes.
    assert host_role_rules("demo", ("a",), needs_sidecar=needs_sidecar)[0]["verbs"] == [
        "enforce",
        "host",
        *existence["verbs"][1:],
    ]


@given(st.data())
def test_the_same_facts_in_any_order_give_the_same_bytes(data: st.DataObject) -> None:
    told = data.draw(strategies.facts())
    one, other = placed(told), placed(data.draw(strategies.reordered(told)))
    assert rendered(one) == rendered(other)


def rendered(placement: Placement) -> bytes:
    """Return everything that would be written, as bytes."""
    roles = [host_role_objects(policy, nodes, "operator") for policy, nodes in placement.roles.items()]
    marks = [[mark.name, mark.uid, mark.labels, mark.annotations, mark.avoid] for mark in placement.nodes]
    return json.dumps([roles, marks]).encode()


WORKER = node("worker-1")
ACCEPTED = facts(WORKER, datacentres={"gra": datacentre(WORKER)})
REFUSED = replace(ACCEPTED, services={})
LABELLED = {names.NODE_UID_LABEL: WORKER.uid, ACCEPTED_LABEL: names.ACCEPTED}
KNOWN = replace(WORKER, labels=LABELLED, applied=frozenset(LABELLED))


def test_an_accepted_node_carries_the_policys_label_its_datacentre_and_its_uid() -> None:
    (mark,) = placed(ACCEPTED).nodes
    assert mark.labels == {**LABELLED, names.NODE_DATACENTRE_LABEL: "gra"}
    assert not mark.avoid


@pytest.mark.parametrize(
    ("known", "occupied", "stays"),
    [
        pytest.param(KNOWN, True, True, id="pods run there"),
        pytest.param(KNOWN, False, False, id="no pod runs there"),
        pytest.param(WORKER, True, False, id="it never had the label"),
        pytest.param(
            replace(KNOWN, labels={**LABELLED, names.NODE_UID_LABEL: "another"}),
            True,
            False,
            id="the label is of an earlier registration",
        ),
        pytest.param(replace(KNOWN, labels={**LABELLED, ACCEPTED_LABEL: "no"}), True, False, id="the label is forged"),
        pytest.param(
            replace(KNOWN, applied=frozenset({names.NODE_UID_LABEL})), True, False, id="somebody else wrote the label"
        ),
    ],
)
def test_a_refused_node_keeps_its_label_for_its_pods_only(known: Node, occupied: bool, stays: bool) -> None:
    told = replace(REFUSED, nodes={"worker-1": known})
    answer = placed(told, *([("worker-1", "demo")] if occupied else []))
    (mark,) = answer.nodes
    assert (ACCEPTED_LABEL in mark.labels) is stays
    assert mark.avoid is stays
    assert answer.roles["demo"] == ()
    assert answer.retained == ({("worker-1", "demo")} if stays else set())


def test_a_policy_that_is_gone_leaves_no_label_but_under_its_pods() -> None:
    told = replace(ACCEPTED, policies={}, nodes={"worker-1": KNOWN})
    assert placed(told).nodes[0].labels.keys() == {names.NODE_UID_LABEL, names.NODE_DATACENTRE_LABEL}
    assert ACCEPTED_LABEL in placed(told, ("worker-1", "demo")).nodes[0].labels
