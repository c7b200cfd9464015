"""What admission writes where the API server has no admission policies that do."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core import names
from sovereign_operator.core.workload.placing import place_daemon_set, place_pod, stamp

Json = dict[str, Any]
HDS, SNC = names.node_policy_label("hds"), names.node_policy_label("secnumcloud")
AUDIT = names.audit_annotation("policy")
ZONE = {"topology.kubernetes.io/zone": "gra"}


def obj(
    labels: Json | None = None, annotations: Json | None = None, selector: Json | None = None, *, template: bool = False
) -> Json:
    """Return an object as a client sends it: without what it does not name, unless that is null."""
    metadata = {"name": "app", "labels": labels, "annotations": annotations}
    spec: Json = {"containers": []} | ({"nodeSelector": selector} if selector is not None else {})
    return {"metadata": metadata, "spec": {"template": {"spec": spec}} if template else spec}


def placed(policy: str) -> Json:
    return {names.PLACED_LABEL: policy}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (obj(), obj(placed("hds"), {AUDIT: "hds"}, {HDS: "accepted"})),
        (
            obj({"a": "b"}, {"c": "d"}, ZONE),
            obj({"a": "b"} | placed("hds"), {"c": "d", AUDIT: "hds"}, ZONE | {HDS: "accepted"}),
        ),
        (
            obj(placed("secnumcloud"), {AUDIT: "secnumcloud", names.audit_annotation("node"): "x"}, {HDS: "refused"}),
            obj(placed("hds"), {AUDIT: "hds"}, {HDS: "accepted"}),
        ),
        (obj(None, {names.verdict_annotation("hds"): "x"}), obj(placed("hds"), {AUDIT: "hds"}, {HDS: "accepted"})),
    ],
)
def test_a_pod_is_placed_and_loses_what_is_forged(before: Json, after: Json) -> None:
    assert place_pod(before, "hds") == after


AVOID = {
    "maxSkew": 1,
    "topologyKey": names.node_host_label("hds"),
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {},
}
BY_ZONE = {"maxSkew": 2, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, [AVOID]), ([], [AVOID]), ([BY_ZONE], [BY_ZONE, AVOID]), ([AVOID], [AVOID]), ([AVOID, BY_ZONE],) * 2],
)
def test_a_new_pod_avoids_nodes_that_keep_their_label_for_running_pods(before: list[Json] | None, after: Json) -> None:
    """A pod may bring it along, as a copy or from a backup. The API server refuses two of the same kind."""
    pod = obj()
    if before is not None:
        pod["spec"]["topologySpreadConstraints"] = before
    placed_pod = place_pod(pod, "hds", avoids=True)
    assert placed_pod["spec"]["topologySpreadConstraints"] == after
    assert place_pod(placed_pod, "hds", avoids=True) == placed_pod
    assert place_pod(pod, None, avoids=True) is pod


@pytest.mark.parametrize("labels", [None, {}, {"a": "b"}])
def test_a_pod_that_is_not_in_scope_stays_as_it_is(labels: Json | None) -> None:
    pod = obj(labels, {AUDIT: "forged"}, ZONE)
    assert place_pod(pod, None) is pod


def test_a_pod_that_is_not_in_scope_is_placed_for_no_policy() -> None:
    assert place_pod(obj({"a": "b"} | placed("hds")), None) == obj({"a": "b"})


@pytest.mark.parametrize(
    ("daemon_set", "policy", "before", "after"),
    [
        (obj(template=True), "hds", None, obj(placed("hds"), None, {HDS: "accepted"}, template=True)),
        (
            obj(placed("hds"), None, {HDS: "accepted"} | ZONE, template=True),
            "secnumcloud",
            obj(placed("hds"), template=True),
            obj(placed("secnumcloud"), None, {SNC: "accepted"} | ZONE, template=True),
        ),
        (
            obj(None, None, {HDS: "accepted"}, template=True),
            None,
            obj(placed("hds"), template=True),
            obj(None, None, {}, template=True),
        ),
        (
            # Applied again by a client that does not know what admission wrote.
            obj(template=True),
            "hds",
            obj(placed("hds"), None, {HDS: "accepted"}, template=True),
            obj(placed("hds"), None, {HDS: "accepted"}, template=True),
        ),
    ],
)
def test_a_daemon_set_selects_the_nodes_of_the_policy_in_effect(
    daemon_set: Json, policy: str | None, before: Json | None, after: Json
) -> None:
    assert place_daemon_set(daemon_set, policy, before) == after


def test_a_daemon_set_keeps_a_selector_that_admission_did_not_write() -> None:
    daemon_set = obj(None, None, {HDS: "accepted"}, template=True)
    assert place_daemon_set(daemon_set, None, obj(template=True)) == daemon_set


def sovereign(spec: str, user: str | None = None) -> Json:
    annotations = {"a": "b"} | ({names.REQUESTED_BY_ANNOTATION: user} if user else {})
    return {"metadata": {"name": "app", "annotations": annotations}, "spec": {"x": spec}}


@pytest.mark.parametrize(
    ("written", "before", "requester"),
    [
        (sovereign("1"), None, "ann"),
        (sovereign("1", "forged"), None, "ann"),
        (sovereign("1"), sovereign("1", "bob"), "bob"),
        (sovereign("1", "forged"), sovereign("1", "bob"), "bob"),
        (sovereign("2", "bob"), sovereign("1", "bob"), "ann"),
        (sovereign("1"), sovereign("1"), "ann"),
    ],
)
def test_the_requester_is_who_last_wrote_the_spec(written: Json, before: Json | None, requester: str) -> None:
    assert stamp(written, "ann", before, taken_over=True) == written | {
        "metadata": {"name": "app", "annotations": {"a": "b", names.REQUESTED_BY_ANNOTATION: requester}}
    }


@pytest.mark.parametrize(
    ("written", "before", "requester"),
    [
        (sovereign("1"), None, "ann"),
        (sovereign("2"), sovereign("1"), "ann"),
        (sovereign("1"), sovereign("1"), ""),
        (sovereign("1", "forged"), sovereign("1"), ""),
        (sovereign("1", "forged"), sovereign("1", "bob"), "bob"),
    ],
)
def test_nobody_takes_over_what_another_asked_for(written: Json, before: Json | None, requester: str) -> None:
    stamped = stamp(written, "ann", before, taken_over=False)["metadata"]["annotations"]
    assert stamped[names.REQUESTED_BY_ANNOTATION] == requester


keys = st.sampled_from([HDS, SNC, AUDIT, names.PLACED_LABEL, names.verdict_annotation("hds"), "a", "b"])
maps = st.none() | st.dictionaries(keys, st.sampled_from(["hds", "secnumcloud", "accepted", ""]), max_size=4)
policies = st.sampled_from(["hds", "secnumcloud", None])


@given(maps, maps, maps, policies)
def test_to_place_again_changes_nothing_and_nothing_else_is_touched(
    labels: Json | None, annotations: Json | None, selector: Json | None, policy: str | None
) -> None:
    pod, daemon_set = obj(labels, annotations, selector), obj(labels, annotations, selector, template=True)
    former = deepcopy((pod, daemon_set))
    made = place_pod(pod, policy)
    assert place_pod(made, policy) == made
    made = place_daemon_set(daemon_set, policy, None)
    assert place_daemon_set(made, policy, made) == made
    assert (pod, daemon_set) == former
