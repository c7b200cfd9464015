"""What the injector answers where the API server has no admission policies that write."""

import json
from typing import Any

import jsonpatch
import pytest

from sovereign_operator.core import names
from sovereign_operator.core.workload.placing import place_daemon_set, place_pod, stamp
from sovereign_operator.injector.admission_review import Answer, MalformedError, Untouched, Written, read
from sovereign_operator.injector.placement import Way, place, stamp_requester
from tests.unit.injector.reviews import POD, Json, review_of

LABELLED: Json = POD | {"metadata": {"name": "app", "labels": {names.POLICY_LABEL: "hds"}}}
PLACED: Json = POD | {"metadata": {"name": "app", "labels": {names.PLACED_LABEL: "hds"}}}
DAEMON_SET: Json = {"metadata": {"name": "app"}, "spec": {"template": {"spec": POD["spec"]}}}
DAEMON_SETS = {"kind": {"group": "apps", "version": "v1", "kind": "DaemonSet"}}
SOVEREIGN: Json = {"metadata": {"name": "app"}, "spec": {"workloadRef": {"name": "app"}}}
SOVEREIGNS = {"kind": {"group": "sovereignty.dev", "version": "v1alpha1", "kind": "SovereignWorkload"}}
DEROGATION: Json = {"metadata": {"name": "pilot"}, "spec": {"reason": "pilot"}}
DEROGATIONS = {"kind": {"group": "sovereignty.dev", "version": "v1alpha1", "kind": "Derogation"}}


def answer_to(review: Json, way: Way, enforced: str | None = None) -> Answer:
    return place(read(json.dumps(review).encode()), way, enforced)


def written(answer: Answer, obj: Json) -> Any:
    assert isinstance(answer, Written)
    return jsonpatch.apply_patch(obj, answer.operations)


@pytest.mark.parametrize(
    ("pod", "way", "enforced", "policy"),
    [
        (POD, Way.BY_NAMESPACE, "hds", "hds"),
        (LABELLED, Way.BY_NAMESPACE, "secnumcloud", "secnumcloud"),
        (LABELLED, Way.BY_LABEL, None, "hds"),
        # This replica has not observed yet that the namespace lost its label.
        (LABELLED, Way.BY_LABEL, "secnumcloud", "hds"),
        (PLACED, Way.FORMERLY, None, None),
    ],
)
def test_a_pod_is_placed_by_the_way_in_which_it_was_found(
    pod: Json, way: Way, enforced: str | None, policy: str | None
) -> None:
    assert written(answer_to(review_of(pod), way, enforced), pod) == place_pod(pod, policy)


@pytest.mark.parametrize("enforced", [None, ""])
def test_a_pod_of_a_policy_that_is_not_known_here_is_left_to_the_guards(enforced: str | None) -> None:
    assert answer_to(review_of(PLACED), Way.BY_NAMESPACE, enforced) == Untouched()


def test_a_mirror_pod_stays_as_its_kubelet_made_it() -> None:
    mirror = {
        "metadata": {"name": "app", "annotations": {"kubernetes.io/config.mirror": "x"}},
        "spec": POD["spec"] | {"nodeName": "n-1"},
    }
    kubelet = {"userInfo": {"username": "system:node:n-1"}}
    assert answer_to(review_of(mirror, **kubelet), Way.BY_NAMESPACE, "hds") == Untouched()
    assert answer_to(review_of(mirror), Way.BY_NAMESPACE, "hds") != Untouched()


def test_a_daemon_set_is_placed_when_it_is_created_and_updated() -> None:
    created = review_of(DAEMON_SET, oldObject=None, **DAEMON_SETS)
    placed = written(answer_to(created, Way.BY_NAMESPACE, "hds"), DAEMON_SET)
    assert placed == place_daemon_set(DAEMON_SET, "hds", None)
    moved = review_of(placed, operation="UPDATE", oldObject=placed, **DAEMON_SETS)
    assert written(answer_to(moved, Way.BY_NAMESPACE, "secnumcloud"), placed) == place_daemon_set(
        DAEMON_SET, "secnumcloud", None
    )
    left = written(answer_to(moved, Way.FORMERLY), placed)
    assert names.PLACED_LABEL not in left["metadata"]["labels"]
    assert not left["spec"]["template"]["spec"]["nodeSelector"]


@pytest.mark.parametrize("before", [None, stamp(SOVEREIGN, "bob", None, taken_over=True)])
def test_a_sovereign_workload_is_stamped(before: Json | None) -> None:
    operation = "UPDATE" if before else "CREATE"
    review = read(json.dumps(review_of(SOVEREIGN, operation=operation, oldObject=before, **SOVEREIGNS)).encode())
    made = written(stamp_requester(review), SOVEREIGN)
    assert made["metadata"]["annotations"] == {names.REQUESTED_BY_ANNOTATION: "bob" if before else "somebody"}


@pytest.mark.parametrize(
    ("before", "stamped"),
    [(None, "somebody"), (DEROGATION, ""), (stamp(DEROGATION, "bob", None, taken_over=False), "bob")],
)
def test_a_derogation_is_stamped_and_never_taken_over(before: Json | None, stamped: str) -> None:
    operation = "UPDATE" if before else "CREATE"
    review = read(json.dumps(review_of(DEROGATION, operation=operation, oldObject=before, **DEROGATIONS)).encode())
    made = written(stamp_requester(review), DEROGATION)
    assert made["metadata"]["annotations"] == {names.REQUESTED_BY_ANNOTATION: stamped}


@pytest.mark.parametrize(
    "changes",
    [
        {"operation": "UPDATE", "oldObject": POD},
        {"operation": "DELETE", "object": None, "oldObject": POD},
        {"subResource": "binding"},
        {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
        SOVEREIGNS,
    ],
)
def test_anything_else_stays_as_it_is(changes: Json) -> None:
    assert answer_to(review_of(**changes), Way.BY_NAMESPACE, "hds") == Untouched()
    assert stamp_requester(read(json.dumps(review_of()).encode())) == Untouched()


@pytest.mark.parametrize(
    "broken",
    [
        review_of({"metadata": {}, "spec": {"template": {"spec": "x"}}}, **DAEMON_SETS),
        review_of({"metadata": {}, "spec": {}}, **DAEMON_SETS),
        review_of(DAEMON_SET, operation="UPDATE", oldObject=None, **DAEMON_SETS),
        review_of({"metadata": {"labels": {"a": 1}}, "spec": {}}, **SOVEREIGNS),
        review_of({"metadata": {}, "spec": []}, **SOVEREIGNS),
        review_of({"metadata": {}, "spec": {"containers": [], "nodeSelector": []}} | {"metadata": []}),
    ],
)
def test_what_no_api_server_sends_is_malformed(broken: Json) -> None:
    with pytest.raises(MalformedError):
        read(json.dumps(broken).encode())
