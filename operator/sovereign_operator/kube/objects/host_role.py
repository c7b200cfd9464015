"""What the controller keeps of host roles: the ClusterRoles that list which nodes may host a policy's pods.

Admission policies check these roles, by RBAC, for each pod. The controller reads them to write again what differs.
"""

from dataclasses import dataclass, field
from typing import Any

from sovereign_operator.core import names
from sovereign_operator.kube.client.api import Json


@dataclass(frozen=True)
class ObservedRole:
    """A host role, or its ClusterRoleBinding."""

    policy: str
    content: Any
    """The rules of a ClusterRole; the roleRef and subjects of a ClusterRoleBinding; None if unreadable."""
    uid: str
    version: str = field(compare=False)
    hosts: frozenset[str] = frozenset()
    """The nodes that may host the policy's pods; empty for a ClusterRoleBinding."""


def see_role(obj: Json) -> ObservedRole:
    """Read a host role, or its binding."""
    metadata = obj["metadata"]
    content = obj.get("rules") if "roleRef" not in obj else [obj["roleRef"], obj.get("subjects")]
    node_rules = [rule for rule in obj.get("rules") or () if "nodes" in rule.get("resources", ())]
    hosts = frozenset(name for rule in node_rules for name in rule.get("resourceNames", ()))
    policy = metadata["labels"][names.HOST_ROLE_LABEL]
    return ObservedRole(policy, content, metadata["uid"], metadata["resourceVersion"], hosts)
