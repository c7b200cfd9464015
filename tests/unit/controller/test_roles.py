"""A role that gains nodes may wait for a moment, so that one write gains many; what is withdrawn never waits."""

import time
from typing import Any

import pytest

from sovereign_operator.controller.reconcile.roles import (
    GATHER_SECONDS,
    only_gains_nodes,
    role_and_binding,
    role_writes,
)
from sovereign_operator.core import names
from sovereign_operator.core.placement.host_roles import host_role_rules
from sovereign_operator.kube.objects.host_role import ObservedRole, see_role
from tests.unit import states

Json = dict[str, Any]


def role(rules: Any) -> Json:
    metadata = {"name": names.host_role("demo"), "labels": {names.HOST_ROLE_LABEL: "demo"}}
    return {"metadata": metadata | {"uid": "u", "resourceVersion": "7"}, "rules": rules}


def seen(*nodes: str, **more: Any) -> ObservedRole:
    return see_role(role(host_role_rules("demo", nodes, **more)))


@pytest.mark.parametrize(
    ("before", "after", "gains"),
    [
        (seen("a"), seen("a", "b"), True),
        (seen("a", needs_sidecar=True), seen("a", "b", needs_sidecar=True), True),
        (seen("a"), seen("a"), False),
        (seen("a", "b"), seen("a"), False),
        (seen("a", "b"), seen("a", "c"), False),
        (seen(), seen("a"), False),
        (seen("a"), seen("a", "b", needs_sidecar=True), False),
        (seen("a", namespaces=("ward", "lab")), seen("a", "b", namespaces=("ward",)), False),
    ],
)
def test_only_more_nodes_may_wait(before: ObservedRole, after: ObservedRole, *, gains: bool) -> None:
    assert only_gains_nodes(before, after) is gains


@pytest.mark.parametrize("names_of", [None, [], ["*"]])
def test_a_rule_of_somebody_else_is_replaced_at_once(names_of: list[str] | None) -> None:
    rules: list[Json] = host_role_rules("demo", ("a",))
    wider = rules[1] | {"resourceNames": names_of} if names_of is not None else {**rules[1]}
    if names_of is None:
        del wider["resourceNames"]
    assert not only_gains_nodes(see_role(role([rules[0], wider])), seen("a", "b"))
    assert not only_gains_nodes(see_role(role([*rules, wider])), seen("a", "b"))


def estate(listed: tuple[str, ...]) -> states.Objects:
    """Return two nodes that the policy accepts, and a role that lists these."""
    nodes = [{"metadata": {"name": name, "uid": name, "resourceVersion": "7"}, "spec": {}} for name in ("a", "b")]
    declared = [{"name": name, "uid": name} for name in ("a", "b")]
    return {
        "cloudservices": [spec("acme", {"provider": "Acme", "service": "Cloud", "foreignLaws": []})],
        "datacentres": [spec("gra", {"serviceRef": {"name": "acme"}, "country": "FR", "nodes": declared})],
        "sovereigntypolicies": [spec("demo", {})],
        "nodes": nodes,
        "clusterroles": [role(host_role_rules("demo", listed))],
    }


def spec(name: str, content: Json) -> Json:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": "7"}, "spec": content}


@pytest.mark.parametrize(
    ("listed", "ago", "writes"),
    [
        pytest.param(("a",), 0.0, 0, id="a node more, just after a write"),
        pytest.param(("a",), 2 * GATHER_SECONDS, 1, id="a node more, later"),
        pytest.param(("a", "b", "c"), 0.0, 1, id="a node less"),
        pytest.param(("a", "c"), 0.0, 1, id="a node more and one less"),
        pytest.param(("a", "b"), 0.0, 0, id="the same nodes"),
    ],
)
def test_a_role_that_was_just_written_waits_to_gain_nodes(listed: tuple[str, ...], ago: float, writes: int) -> None:
    state = states.controller(estate(listed))
    verdicts = states.decide(state)
    assert verdicts.accepted_nodes("demo") == ("a", "b")
    state.published.granted = {"demo": ()}
    state.published.role_written["demo"] = time.monotonic() - ago
    state.view.pending.take()
    made = list(role_writes(state, verdicts, ["demo"], "sovereign-system"))
    for write in made:
        write.close()  # type: ignore[attr-defined]
    # The binding is missing, and written in any case.
    assert len(made) == 1 + writes
    waits = (listed, ago) == (("a",), 0.0)
    assert state.view.pending.roles == ({"demo"} if waits else set())


@pytest.mark.parametrize(
    ("encryption", "verbs"),
    [
        (None, {"enforce", "host"}),
        ({"mode": "Off"}, {"enforce", "host", "serve"}),
        ({"mode": "Permissive"}, {"enforce", "host", "serve", "encrypt"}),
    ],
)
def test_in_the_mode_off_too_the_role_says_that_sidecars_find_what_they_need(
    encryption: Json | None, verbs: set[str]
) -> None:
    """Otherwise guard-every-pod.yaml would refuse copies and restores of pods that still have theirs."""
    objects = {**estate(())}
    objects["sovereigntypolicies"] = [spec("demo", {"encryptionInTransit": encryption} if encryption else {})]
    state = states.controller(objects)
    verdicts = states.decide(state)
    state.published.granted = {"demo": ()}
    made, _ = role_and_binding(state, verdicts, "demo", "sovereign-system")
    assert {*made["rules"][0]["verbs"]} - {"certify"} == verbs
