"""Reviews from an API server, and what other clients may send to the injector."""

import base64
import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.sidecar.injection import SidecarSettings, inject
from sovereign_operator.injector.admission_review import (
    Injected,
    MalformedError,
    Refused,
    Untouched,
    read,
    result_of,
    write,
)
from sovereign_operator.injector.review import decide_review, may_be_too_early, policy_of
from tests.unit.injector.reviews import POD, Json, review_of

SETTINGS = SidecarSettings("sidecar:1", "IfNotPresent", {}, by_token=True)


def answer_to(review: Json, policy: str | None = "hds") -> Any:
    """Return the answer if this policy encrypts; with None no policy does."""
    return decide_review(read(as_bytes(review)), policy, SETTINGS)


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("policy", ["hds", None])
@pytest.mark.parametrize("dry_run", [False, True])
def test_pods_of_a_policy_that_encrypts_get_a_sidecar(policy: str | None, *, dry_run: bool) -> None:
    answer = answer_to(review_of(dryRun=dry_run), policy)
    written = write("u-1", answer)
    assert (written["apiVersion"], written["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    if policy is None:
        assert answer == Untouched()
        assert written["response"] == {"uid": "u-1", "allowed": True}
        return
    assert isinstance(answer, Injected)
    response = written["response"]
    assert (response["uid"], response["allowed"], response["patchType"]) == ("u-1", True, "JSONPatch")
    patched = jsonpatch.apply_patch(POD, json.loads(base64.b64decode(response["patch"])))
    assert patched == inject(POD, "hds", SETTINGS)


def test_a_pod_that_has_its_sidecar_gets_no_patch() -> None:
    answer = answer_to(review_of(inject(POD, "hds", SETTINGS)))
    assert answer == Injected("hds", [])
    assert write("u", answer)["response"] == {"uid": "u", "allowed": True}


def test_a_pod_that_cannot_have_one_is_refused_with_what_to_change() -> None:
    refused = answer_to(review_of({"metadata": {}, "spec": POD["spec"] | {"hostNetwork": True}}))
    assert isinstance(refused, Refused)
    response = write("u", refused)["response"]
    assert response["allowed"] is False
    assert (response["status"]["code"], response["status"]["reason"]) == (403, "Forbidden")
    assert "policy hds encrypts traffic" in response["status"]["message"]
    assert "spec.hostNetwork is true" in response["status"]["message"]


MIRROR: Json = {
    "metadata": {"name": "app", "annotations": {"kubernetes.io/config.mirror": "x"}},
    "spec": POD["spec"] | {"nodeName": "n-1"},
}


@pytest.mark.parametrize(
    ("user", "spared"), [("system:node:n-1", True), ("system:node:n-2", False), ("mallory", False)]
)
def test_only_a_kubelet_shows_its_own_static_pods(user: str, *, spared: bool) -> None:
    assert (answer_to(review_of(MIRROR, userInfo={"username": user})) == Untouched()) is spared


OTHERS: dict[str, Json] = {
    "no pod": {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
    "a pod of another version": {"kind": {"group": "", "version": "v2", "kind": "Pod"}},
    "an update": {"operation": "UPDATE", "oldObject": POD},
    "a deletion": {"operation": "DELETE", "object": None},
    "nothing": {"object": None},
    "a subresource": {"subResource": "binding"},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_no_creation_of_a_pod_is_let_through_with_a_warning(changes: Json) -> None:
    answer = answer_to(review_of(**changes))
    response = write("u", answer)["response"]
    assert response["allowed"]
    assert "something else than the creation of a pod" in response["warnings"][0]
    assert "patch" not in response


NAMED = {"metadata": {"labels": {"sovereignty.dev/policy": "own"}}, "spec": POD["spec"]}


@pytest.mark.parametrize(
    ("pod", "enforced", "policy"),
    [(POD, None, None), (POD, "hds", "hds"), (NAMED, None, "own"), (NAMED, "hds", "hds"), (NAMED, "", None)],
)
def test_the_policy_is_the_namespaces_else_the_pods(pod: Json, enforced: str | None, policy: str | None) -> None:
    review = read(as_bytes(review_of(pod)))
    assert policy_of(review, enforced, {"kube-system"}) == policy
    assert policy_of(review, enforced, {"ns"}) is None


def test_what_is_no_pod_is_held_to_no_policy() -> None:
    review = read(as_bytes(review_of(**OTHERS["a deletion"])))
    assert policy_of(review, "hds", ()) is None
    assert not may_be_too_early(review, None, ())


@pytest.mark.parametrize(
    ("pod", "enforced", "early"),
    [(POD, None, True), (POD, "hds", False), (POD, "", False), (NAMED, None, False)],
)
def test_a_namespace_may_have_its_label_only_now_where_neither_it_nor_the_pod_names_a_policy(
    pod: Json, enforced: str | None, *, early: bool
) -> None:
    review = read(as_bytes(review_of(pod)))
    assert may_be_too_early(review, enforced, {"kube-system"}) is early
    assert not may_be_too_early(review, enforced, {"ns"})


def without(value: Json, key: str) -> Json:
    return {each: part for each, part in value.items() if each != key}


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "no text": b"\xff\xfe",
    "a list": b"[]",
    "a number": b"1",
    "nothing of use": b"{}",
    "deep": b'{"a":' * 10_000,
    "more objects than any pod has": b"{" * 100_000,
    "more lists than any pod has": b"[" * 100_000,
    "more items than any pod has": b"[" + b"1," * 400_000 + b"1]",
    "more quotes than any pod has": b'"' * 2_000_000,
    "another version": as_bytes(review_of() | {"apiVersion": "admission.k8s.io/v1beta1"}),
    "another kind": as_bytes(review_of() | {"kind": "Pod"}),
    "no request": as_bytes(without(review_of(), "request")),
    "an answer": as_bytes(write("u", Untouched())),
    "no uid": as_bytes(review_of() | {"request": without(review_of()["request"], "uid")}),
    "a pod that is a list": as_bytes(review_of([])),
    "a pod without a spec": as_bytes(review_of({"metadata": {}})),
    "a spec that is text": as_bytes(review_of({"spec": "x"})),
    "containers that are none": as_bytes(review_of({"spec": {"containers": [1]}})),
    "a container without a name": as_bytes(review_of({"spec": {"containers": [{}]}})),
    "labels that are a list": as_bytes(review_of({"metadata": {"labels": ["x"]}, "spec": POD["spec"]})),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_request_is_refused_with_the_reason(body: bytes) -> None:
    with pytest.raises(MalformedError, match="AdmissionReview"):
        read(body)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 70000) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ["initContainers", "volumes", "hostNetwork", "os", "containers", "nodeName"]
PARTS = ["ports", "volumeMounts", "livenessProbe", "lifecycle", "restartPolicy", "name", "args"]


@given(
    st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=3),
    st.dictionaries(st.sampled_from(PARTS), ANYTHING, max_size=3),
    ANYTHING,
    st.dictionaries(st.sampled_from(["uid", "namespace", "userInfo", "kind", "operation"]), ANYTHING, max_size=2),
)
def test_nothing_that_is_sent_causes_another_error(fields: Json, parts: Json, probe: Any, changes: Json) -> None:
    container = {"name": "app", "readinessProbe": {"httpGet": probe}} | parts
    pod = {"metadata": {}, "spec": {"containers": [container], "initContainers": [container]} | fields}
    try:
        answer = answer_to(review_of(pod, **changes))
    except MalformedError:
        return
    assert result_of(answer) in {"untouched", "injected", "refused"}
    assert json.dumps(write("u", answer))
