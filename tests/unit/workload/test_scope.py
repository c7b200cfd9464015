"""Which policy is in effect for a pod, and which ones its namespace tries on it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.workload.scope import (
    Judge,
    Mode,
    effective_policy,
    enforced_policy,
    judges_of_pod,
    judges_pods,
    policy_of_pod,
)

ENFORCED = {"sovereignty.dev/enforce": "secnumcloud"}
CLAIMED = {"sovereignty.dev/policy": "hds"}

# The labels of a namespace and of a pod in it, and the policy in effect for the pod.
CASES: dict[str, tuple[dict[str, str], dict[str, str], str | None]] = {
    "no label": ({}, {}, None),
    "the namespace's": (ENFORCED, {}, "secnumcloud"),
    "the pod's": ({}, CLAIMED, "hds"),
    "the namespace's before the pod's": (ENFORCED, CLAIMED, "secnumcloud"),
    "a label of the namespace without a value": ({"sovereignty.dev/enforce": ""}, {}, None),
    "one without a value before the pod's": ({"sovereignty.dev/enforce": ""}, CLAIMED, None),
    "a label of the pod without a value": ({}, {"sovereignty.dev/policy": ""}, None),
    "the pod's enforce label says nothing": ({}, ENFORCED, None),
}


@pytest.mark.parametrize(("namespace", "pod", "policy"), CASES.values(), ids=CASES)
def test_a_pod_is_held_to(namespace: dict[str, str], pod: dict[str, str], policy: str | None) -> None:
    enforced = enforced_policy(namespace)
    assert policy_of_pod("ns", enforced, pod, {"kube-system"}) == policy
    assert effective_policy(enforced, pod.get("sovereignty.dev/policy")) == policy
    assert policy_of_pod("kube-system", enforced, pod, {"kube-system"}) is None


TRIES = {"sovereignty.dev/warn": "hds", "sovereignty.dev/audit": "strict"}
BOTH_TRY = {"sovereignty.dev/warn": "hds", "sovereignty.dev/audit": "hds"}

# The labels of a namespace and of a pod in it, and what judges the pod.
JUDGES: dict[str, tuple[dict[str, str], dict[str, str], dict[str, str]]] = {
    "no label": ({}, {}, {}),
    "one that is enforced": (ENFORCED, {}, {"secnumcloud": "enforce"}),
    "the pod's": ({}, CLAIMED, {"hds": "enforce"}),
    "two to try": (TRIES, {}, {"hds": "warn", "strict": "audit"}),
    "all three": (ENFORCED | TRIES, {}, {"secnumcloud": "enforce", "hds": "warn", "strict": "audit"}),
    "one in two modes, of which the stricter counts": (BOTH_TRY, {}, {"hds": "warn"}),
    "the pod's, which the namespace also tries": (BOTH_TRY, CLAIMED, {"hds": "enforce"}),
    "labels without values": (dict.fromkeys((*ENFORCED, *TRIES), ""), CLAIMED, {}),
    "labels of the pod that belong on a namespace": ({}, TRIES, {}),
}


@pytest.mark.parametrize(("namespace", "pod", "expected"), JUDGES.values(), ids=JUDGES)
def test_a_pod_is_judged_by(namespace: dict[str, str], pod: dict[str, str], expected: dict[str, str]) -> None:
    judges = judges_of_pod("ns", namespace, pod, {"kube-system"})
    assert judges == tuple(Judge(policy, Mode(mode)) for policy, mode in expected.items())
    assert judges_of_pod("kube-system", namespace, pod, {"kube-system"}) == ()


LABELS = st.dictionaries(
    st.sampled_from(["sovereignty.dev/enforce", *TRIES, "sovereignty.dev/policy", "app"]),
    st.sampled_from(["", "hds", "secnumcloud"]),
)


@given(LABELS, LABELS)
def test_what_a_namespace_tries_holds_no_pod(namespace: dict[str, str], pod: dict[str, str]) -> None:
    held = policy_of_pod("ns", enforced_policy(namespace), pod, ())
    judges = judges_of_pod("ns", namespace, pod, ())
    assert [judge.policy for judge in judges if judge.mode is Mode.ENFORCE] == ([held] if held else [])
    assert len({judge.policy for judge in judges}) == len(judges)
    # A namespace whose pods are not followed has none that it tries a policy on.
    assert judges_pods(namespace) or {judge.mode for judge in judges} <= {Mode.ENFORCE}
