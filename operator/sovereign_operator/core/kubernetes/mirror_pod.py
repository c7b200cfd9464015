"""Mirror pods: objects by which a kubelet shows the static pods that its node runs from files.

A user who creates a pod may write the annotation of a mirror pod. The kubelet does not run such a pod, and deletes it.
So the annotation identifies an existing mirror pod, but not one that is being created.
"""

from collections.abc import Mapping
from typing import Final

MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
"""The annotation of mirror pods, which the API server keeps unchanged."""


def is_mirror_pod(annotations: Mapping[str, str]) -> bool:
    """Whether an existing pod with these annotations is a mirror pod."""
    return MIRROR_ANNOTATION in annotations


def is_new_mirror_pod(annotations: Mapping[str, str], node: str, creator: str) -> bool:
    """Whether the pod that ``creator`` creates on a node is a mirror pod: only that node's kubelet can create one."""
    return is_mirror_pod(annotations) and creator == f"system:node:{node}"
