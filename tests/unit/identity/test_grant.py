"""To which namespaces' pods a policy gives certificates: by name, by label, or by the enforcing label."""

from typing import Any

import pytest

from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core.identity.grant import (
    MAX_NAMESPACES,
    changed_grants,
    granted_namespaces,
    is_granted,
    listed_namespaces,
    report_grants,
    ungranted_pods,
)
from sovereign_operator.core.placement.host_roles import host_role_rules
from sovereign_operator.core.report.conditions import Notice

ENFORCED = {"sovereignty.dev/enforce": "secnumcloud"}
TEAM = {"team": "cardiology"}


def asking(grant: Any) -> SovereigntyPolicySpec:
    """Return a policy with this certificateNamespaces."""
    return SovereigntyPolicySpec.model_validate({} if grant == "absent" else {"certificateNamespaces": grant})


def by(**selector: Any) -> dict[str, Any]:
    return {"selector": selector}


@pytest.mark.parametrize(
    ("grant", "namespace", "labels", "granted"),
    [
        ("absent", "ward", ENFORCED, True),
        ("absent", "ward", {"sovereignty.dev/enforce": "hds"}, False),
        ("absent", "ward", {}, False),
        ({}, "ward", ENFORCED, False),
        ({"names": []}, "ward", ENFORCED, False),
        ({"names": ["ward"]}, "ward", {}, True),
        ({"names": ["ward"]}, "ward-2", ENFORCED, False),
        (by(matchLabels=TEAM), "ward", TEAM, True),
        (by(matchLabels=TEAM), "ward", {"team": "lab"}, False),
        (by(matchLabels=TEAM), "ward", ENFORCED, False),
        (by(matchExpressions=[{"key": "team", "operator": "In", "values": ["lab"]}]), "ward", {"team": "lab"}, True),
        (by(matchExpressions=[{"key": "team", "operator": "Exists"}]), "ward", {}, False),
        (by(matchExpressions=[{"key": "team", "operator": "Exists"}]), "ward", TEAM, True),
        # The API server refuses an empty selector. If one exists all the same, it selects no namespace, not every one.
        (by(), "ward", ENFORCED, False),
        ({"names": ["records"], **by(matchLabels=TEAM)}, "records", {}, True),
        ({"names": ["records"], **by(matchLabels=TEAM)}, "ward", TEAM, True),
    ],
)
def test_a_namespace_gets_certificates_or_not(
    grant: Any, namespace: str, labels: dict[str, str], granted: bool
) -> None:
    spec = asking(grant)
    assert is_granted("secnumcloud", spec, namespace, labels) is granted
    listed = listed_namespaces(spec, granted_namespaces("secnumcloud", spec, {namespace: labels}))
    assert (listed is None) == (grant == "absent")
    if listed is not None:
        assert (namespace in listed) is granted


def test_one_that_is_named_counts_before_it_is_there() -> None:
    assert listed_namespaces(asking({"names": ["records", "ward"]}), ()) == ("records", "ward")


@pytest.mark.parametrize(
    "spec", [asking("absent"), asking({"names": ["records", "ward"]})], ids=["by label", "by name"]
)
def test_where_sidecars_ask_themselves_it_counts_only_with_whom_to_trust(spec: SovereigntyPolicySpec) -> None:
    assert listed_namespaces(spec, ("records", "ward"), {"ward", "lab"}) == ("ward",)
    assert listed_namespaces(spec, ("records", "ward"), ()) == ()


def test_a_role_never_lists_no_namespace_which_would_be_every_one() -> None:
    for namespaces in (None, (), ("ward",)):
        rules = host_role_rules("x", ("brest-1",), namespaces=namespaces)
        assert ("certify" in rules[0]["verbs"]) == (namespaces is not None)
        assert [rule["resourceNames"] for rule in rules if rule["resources"] == ["namespaces"]] == (
            [["ward"]] if namespaces else []
        )


def test_a_policy_lists_those_that_there_are() -> None:
    """A name without a namespace is listed only in the spec."""
    there = {"records": {}, "ward": TEAM, "lab": {}}
    assert granted_namespaces("x", asking({"names": ["nowhere", "records"], **by(matchLabels=TEAM)}), there) == (
        "records",
        "ward",
    )
    assert granted_namespaces("secnumcloud", asking("absent"), {"lab": {}, "ward": ENFORCED}) == ("ward",)


def test_pods_are_named_that_mount_certificates_where_the_policy_gives_none() -> None:
    policies = {"secnumcloud": asking("absent"), "hds": asking({"names": ["ward"]}), "open": asking("absent")}
    namespaces = {"ward": ENFORCED, "lab": {}}
    mounting = {
        ("secnumcloud", "ward"): ["granted"],
        ("secnumcloud", "lab"): ["b", "a"],
        ("secnumcloud", "gone"): ["c"],
        ("hds", "ward"): ["granted"],
        ("hds", "lab"): ["a"],
        ("unknown", "lab"): ["a"],
    }
    assert ungranted_pods(mounting, policies, namespaces) == {
        "secnumcloud": ("gone/c", "lab/a", "lab/b"),
        "hds": ("lab/a",),
        "open": (),
    }


def said(*namespaces: str) -> dict[str, Any]:
    """Return the status of a policy that trusts these namespaces."""
    return report_grants("x", namespaces, ()).status


MANY = tuple(f"n{number:03}" for number in range(MAX_NAMESPACES + 1))


def test_of_very_many_it_lists_the_first_and_counts_all() -> None:
    assert said(*MANY) == {"namespacesGranted": len(MANY), "grantedNamespaces": list(MANY[:-1])}


@pytest.mark.parametrize(
    ("before", "after", "details"),
    [
        ({}, said("ward"), "1 namespace(s) now; new: ward"),
        (said("lab", "ward"), said("records", "ward"), "2 namespace(s) now; new: records; no more: lab"),
        (said("ward"), said(), "0 namespace(s) now; no more: ward"),
        (said(*MANY[:3]), said(*MANY), "51 namespace(s) now"),
        (said(*MANY), said(*MANY, "o"), "52 namespace(s) now"),
    ],
)
def test_a_change_of_them_is_told(before: dict[str, Any], after: dict[str, Any], details: str) -> None:
    message = f"the policy gives its certificates to {details}"
    assert changed_grants(before, after) == (Notice("Normal", "GrantsChanged", message),)


@pytest.mark.parametrize(("before", "after"), [({}, {}), ({}, said()), (said("ward"), said("ward"))])
def test_what_stays_is_not_told(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert not changed_grants(before, after)
