"""SubjectAccessReviews: may a node host a policy's pods, according to RBAC?

Admission policies check the same inside the API server. Processes check from outside what they will decide.
"""

from typing import Final

from sovereign_operator.core import names
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.resource import SUBJECT_ACCESS_REVIEWS

NO_NODE: Final = "no node has this name"
"""No node can have this name. A policy that is allowed it is allowed every node, so acceptance cannot be checked."""


async def may_host(api: Api, operator_namespace: str, policy: str, node: str) -> bool:
    """Whether RBAC lets a node host a policy's pods now. Raises ApiError, as the other functions do."""
    return await _may(api, operator_namespace, policy, verb="host", plural="nodes", name=node)


async def may_host_any(api: Api, operator_namespace: str, policy: str) -> bool:
    """Whether RBAC lets any node host a policy's pods, even one that does not exist."""
    return await may_host(api, operator_namespace, policy, NO_NODE)


async def may_enforce(api: Api, operator_namespace: str, policy: str) -> bool:
    """Whether RBAC grants the verb ``enforce``, by which admission policies recognise that a policy exists."""
    return await _may(api, operator_namespace, policy, verb="enforce", plural="sovereigntypolicies", name=policy)


async def may_avoid(api: Api, operator_namespace: str, policy: str) -> bool:
    """Whether the policy's role says that new pods have to avoid refused nodes which keep its label."""
    return await _may(api, operator_namespace, policy, verb="avoid", plural="sovereigntypolicies", name=policy)


async def may_encrypt(api: Api, operator_namespace: str, policy: str) -> bool:
    """Whether the policy's role says that its pods need a sidecar."""
    return await _may(api, operator_namespace, policy, verb="encrypt", plural="sovereigntypolicies", name=policy)


async def may_certify(api: Api, operator_namespace: str, policy: str, namespace: str) -> bool:
    """Whether the policy's role lists a namespace as one whose pods get certificates."""
    return await _may(api, operator_namespace, policy, verb="certify", plural="namespaces", name=namespace)


async def _may(api: Api, operator_namespace: str, policy: str, *, verb: str, plural: str, name: str) -> bool:
    account = f"system:serviceaccount:{operator_namespace}:{names.policy_service_account(policy)}"
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{operator_namespace}"]
    attributes = {"group": names.GROUP, "resource": plural, "verb": verb, "name": name}
    review = await api.create(
        SUBJECT_ACCESS_REVIEWS,
        SUBJECT_ACCESS_REVIEWS.header | {"spec": {"user": account, "groups": groups, "resourceAttributes": attributes}},
    )
    return bool(review["status"]["allowed"])
