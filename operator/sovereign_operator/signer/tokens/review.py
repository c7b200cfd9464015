"""Asks the API server whose a token is: the facts that a PodCertificateRequest would name."""

import uuid
from typing import Any

from sovereign_operator.core import names
from sovereign_operator.core.identity.authorities import LEAF_LIFETIME
from sovereign_operator.core.identity.request import Request
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.resource import TOKEN_REVIEWS
from sovereign_operator.signer.tokens.keys import InvalidTokenError

_ACCOUNT = "system:serviceaccount:"
_EXTRA = "authentication.kubernetes.io/"


async def review_token(api: Api, token: str, address: str | None) -> Request:
    """Return the request of the pod that a token is bound to. Raises InvalidTokenError, and ApiError.

    The API server answers for no audience but ours, and for no pod that is gone. ``address`` is where it comes from.
    """
    body = TOKEN_REVIEWS.header | {"spec": {"token": token, "audiences": [names.SIGNER_AUDIENCE]}}
    status = (await api.create(TOKEN_REVIEWS, body)).get("status", {})
    if not status.get("authenticated") or names.SIGNER_AUDIENCE not in (status.get("audiences") or ()):
        raise InvalidTokenError(f"the API server does not accept the token: {status.get('error') or 'no reason given'}")
    user: dict[str, Any] = status["user"]
    namespace, _, account = user["username"].removeprefix(_ACCOUNT).partition(":")
    extra = {key.removeprefix(_EXTRA): values for key, values in (user.get("extra") or {}).items()}
    try:
        (pod,), (pod_uid,) = extra["pod-name"], extra["pod-uid"]
        (node,), (node_uid,) = extra["node-name"], extra["node-uid"]
    except (KeyError, ValueError):
        raise InvalidTokenError("the token is bound to no pod on a node") from None
    return Request(
        namespace=namespace,
        name="",
        uid=str(uuid.uuid4()),
        pod=pod,
        pod_uid=pod_uid,
        service_account=account,
        service_account_uid=user["uid"],
        node=node,
        node_uid=node_uid,
        longest=LEAF_LIFETIME,
        address=address,
        by_token=True,
    )
