"""A guard that is gone, or that says something else than the chart installed, is seen."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from sovereign_operator.core.guards import Guards, broken

POLICY, BINDING = ("ValidatingAdmissionPolicy", "guard"), ("ValidatingAdmissionPolicyBinding", "guard")
INSTALLED: dict[tuple[str, str], Any] = {
    POLICY: {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{"apiGroups": [""], "operations": ["CREATE"], "resources": ["pods"]}]},
        "validations": [{"expression": "false", "reason": "Forbidden"}],
    },
    BINDING: {"policyName": "guard", "validationActions": ["Deny"]},
}


def as_served() -> dict[tuple[str, str], Any]:
    """Return what the API server makes of it."""
    live = copy.deepcopy(INSTALLED)
    constraints = live[POLICY]["matchConstraints"]
    constraints |= {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
    constraints["resourceRules"][0]["scope"] = "*"
    return live


def test_what_the_server_adds_is_no_change() -> None:
    assert broken(INSTALLED, as_served()) == ()


def test_others_policies_are_not_looked_at() -> None:
    assert broken(INSTALLED, as_served() | {("ValidatingAdmissionPolicy", "another"): {}}) == ()


Hollow = Callable[[Any, Any], Any]

HOLLOWED: dict[str, Hollow] = {
    "it only warns": lambda _, binding: binding.update(validationActions=["Warn"]),
    "it only audits, too": lambda _, binding: binding["validationActions"].append("Audit"),
    "it looks only where nothing is": lambda _, binding: binding.update(
        matchResources={"namespaceSelector": {"matchLabels": {"no": "where"}}}
    ),
    "it takes parameters that do not exist": lambda _, binding: binding.update(paramRef={"name": "none"}),
    "it is bound to another policy": lambda _, binding: binding.update(policyName="another"),
    "it fails open": lambda policy, _: policy.update(failurePolicy="Ignore"),
    "it has a condition": lambda policy, _: policy.update(matchConditions=[{"name": "no", "expression": "false"}]),
    "it leaves something out": lambda policy, _: policy["matchConstraints"].update(
        excludeResourceRules=[{"resources": ["pods"]}]
    ),
    "it looks at fewer namespaces": lambda policy, _: policy["matchConstraints"].update(
        namespaceSelector={"matchLabels": {"no": "where"}}
    ),
    "it looks at fewer requests": lambda policy, _: policy["matchConstraints"]["resourceRules"][0].update(
        scope="Cluster"
    ),
    "it asks for something else": lambda policy, _: policy["validations"][0].update(expression="true"),
    "it asks for nothing": lambda policy, _: policy["validations"].clear(),
}


@pytest.mark.parametrize("hollow", HOLLOWED.values(), ids=HOLLOWED.keys())
def test_one_that_is_hollowed_out_is_named(hollow: Hollow) -> None:
    live = as_served()
    hollow(live[POLICY], live[BINDING])
    (said,) = broken(INSTALLED, live)
    assert said in {f"{kind} {name} was changed" for kind, name in (POLICY, BINDING)}


@pytest.mark.parametrize("gone", [POLICY, BINDING])
def test_one_that_is_gone_is_named(gone: tuple[str, str]) -> None:
    live: Guards = {key: spec for key, spec in as_served().items() if key != gone}
    assert broken(INSTALLED, live) == (f"{gone[0]} guard is missing",)
