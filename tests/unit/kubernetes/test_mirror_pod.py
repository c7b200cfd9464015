"""Which pods are mirror pods."""

import pytest

from sovereign_operator.core.kubernetes.mirror_pod import is_mirror_pod, is_new_mirror_pod

MIRROR = {"kubernetes.io/config.mirror": "digest", "other": "x"}

# Annotations, node and creator; whether an existing pod is a mirror pod, and whether it is one at its creation.
CASES: dict[str, tuple[dict[str, str], str, str, bool, bool]] = {
    "shown by its kubelet": (MIRROR, "a", "system:node:a", True, True),
    "by the kubelet of another node": (MIRROR, "a", "system:node:b", True, False),
    "by a user": (MIRROR, "a", "jeanne", True, False),
    "on no node": (MIRROR, "", "system:node:a", True, False),
    "an empty annotation": ({"kubernetes.io/config.mirror": ""}, "a", "system:node:a", True, True),
    "another pod of a kubelet": ({"other": "x"}, "a", "system:node:a", False, False),
    "no annotations": ({}, "a", "jeanne", False, False),
}


@pytest.mark.parametrize(("annotations", "node", "creator", "there", "new"), CASES.values(), ids=CASES)
def test_a_pod_is_a_mirror_pod(annotations: dict[str, str], node: str, creator: str, *, there: bool, new: bool) -> None:
    assert is_mirror_pod(annotations) is there
    assert is_new_mirror_pod(annotations, node, creator) is new
