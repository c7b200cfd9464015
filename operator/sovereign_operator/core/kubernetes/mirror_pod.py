"""Mirror pods: what a kubelet shows of the static pods that its node runs by itself, from files.

Who creates a pod may write the annotation of one. A kubelet runs none that it did not show itself, and deletes it. So
the annotation is enough to tell of a pod that is there; of one that is being created it is not.
"""

from collections.abc import Mapping
from typing import Final

MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
"""What a kubelet writes on each, and an API server lets nobody change."""


def is_mirror_pod(annotations: Mapping[str, str]) -> bool:
    """Whether a pod that is there with these annotations is one."""
    return MIRROR_ANNOTATION in annotations


def is_new_mirror_pod(annotations: Mapping[str, str], node: str, creator: str) -> bool:
    """Whether a pod that ``creator`` is creating on a node is one: only the kubelet of that node can make it one."""
    return is_mirror_pod(annotations) and creator == f"system:node:{node}"
