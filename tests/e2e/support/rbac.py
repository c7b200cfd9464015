"""Roles, bindings and parts of other objects, as a thief of a token would write them."""

from typing import Any

from hack.install import NAMESPACE
from hack.kubectl import Json

OURS = "sovereignty:host:secnumcloud"
"""The host role of a policy."""


def part(kind: str, name: str, version: str = "v1", **fields: Any) -> Json:
    """Return a partial object for a server-side apply. ``metadata`` contains its fields other than the name."""
    metadata = {"name": name} | fields.pop("metadata", {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def role(name: str, *rules: Json, **labels: str) -> Json:
    """Return a ClusterRole."""
    rbac = "rbac.authorization.k8s.io/v1"
    metadata = {"labels": {key.replace("__", "/").replace("_", "-"): value for key, value in labels.items()}}
    return part("ClusterRole", name, rbac, metadata=metadata, rules=list(rules))


def may(verb: str, resource: str, *, group: str = "sovereignty.dev", names: tuple[str, ...] = ()) -> Json:
    """Return a rule of a ClusterRole."""
    rule: Json = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    return rule | ({"resourceNames": list(names)} if names else {})


def role_binding(name: str, role: str, subject: str) -> Json:
    """Return a ClusterRoleBinding to a service account of the operator's namespace."""
    rbac = "rbac.authorization.k8s.io"
    ref = {"apiGroup": rbac, "kind": "ClusterRole", "name": role}
    subjects = [{"kind": "ServiceAccount", "name": subject, "namespace": NAMESPACE}]
    return part("ClusterRoleBinding", name, f"{rbac}/v1", roleRef=ref, subjects=subjects)
