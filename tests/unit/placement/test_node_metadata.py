"""What verdicts lead to: node labels, taints and roles."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Facts, Node
from sovereign_operator.core.placement.host_roles import host_role_objects, host_role_rules
from sovereign_operator.core.placement.node_metadata import NodeMetadata, node_metadata, retained_on
from sovereign_operator.core.placement.verdicts import Verdicts
from tests import fact_variants, strategies
from tests.builders import datacentre, facts, node

ACCEPTED_LABEL = names.node_policy_label("demo")


def metadata(told: Facts, *occupied: str) -> NodeMetadata:
    """Return the metadata of the only node if pods of these policies run on it."""
    (name,) = told.nodes
    return node_metadata(name, Verdicts(told), occupied)


def roles(told: Facts) -> dict[str, tuple[str, ...]]:
    """Return the nodes that each policy's role lists."""
    verdicts = Verdicts(told)
    return {policy: verdicts.accepted_nodes(policy) for policy in sorted(told.policies)}


@given(strategies.facts())
def test_no_rule_ever_has_empty_resource_names(told: Facts) -> None:
    """RBAC treats an empty list as every name."""
    for policy, nodes in roles(told).items():
        role, _ = host_role_objects(policy, nodes, "operator")
        for rule in role["rules"]:
            assert rule["resourceNames"]
            assert all(rule["resourceNames"])
            assert "*" not in (*rule["resourceNames"], *rule["verbs"], *rule["resources"], *rule["apiGroups"])


@given(strategies.facts())
def test_a_role_lists_exactly_the_accepted_nodes(told: Facts) -> None:
    verdicts = Verdicts(told)
    for policy, nodes in roles(told).items():
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


@pytest.mark.parametrize("nodes", [(), ("a",)])
@pytest.mark.parametrize(
    ("more", "verb"),
    [
        (partial(host_role_rules, avoids=True), "avoid"),
        (partial(host_role_rules, serves_sidecars=True), "serve"),
    ],
    ids=["avoid", "serve"],
)
def test_the_role_says_whether_new_pods_avoid_refused_nodes_and_whether_sidecars_find_what_they_need(
    nodes: tuple[str, ...], more: Callable[..., list[dict[str, Any]]], verb: str
) -> None:
    before, after = host_role_rules("demo", nodes), more("demo", nodes)
    assert after[0] == before[0] | {"verbs": [*before[0]["verbs"], verb]}
    assert after[1:] == before[1:]


@given(st.data())
def test_the_same_facts_in_any_order_give_the_same_bytes(data: st.DataObject) -> None:
    told = data.draw(strategies.facts())
    assert rendered(told) == rendered(data.draw(fact_variants.reordered(told)))


def rendered(told: Facts) -> bytes:
    """Return everything that would be written, as bytes."""
    verdicts = Verdicts(told)
    objects = [host_role_objects(policy, nodes, "operator") for policy, nodes in roles(told).items()]
    marks = [node_metadata(name, verdicts, ()) for name in sorted(told.nodes)]
    return json.dumps(
        [objects, [[mark.name, mark.uid, mark.labels, mark.annotations, mark.avoid] for mark in marks]]
    ).encode()


WORKER = node("worker-1")
ACCEPTED = facts(WORKER, datacentres={"gra": datacentre(WORKER)})
REFUSED = replace(ACCEPTED, services={})
LABELLED = {
    names.NODE_UID_LABEL: WORKER.uid,
    ACCEPTED_LABEL: names.ACCEPTED,
    names.node_host_label("demo"): names.ACCEPTED,
}
KNOWN = replace(WORKER, labels=LABELLED, applied=frozenset(LABELLED))


def test_an_accepted_node_carries_the_policys_label_its_datacentre_and_its_uid() -> None:
    mark = metadata(ACCEPTED)
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
    mark = metadata(told, *(["demo"] if occupied else []))
    assert (ACCEPTED_LABEL in mark.labels) is stays
    assert names.node_host_label("demo") not in mark.labels
    assert mark.avoid is stays
    assert roles(told)["demo"] == ()
    assert mark.retained == ({"demo"} if stays else set())
    assert retained_on("worker-1", Verdicts(told), ["demo"] if occupied else []) == mark.retained


def test_a_policy_that_is_gone_leaves_no_label_but_under_its_pods() -> None:
    told = replace(ACCEPTED, policies={}, nodes={"worker-1": KNOWN})
    assert metadata(told).labels.keys() == {names.NODE_UID_LABEL, names.NODE_DATACENTRE_LABEL}
    assert ACCEPTED_LABEL in metadata(told, "demo").labels
