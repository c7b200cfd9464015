"""A policy's ClusterRole: on which nodes its pods may start, and whose pods get certificates."""

from typing import Any

from sovereign_operator.core import names


def host_role_rules(
    policy: str,
    nodes: tuple[str, ...],
    *,
    needs_sidecar: bool = False,
    namespaces: tuple[str, ...] | None = None,
    avoids: bool = False,
    serves_sidecars: bool = False,
) -> list[dict[str, Any]]:
    """Return the rules of a policy's ClusterRole: it exists, these nodes may host its pods, and they need a sidecar.

    ``namespaces`` are those whose pods get certificates; None: those whose label enforces the policy. ``avoids``:
    whether new pods have to avoid refused nodes that keep the policy's label for running pods. ``serves_sidecars``:
    whether the sidecar of a pod that brings one along finds what it needs, also while the policy's mode is Off.

    An RBAC rule with empty ``resourceNames`` allows every name, so without an accepted node there is no rule. RBAC
    cannot be queried for "any node", so the verb ``host`` on the policy itself says that there is one.
    """
    verbs = {"enforce": True, "host": bool(nodes), "encrypt": needs_sidecar, "certify": namespaces is not None}
    verbs |= {"avoid": avoids, "serve": serves_sidecars}
    existence = _rule("sovereigntypolicies", [verb for verb, holds in verbs.items() if holds], (policy,))
    hosting = [_rule("nodes", ["host"], nodes)] if nodes else []
    return [existence, *hosting, *([_rule("namespaces", ["certify"], namespaces)] if namespaces else [])]


def _rule(resource: str, verbs: list[str], allowed: tuple[str, ...]) -> dict[str, Any]:
    if not allowed:
        raise ValueError("an RBAC rule without names would allow every name")
    return {
        "apiGroups": [names.GROUP],
        "resources": [resource],
        "verbs": verbs,
        "resourceNames": list(allowed),
    }


def host_role_objects(
    policy: str,
    nodes: tuple[str, ...],
    operator_namespace: str,
    *,
    needs_sidecar: bool = False,
    namespaces: tuple[str, ...] | None = None,
    avoids: bool = False,
    serves_sidecars: bool = False,
) -> tuple[dict[str, Any], ...]:
    """Return the ClusterRole of a policy and its binding to the service account that stands for it.

    They have no owner: deleting our CRDs must not change who may host what.
    """
    name = names.host_role(policy)
    metadata = {"name": name, "labels": {names.HOST_ROLE_LABEL: policy}}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": metadata,
        "rules": host_role_rules(
            policy,
            nodes,
            needs_sidecar=needs_sidecar,
            namespaces=namespaces,
            avoids=avoids,
            serves_sidecars=serves_sidecars,
        ),
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [
            {
                "kind": "ServiceAccount",
                "name": names.policy_service_account(policy),
                "namespace": operator_namespace,
            }
        ],
    }
    return role, binding
