"""A Datacentre that cannot be read still claims its nodes: making one unreadable frees no node for another."""

from typing import Any

import pytest

from sovereign_operator.api.v1alpha1 import DATACENTRE
from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Node
from sovereign_operator.core.placement.status import report_unreadable
from sovereign_operator.core.placement.verdict import judge_node
from sovereign_operator.core.report.reasons import NodeReason
from sovereign_operator.core.workload.status import report_unread
from sovereign_operator.kube.objects.node import see_node
from tests.unit import states

Json = dict[str, Any]

NODE = "worker-1"
OTHER = "worker-2"
UNREADABLE = {"serviceRef": {"name": "acme"}, "country": "nowhere"}
HOSTNAME = "kubernetes.io/hostname"


def obj(name: str, spec: Any, **metadata: Any) -> Json:
    return {"metadata": {"name": name, "uid": f"uid-of-{name}", "resourceVersion": "7", **metadata}, "spec": spec}


def datacentre(*nodes: str) -> Json:
    declared = [{"name": name, "uid": f"uid-of-{name}"} for name in nodes]
    return {"serviceRef": {"name": "acme"}, "country": "FR", "nodes": declared}


def estate(*, hosts: tuple[str, ...] = (), **datacentres: Any) -> states.Objects:
    """Return a qualified service, a policy without demands, two nodes, and these Datacentres."""
    role = obj(names.host_role("demo"), {}, labels={names.HOST_ROLE_LABEL: "demo"})
    role["rules"] = [
        {"apiGroups": [names.GROUP], "resources": ["nodes"], "verbs": ["host"], "resourceNames": list(hosts)}
    ]
    return {
        "cloudservices": [obj("acme", {"provider": "Acme", "service": "Cloud", "foreignLaws": []})],
        "datacentres": [obj(name, spec) for name, spec in datacentres.items()],
        "sovereigntypolicies": [obj("demo", {})],
        "nodes": [obj(name, {}, labels={HOSTNAME: name}) for name in (NODE, OTHER)],
        "clusterroles": [role] if hosts else [],
    }


def accepted(objects: states.Objects) -> tuple[str, ...]:
    """Return the nodes that the controller accepts. The signer never accepts any other."""
    found = states.decide(states.controller(objects)).accepted_nodes("demo")
    signer = states.signer(objects)
    for one in objects["nodes"]:
        seen = see_node(one).node
        verdict = judge_node(seen, "demo", signer.facts_of(seen.name))
        assert verdict
        assert not verdict.accepted or seen.name in found
    return found


def test_the_estate_is_as_it_should_be() -> None:
    assert accepted(estate(gra=datacentre(NODE, OTHER))) == (NODE, OTHER)
    assert accepted(estate(gra=datacentre(NODE, OTHER), rbx=datacentre(NODE))) == (OTHER,)


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param({"nodes": [{"name": NODE, "uid": f"uid-of-{NODE}"}]}, id="a node by name and uid"),
        pytest.param({"nodes": [{"name": NODE}]}, id="a node without its uid"),
        pytest.param({"nodeSelector": {HOSTNAME: NODE, "x": 1}}, id="a selector in part"),
    ],
)
def test_one_that_cannot_be_read_claims_what_it_says_and_nothing_else(spoilt: Json) -> None:
    assert accepted(estate(gra=datacentre(NODE, OTHER), rbx=UNREADABLE | spoilt)) == (OTHER,)


def test_a_node_that_only_one_claims_which_cannot_be_read_is_accepted_by_nobody() -> None:
    objects = estate(hosts=(NODE, OTHER), gra=datacentre(OTHER), rbx=UNREADABLE | {"nodes": [{"name": NODE}]})
    assert accepted(objects) == (OTHER,)
    (refused,) = states.decide(states.controller(objects)).nodes[NODE, "demo"].findings
    assert refused.reason is NodeReason.UNREADABLE


@pytest.mark.parametrize(
    "spoilt",
    ["", {"nodes": 0}, {"nodeSelector": {}}, {"nodes": ["x"]}, {"nodeSelector": 5}, {"nodeSelector": {"x": 1}}],
)
def test_where_nobody_can_read_which_nodes_it_claims_all_stays_as_it_was(spoilt: Any) -> None:
    spec = UNREADABLE | spoilt if spoilt else spoilt
    assert accepted(estate(gra=datacentre(NODE, OTHER), rbx=spec)) == ()
    assert accepted(estate(hosts=(NODE,), gra=datacentre(NODE, OTHER), rbx=spec)) == (NODE,)
    gone = estate(hosts=(NODE, OTHER), gra=datacentre(NODE), rbx=spec)
    assert accepted(gone) == (NODE,), "what is certain is withdrawn"


def test_the_signer_signs_nothing_new_where_nobody_can_read_which_nodes_are_claimed() -> None:
    state = states.signer(estate(hosts=(NODE,), gra=datacentre(NODE), rbx=5))
    verdict = judge_node(Node(NODE, f"uid-of-{NODE}"), "demo", state.facts_of(NODE))
    assert verdict
    assert [found.reason for found in verdict.findings] == [NodeReason.UNREADABLE]


def test_a_service_that_cannot_be_read_is_not_said_to_be_missing() -> None:
    objects = {**estate(gra=datacentre(NODE)), "cloudservices": [obj("acme", {})]}
    (refused,) = states.decide(states.controller(objects)).nodes[NODE, "demo"].findings
    assert (refused.reason, "cannot be read" in refused.message) == (NodeReason.UNREADABLE, True)


def test_its_status_names_the_field() -> None:
    state = states.controller(estate(rbx=UNREADABLE | {"nodes": [{"name": NODE}]}))
    state.view.facts()
    ((key, why),) = state.view.own.unreadable[DATACENTRE.plural].errors.items()
    (observed,) = report_unreadable(DATACENTRE, why).observations
    assert (key, observed.type, observed.status, observed.reason) == (
        ("", "rbx"),
        "Ready",
        "False",
        NodeReason.UNREADABLE,
    )
    for part in ("spec.country: String should match pattern", "spec.nodes.0.uid: Field required", "; correct it"):
        assert part in observed.message


def test_a_sovereign_workload_that_cannot_be_read_keeps_what_was_done() -> None:
    """What its status records of a Job keeps the Job from running twice."""
    done = {"run": {"template": "a"}, "lastWrite": {"uid": "b"}}
    report = report_unread({**done, "inside": 3, "conditions": []}, "spec: no")
    assert report.status == done
    assert [observed.reason for observed in report.observations] == [NodeReason.UNREADABLE]
