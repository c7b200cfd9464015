"""What we keep of the ClusterRoles that say which nodes may host a policy's pods, and of their bindings."""

from dataclasses import dataclass, field
from typing import Any

from sovereign_operator.core import names
from sovereign_operator.kube.client.api import Json


@dataclass(frozen=True)
class ObservedRole:
    """A ClusterRole or ClusterRoleBinding of ours: what it says, whatever else it carries."""

    policy: str
    content: Any
    uid: str
    version: str = field(compare=False)
    hosts: frozenset[str] = frozenset()
    """The nodes that may host the policy's pods, if it is a ClusterRole."""


def see_role(obj: Json) -> ObservedRole:
    """Keep what a ClusterRole of ours, or its binding, says."""
    metadata = obj["metadata"]
    content = obj.get("rules") if "roleRef" not in obj else [obj["roleRef"], obj.get("subjects")]
    hosting = [rule for rule in obj.get("rules") or () if "nodes" in rule.get("resources", ())]
    hosts = frozenset(name for rule in hosting for name in rule.get("resourceNames", ()))
    policy = metadata["labels"][names.HOST_ROLE_LABEL]
    return ObservedRole(policy, content, metadata["uid"], metadata["resourceVersion"], hosts)
