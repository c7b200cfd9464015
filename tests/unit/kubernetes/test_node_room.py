"""How much of a node pods take, and what they leave."""

from decimal import Decimal
from typing import Any

import pytest

from sovereign_operator.core.kubernetes.node_room import claims_on_node, left_on_nodes
from sovereign_operator.core.kubernetes.unjudged import unjudged_rule


def spec(*ports: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the spec of a pod."""
    container = {"name": "app", "ports": [*ports], "resources": {"requests": {"cpu": "500m"}}}
    return {"containers": [container], **fields}


@pytest.mark.parametrize(
    ("pod", "ports"),
    [
        (spec(), []),
        (spec({"containerPort": 80}), []),
        (spec({"containerPort": 80, "hostPort": 8080}), ["host port TCP/8080"]),
        (spec({"containerPort": 53, "hostPort": 53, "protocol": "UDP"}), ["host port UDP/53"]),
        (spec({"containerPort": 80}, hostNetwork=True), ["host port TCP/80"]),
    ],
)
def test_what_a_pod_takes(pod: dict[str, Any], ports: list[str]) -> None:
    assert claims_on_node(pod) == {"cpu": Decimal("0.5"), **dict.fromkeys(["pods", *ports], Decimal(1))}


def test_what_pods_leave() -> None:
    taking = claims_on_node(spec({"containerPort": 80, "hostPort": 80}))
    nodes = {name: {"cpu": "2", "pods": "10"} for name in ("one", "two")}
    left = left_on_nodes(nodes, [("one", taking), ("gone", taking)], taking)
    assert left["one"] == {"cpu": Decimal("1.5"), "pods": Decimal(9), "host port TCP/80": Decimal(0)}
    assert left["two"] == {"cpu": Decimal(2), "pods": Decimal(10), "host port TCP/80": Decimal(1)}


SPREAD = {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
REQUIRED = {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ""),
        ({"schedulerName": "default-scheduler"}, ""),
        ({"schedulerName": "mine"}, "another scheduler"),
        ({"schedulingGates": [{"name": "x"}]}, "scheduling gates"),
        ({"resourceClaims": [{"name": "gpu"}]}, "devices"),
        ({"runtimeClassName": "gvisor"}, "RuntimeClass gvisor"),
        ({"affinity": {"podAffinity": REQUIRED}}, "required podAffinity"),
        ({"affinity": {"podAntiAffinity": REQUIRED}}, "required podAntiAffinity"),
        ({"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{}]}}}, ""),
        ({"topologySpreadConstraints": [SPREAD]}, "spread evenly by zone"),
        ({"topologySpreadConstraints": [SPREAD | {"whenUnsatisfiable": "ScheduleAnyway"}]}, ""),
    ],
)
def test_rules_that_are_not_judged(fields: dict[str, Any], words: str) -> None:
    assert words in unjudged_rule(spec(**fields))
    assert bool(words) is bool(unjudged_rule(spec(**fields)))


def test_a_port_of_one_address_is_not_judged() -> None:
    assert unjudged_rule(spec({"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.1"}))
    assert not unjudged_rule(spec({"containerPort": 80, "hostPort": 80, "hostIP": "0.0.0.0"}))
