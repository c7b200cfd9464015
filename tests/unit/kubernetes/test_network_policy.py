"""Which NetworkPolicies keep the controller from a sidecar, and a sidecar from the signers."""

from typing import Any

import pytest

from sovereign_operator.core.kubernetes.network_policy import (
    Connection,
    Direction,
    Peer,
    Stance,
    closing,
    entries_in,
    stance,
)

Json = dict[str, Any]
PORT = 15022
POLLED = Connection(Direction.INGRESS, PORT)
ASKS = Connection(Direction.EGRESS, 8443, "certificates")
CONTROLLER = Peer("sovereign-system", {"team": "platform"}, {"app": "controller"}, ("10.244.3.4", "fd00::4"))
POD = {"app": "shop", "tier": "web"}
OURS = {"matchLabels": {"team": "platform"}}


def policy(*ingress: Json, selector: Json | None = None, **spec: Any) -> Json:
    about = {"name": "wall", "namespace": "cases"}
    return {"metadata": about, "spec": {"podSelector": selector or {}, "ingress": [*ingress], **spec}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        # The case of a user: pods of the same namespace alone.
        (policy({"from": [{"podSelector": {}}]}, policyTypes=["Ingress"]), Stance.ISOLATES),
        (policy(), Stance.ISOLATES),
        (policy(policyTypes=["Egress"]), Stance.NOT_SELECTED),
        (policy(selector={"matchLabels": {"app": "other"}}), Stance.NOT_SELECTED),
        (policy(selector={"matchLabels": {"app": "shop"}}), Stance.ISOLATES),
        (policy(selector={"matchExpressions": [{"key": "tier", "operator": "Exists"}]}), Stance.ISOLATES),
        (policy({}), Stance.ALLOWS),
        (policy({"ports": [{"port": PORT}]}), Stance.ALLOWS),
        (policy({"ports": [{"port": PORT, "protocol": "UDP"}]}), Stance.ISOLATES),
        (policy({"ports": [{"protocol": "TCP"}]}), Stance.ALLOWS),
        (policy({"ports": [{"port": 15000, "endPort": 15199}]}), Stance.ALLOWS),
        (policy({"ports": [{"port": 80}, {"port": "metrics"}]}), Stance.ISOLATES),
        (policy({"from": [{"namespaceSelector": OURS}]}), Stance.ALLOWS),
        (policy({"from": [{"namespaceSelector": {}}]}), Stance.ALLOWS),
        (policy({"from": [{"namespaceSelector": {"matchLabels": {"team": "shop"}}}]}), Stance.ISOLATES),
        (
            policy({"from": [{"namespaceSelector": OURS, "podSelector": {"matchLabels": {"app": "controller"}}}]}),
            Stance.ALLOWS,
        ),
        (
            policy({"from": [{"namespaceSelector": OURS, "podSelector": {"matchLabels": {"app": "x"}}}]}),
            Stance.ISOLATES,
        ),
        (policy({"from": [{"namespaceSelector": OURS}], "ports": [{"port": 80}]}), Stance.ISOLATES),
        (policy({"from": [{"ipBlock": {"cidr": "10.244.0.0/16"}}]}), Stance.ALLOWS),
        (policy({"from": [{"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.3.0/24"]}}]}), Stance.ISOLATES),
        (policy({"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}), Stance.ISOLATES),
        # As an older API server accepted it: this is no reason to fail.
        (policy({"from": [{"ipBlock": {"cidr": "010.244.0.0/16"}}]}), Stance.ISOLATES),
        ({"metadata": {"name": "wall", "namespace": "cases"}}, Stance.ISOLATES),
    ],
)
def test_what_one_policy_means_for_the_controller(found: Json, expected: Stance) -> None:
    assert stance(found, POD, CONTROLLER, POLLED) is expected


def outgoing(*egress: Json, **spec: Any) -> Json:
    """Return a policy as API servers keep it: with its types."""
    types = {"policyTypes": ["Egress"]}
    return {"metadata": {"name": "wall", "namespace": "cases"}, "spec": {"egress": [*egress], **types, **spec}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        # The usual default-deny, of everything and of what goes out.
        (outgoing(policyTypes=["Ingress", "Egress"]), Stance.ISOLATES),
        (outgoing(), Stance.ISOLATES),
        (outgoing(policyTypes=["Ingress"]), Stance.NOT_SELECTED),
        # DNS alone, as most such policies begin.
        (outgoing({"to": [{"namespaceSelector": {}}], "ports": [{"port": 53, "protocol": "UDP"}]}), Stance.ISOLATES),
        (outgoing({}), Stance.ALLOWS),
        # What comes in says nothing of what goes out.
        (outgoing(ingress=[{}], policyTypes=["Ingress", "Egress"]), Stance.ISOLATES),
        (outgoing({"from": [{"podSelector": {"matchLabels": {"app": "x"}}}], "to": []}), Stance.ALLOWS),
        (outgoing({"to": [{"namespaceSelector": OURS}], "ports": [{"port": 8443}]}), Stance.ALLOWS),
        (outgoing({"to": [{"namespaceSelector": OURS}], "ports": [{"port": "certificates"}]}), Stance.ALLOWS),
        (outgoing({"to": [{"namespaceSelector": OURS}], "ports": [{"port": "https"}]}), Stance.ISOLATES),
        # Network plugins look at the pod behind the Service.
        (outgoing({"to": [{"namespaceSelector": OURS}], "ports": [{"port": 443}]}), Stance.ISOLATES),
        (outgoing({"to": [{"podSelector": {}}]}), Stance.ISOLATES),
        (outgoing({"to": [{"ipBlock": {"cidr": "10.244.0.0/16"}}]}), Stance.ALLOWS),
    ],
)
def test_what_one_policy_means_for_a_sidecar_that_asks_the_signers(found: Json, expected: Stance) -> None:
    assert stance(found, POD, CONTROLLER, ASKS) is expected


@pytest.mark.parametrize(("egress", "expected"), [([{}], Stance.ALLOWS), ([], Stance.NOT_SELECTED)])
def test_without_types_a_policy_is_about_what_goes_out_if_it_has_rules_for_that(
    egress: list[Json], expected: Stance
) -> None:
    assert stance(policy(egress=egress), POD, CONTROLLER, ASKS) is expected


def test_a_pod_selector_alone_is_about_the_policys_own_namespace() -> None:
    beside = Peer("cases", {}, {}, ("10.244.1.1",))
    assert stance(policy({"from": [{"podSelector": {}}]}), POD, beside, POLLED) is Stance.ALLOWS


def test_one_that_admits_is_enough_and_without_any_nothing_is_closed() -> None:
    closed, admits, not_about = ("b", Stance.ISOLATES), ("c", Stance.ALLOWS), ("d", Stance.NOT_SELECTED)
    assert closing([closed, ("a", Stance.ISOLATES), not_about]) == ["a", "b"]
    assert closing([closed, admits]) == []
    assert closing([not_about]) == []
    assert closing([]) == []


def test_the_entries_of_a_policy_are_counted_no_further_than_asked() -> None:
    small = {"spec": {"podSelector": {"matchLabels": {"app": "x"}}, "ingress": [{"from": [{"podSelector": {}}]}]}}
    assert entries_in(small, 100) == len(
        ["podSelector", "matchLabels", "app", "ingress", "rule", "from", "peer", "pods"]
    )
    blocks = [{"ipBlock": {"cidr": f"10.0.{number // 256}.{number % 256}/32"}} for number in range(40_000)]
    assert entries_in({"spec": {"ingress": [{"from": blocks}]}}, 100) > 100
    assert entries_in({"spec": None}, 100) == 0
