"""The public keys of the tokens that the API server issues to service accounts."""

from typing import Final

from sovereign_operator.kube.client.api import Api, Json

KEYS_PATH: Final = "/openid/v1/jwks"
_KEYS_TYPE: Final = "application/jwk-set+json"


async def read_token_keys(api: Api) -> Json:
    """Return the keys, as a JSON Web Key Set. Raises ApiError.

    An API server whose issuer is no ``https`` URL serves none: NotFoundError. Source: kubernetes/kubernetes,
    pkg/controlplane/apiserver/server.go and pkg/serviceaccount/openidmetadata.go.
    """
    return await api.request("GET", KEYS_PATH, accept=_KEYS_TYPE)
