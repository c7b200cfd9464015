"""Which nodes can run a pod, and the reason if none can."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.kubernetes.node_fit import (
    Demand,
    NodeTraits,
    PodDemands,
    demands_of,
    fitting,
    obstacle,
    volume_demands,
)

ZONE = "topology.kubernetes.io/zone"
A = NodeTraits("a", {ZONE: "north", "disk": "ssd", "cores": "8"})
B = NodeTraits("b", {ZONE: "south"}, ({"key": "dedicated", "value": "db", "effect": "NoSchedule"},))
BOTH = [A, B]
TOLERANT = ({"operator": "Exists"},)


def term(key: str, operator: str, *values: str, what: str = "matchExpressions") -> dict[str, Any]:
    """Build a node selector term of one expression."""
    return {what: [{"key": key, "operator": operator, "values": list(values)}]}


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    """Build a pod's required node affinity."""
    inner = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": inner}}


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({}, "ab"),
        ({"nodeSelector": {"disk": "ssd"}}, "a"),
        ({"nodeSelector": {"disk": "hdd"}}, ""),
        ({"nodeName": "b"}, "b"),
        (required(term(ZONE, "In", "south", "west")), "b"),
        (required(term(ZONE, "NotIn", "south")), "a"),
        (required(term("disk", "Exists")), "a"),
        (required(term("disk", "DoesNotExist")), "b"),
        (required(term("cores", "Gt", "4")), "a"),
        (required(term("cores", "Lt", "8")), ""),
        (required(term("disk", "Gt", "1")), ""),
        (required(term("disk", "Exists"), term(ZONE, "In", "south")), "ab"),
        (required(term("metadata.name", "In", "b", what="matchFields")), "b"),
        (required({**term("disk", "Exists"), **term("metadata.name", "In", "b", what="matchFields")}), ""),
        # An empty term matches nothing.
        (required({}), ""),
        ({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{}]}}}, "ab"),
    ],
)
def test_what_a_pod_demands(spec: dict[str, Any], names: str) -> None:
    pod = PodDemands("p", demands_of(spec), TOLERANT)
    assert "".join(node.name for node in fitting(pod, BOTH)) == names
    assert bool(obstacle(pod, BOTH)) is not bool(names)


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"key": "dedicated", "operator": "Exists"}, True),
        ({"key": "dedicated", "value": "db"}, True),
        ({"key": "dedicated", "value": "db", "effect": "NoSchedule"}, True),
        ({"key": "dedicated", "value": "db", "effect": "NoExecute"}, False),
        ({"key": "dedicated", "value": "web"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"operator": "Exists", "effect": "NoSchedule"}, True),
    ],
)
def test_what_a_pod_tolerates(toleration: dict[str, Any], tolerated: bool) -> None:
    assert bool(fitting(PodDemands("p", (), (toleration,)), [B])) is tolerated


def test_a_taint_that_only_asks_to_be_avoided_keeps_nobody_away() -> None:
    node = NodeTraits("c", {}, ({"key": "sovereignty.dev/not-accepted", "effect": "PreferNoSchedule"},))
    assert fitting(PodDemands("p", ()), [node])


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (PodDemands("p", demands_of({"nodeSelector": {"disk": "hdd"}})), "spec.nodeSelector (disk In hdd)"),
        (PodDemands("p", demands_of({"nodeName": "z"})), "spec.nodeName (name In z)"),
        (PodDemands("p", demands_of(required({}))), "none of them meets required node affinity"),
        (PodDemands("p", demands_of({"nodeSelector": {ZONE: "south"}})), "at once"),
    ],
)
def test_what_stands_in_the_way_is_named(pod: PodDemands, words: str) -> None:
    assert words in obstacle(pod, BOTH)


def test_taints_that_are_not_tolerated_are_named() -> None:
    assert obstacle(PodDemands("p", ()), [B]) == "it does not tolerate their taints: dedicated=db:NoSchedule"


@pytest.mark.parametrize(
    ("volume", "names"),
    [
        ({"metadata": {"name": "v"}, "spec": {}}, "ab"),
        (
            {
                "metadata": {"name": "v", "labels": {ZONE: "north"}},
                "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [term(ZONE, "In", "south")]}}},
            },
            "b",
        ),
        ({"metadata": {"name": "v", "labels": {ZONE: "north__east"}}}, "a"),
    ],
)
def test_a_volume_can_be_reached_from_some_nodes(volume: dict[str, Any], names: str) -> None:
    pod = PodDemands("p", volume_demands("data", volume), TOLERANT)
    assert "".join(node.name for node in fitting(pod, BOTH)) == names


def test_a_volume_is_named_with_its_claim() -> None:
    volume = {"metadata": {"name": "pv-1", "labels": {ZONE: "west"}}}
    said = obstacle(PodDemands("p", volume_demands("data-0", volume)), BOTH)
    assert said == f"none of them meets PersistentVolume pv-1 of claim data-0 ({ZONE} In west)"


TERMS = st.tuples(
    st.sampled_from([ZONE, "disk", "cores", "none"]),
    st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
    st.lists(st.sampled_from(["north", "south", "ssd", "4"]), max_size=2),
).map(lambda drawn: term(drawn[0], drawn[1], *drawn[2]))


@given(st.lists(st.lists(TERMS, max_size=2), max_size=3), st.booleans())
def test_an_obstacle_is_named_if_and_only_if_no_node_fits(terms: list[list[dict[str, Any]]], tolerant: bool) -> None:
    demands = tuple(Demand(f"d{number}", tuple(drawn)) for number, drawn in enumerate(terms))
    pod = PodDemands("p", demands, TOLERANT if tolerant else ())
    assert bool(obstacle(pod, BOTH)) is not bool(fitting(pod, BOTH))
