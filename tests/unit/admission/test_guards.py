"""A guard that is missing, or that differs from what the chart installed, is reported; an upgrade is not."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from sovereign_operator.core.admission.guards import Guard, GuardKey, Guards, Versions, broken, inspect_one
from sovereign_operator.core.report.guard_reasons import GuardReason
from sovereign_operator.kube.objects.guard import last_write, read_list, see_guard
from tests.unit.admission.guards import BINDING, INSTALLED, NOW, POLICY, WRITER, find, managed, versions

NEW: GuardKey = ("MutatingAdmissionPolicy", "new")
NEXT: dict[GuardKey, Any] = {
    POLICY: INSTALLED[POLICY] | {"validations": [{"expression": "1 == 2", "reason": "Forbidden"}]},
    BINDING: INSTALLED[BINDING],
    NEW: {"failurePolicy": "Fail"},
}
"""What another version of the chart installs."""


def as_served(installed: Guards = INSTALLED) -> dict[GuardKey, Any]:
    """Return the guards as the API server serves them, with its defaults."""
    live = copy.deepcopy(dict(installed))
    constraints = live[POLICY]["matchConstraints"]
    constraints |= {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
    constraints["resourceRules"][0]["scope"] = "*"
    return live


def say(live: Guards, allowed: Versions | None = None) -> list[str]:
    return [str(finding) for finding in find(live, allowed)]


def test_what_the_server_adds_is_no_change() -> None:
    assert not find(as_served())


def test_others_policies_are_not_looked_at() -> None:
    assert not find(as_served() | {("ValidatingAdmissionPolicy", "another"): {}})


Hollow = Callable[[Any, Any], Any]

HOLLOWED: dict[str, Hollow] = {
    "it only warns": lambda _, binding: binding.update(validationActions=["Warn"]),
    "it only audits": lambda _, binding: binding.update(validationActions=["Audit"]),
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
@pytest.mark.parametrize("minutes", [1, 60])
def test_one_that_is_hollowed_out_is_named_in_an_upgrade_as_ever(hollow: Hollow, minutes: float) -> None:
    live = as_served()
    hollow(live[POLICY], live[BINDING])
    (found,) = find(live, versions(INSTALLED, NEXT, changed=minutes))
    assert str(found) in {f"{kind} {name} was changed" for kind, name in (POLICY, BINDING)}
    assert broken([found]) == (str(found),)
    assert found.notice.reason == GuardReason.GUARDS_BROKEN
    assert WRITER in found.notice.message
    assert f"kubectl delete {found.kind.lower()} guard, then helm upgrade" in found.notice.message


@pytest.mark.parametrize("gone", [POLICY, BINDING])
@pytest.mark.parametrize("minutes", [1, 60])
def test_one_that_is_gone_is_named_in_an_upgrade_as_ever(gone: GuardKey, minutes: float) -> None:
    live: Guards = {key: spec for key, spec in as_served().items() if key != gone}
    (found,) = find(live, versions(INSTALLED, NEXT, changed=minutes))
    assert str(found) == f"{gone[0]} guard is missing"
    assert "run helm upgrade" in found.notice.message


@pytest.mark.parametrize("actions", [["Deny", "Audit"], ["Audit", "Deny"]])
def test_one_that_also_audits_still_guards_and_the_patch_that_mends_it_is_named(actions: list[str]) -> None:
    live = as_served()
    live[BINDING]["validationActions"] = actions
    (found,) = find(live)
    assert not broken([found])
    assert found.notice.reason == GuardReason.GUARDS_DRIFTED
    patch = """--type=merge -p '{"spec":{"validationActions":["Deny"]}}'"""
    assert f"kubectl patch validatingadmissionpolicybinding guard {patch}" in found.notice.message
    live[BINDING]["matchResources"] = {"namespaceSelector": {"matchLabels": {"no": "where"}}}
    assert say(live) == [f"{BINDING[0]} guard was changed"]


STATES: dict[str, dict[GuardKey, Any]] = {
    "nothing is written yet": as_served(),
    "the policy is": as_served() | {POLICY: as_served(NEXT)[POLICY]},
    "what is new is": as_served() | {NEW: NEXT[NEW]},
    "all is": as_served(NEXT),
}
VIEWS = {"of the former version": (INSTALLED, NEXT), "of the next one": (NEXT, INSTALLED)}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())
@pytest.mark.parametrize(("own", "other"), VIEWS.values(), ids=VIEWS.keys())
def test_an_upgrade_or_a_rollback_under_way_is_no_alarm(state: Guards, own: Guards, other: Guards) -> None:
    assert not find(state, versions(own, other, changed=9))


@pytest.mark.parametrize(
    ("state", "own", "said"),
    [
        ("all is", INSTALLED, ["ValidatingAdmissionPolicy guard is as another version of the chart has it"]),
        (
            "nothing is written yet",
            NEXT,
            [
                "MutatingAdmissionPolicy new is missing",
                "ValidatingAdmissionPolicy guard is as another version of the chart has it",
            ],
        ),
        ("all is", NEXT, []),
        ("nothing is written yet", INSTALLED, []),
    ],
)
def test_one_that_does_not_come_to_its_end_is(state: str, own: Guards, said: list[str]) -> None:
    other = NEXT if own is INSTALLED else INSTALLED
    allowed = versions(own, other, changed=10)
    assert say(STATES[state], allowed) == said
    assert allowed.allowed_until == NOW


def test_a_forged_list_hides_a_hollow_guard_only_until_an_upgrade_must_have_ended() -> None:
    hollow = as_served()
    hollow[POLICY]["validations"][0]["expression"] = "true"
    assert not find(hollow, versions(INSTALLED, hollow, changed=9))
    assert say(hollow, versions(INSTALLED, hollow, changed=10))
    assert say(hollow, versions(INSTALLED, hollow)), "without an upgrade, at once"


def test_guards_that_are_not_there_yet_are_no_alarm_in_the_first_minute() -> None:
    one = {POLICY: as_served()[POLICY]}
    assert not find({}, versions(installed=0.5, changed=0.5))
    assert not find(one, versions(installed=0.5, changed=0.5))
    assert len(find({}, versions(installed=1, changed=1))) == 2
    one[POLICY]["failurePolicy"] = "Ignore"
    assert say(one, versions(installed=0.5, changed=0.5)) == [f"{POLICY[0]} guard was changed"]


def test_without_its_list_nothing_can_be_told() -> None:
    assert say(as_served(), versions(None, NEXT)) == [
        "ConfigMap sovereign-guards-0 is missing, so the guards cannot be compared with what the chart installed"
    ]
    assert not find(as_served(NEXT), versions(None, NEXT, changed=9))


def test_one_that_was_changed_and_changed_back_can_be_judged_alone() -> None:
    assert inspect_one(versions(), BINDING, Guard(INSTALLED[BINDING])) is None
    found = inspect_one(versions(), BINDING, None)
    assert str(found) == f"{BINDING[0]} guard is missing"


def test_who_wrote_it_last_is_known_as_far_as_the_object_tells() -> None:
    written = managed(
        ("helm", "2027-01-02T00:00:00Z", ""),
        ("kubectl-edit", "2027-01-03T00:00:00Z", ""),
        ("kube-controller-manager", "2027-01-04T00:00:00Z", "status"),
        ("kubectl", "2027-01-05T00:00:00Z", "scale"),
    )
    assert see_guard(written) == Guard({"policyName": "guard"})
    assert see_guard(written).writer == "kubectl-edit at 2027-01-03T00:00:00Z"
    assert see_guard(managed()).writer == ""
    assert last_write(managed())[1] == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[{}]", "nonsense"])
def test_a_list_that_is_none_counts_for_nothing(text: str) -> None:
    for name in ("sovereign-guards-0", f"sovereign-guards-{sha256(text.encode()).hexdigest()[:16]}"):
        assert not any(read_list({"metadata": {"name": name}, "data": {"guards.json": text}}).values())
