"""Which policy is in effect for a pod."""

import pytest

from sovereign_operator.core.workload.scope import effective_policy, enforced_policy, policy_of_pod

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
