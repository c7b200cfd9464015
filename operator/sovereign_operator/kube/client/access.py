"""The question that the guards ask inside the API server, asked from outside: may this node host that policy's pods?"""

from typing import Final

from sovereign_operator.core import names
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.resource import SUBJECT_ACCESS_REVIEWS

NO_NODE: Final = "no node has this name"
"""Whoever may host on it may host on any, and the answer means nothing."""


async def may_host(api: Api, operator_namespace: str, policy: str, node: str) -> bool:
    """Whether RBAC lets a node host a policy's pods, at this moment."""
    return await _may(api, operator_namespace, policy, verb="host", plural="nodes", name=node)


async def may_host_any(api: Api, operator_namespace: str, policy: str) -> bool:
    """Whether RBAC lets every node there could be host a policy's pods."""
    return await may_host(api, operator_namespace, policy, NO_NODE)


async def may_enforce(api: Api, operator_namespace: str, policy: str) -> bool:
    """Whether the policy exists, as the guards see it."""
    return await _may(api, operator_namespace, policy, verb="enforce", plural="sovereigntypolicies", name=policy)


async def _may(api: Api, operator_namespace: str, policy: str, *, verb: str, plural: str, name: str) -> bool:
    account = f"system:serviceaccount:{operator_namespace}:{names.policy_service_account(policy)}"
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{operator_namespace}"]
    attributes = {"group": names.GROUP, "resource": plural, "verb": verb, "name": name}
    review = await api.create(
        SUBJECT_ACCESS_REVIEWS,
        SUBJECT_ACCESS_REVIEWS.header | {"spec": {"user": account, "groups": groups, "resourceAttributes": attributes}},
    )
    return bool(review["status"]["allowed"])
