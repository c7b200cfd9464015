"""The keys with which API servers sign tokens: most bad tokens are refused without a question to the API server."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import jwt

from sovereign_operator.core import names
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.errors import ApiError, UnavailableError
from sovereign_operator.kube.client.token_keys import KEYS_PATH, read_token_keys

READ_SECONDS: Final = 10.0
"""How often the keys are read at most, as tokens with keys that do not exist cost nothing to make."""
LEEWAY_SECONDS: Final = 60
"""How far this clock may differ from the API server's, which checks the token again."""
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
"""What API servers sign with."""


class InvalidTokenError(Exception):
    """The text says what is wrong with a token, for the log of the sidecar."""


@dataclass(frozen=True)
class BoundPod:
    """The pod that a token is bound to, and the node on which the API server has it."""

    namespace: str
    service_account: str
    pod: str
    pod_uid: str
    node: str


class TokenKeys:
    """The keys that were read last."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._keys: dict[str, jwt.PyJWK] = {}
        self._lock = asyncio.Lock()
        self._read_at = float("-inf")
        self._failure: UnavailableError | None = None
        """Why the keys could not be read the last time."""

    async def verify(self, token: str) -> BoundPod:
        """Check signature, audience and time of a token. Raises InvalidTokenError; UnavailableError without the keys.

        Whether the pod still exists, only the API server knows.
        """
        try:
            name = str(jwt.get_unverified_header(token).get("kid", ""))
            key = self._keys.get(name) or await self._read(name)
            # The audience is compared below: no other may be beside it.
            claims = jwt.decode(
                token,
                key,
                algorithms=list(_ALGORITHMS),
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp"], "verify_aud": False},
            )
        except (jwt.PyJWTError, UnicodeError) as error:
            # HTTP headers may hold bytes that are no text.
            raise InvalidTokenError(f"no token of this cluster: {error}") from error
        if claims.get("aud") != [names.SIGNER_AUDIENCE]:
            raise InvalidTokenError(f"the token is not for the audience {names.SIGNER_AUDIENCE} alone")
        return _bound_pod(claims.get("kubernetes.io"))

    async def _read(self, name: str) -> jwt.PyJWK:
        """Read the keys again, unless that was done a moment ago, and return the one of this name."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if name not in self._keys and now - self._read_at >= READ_SECONDS:
                self._read_at = now
                try:
                    found = jwt.PyJWKSet.from_dict(await read_token_keys(self._api))
                except (ApiError, jwt.PyJWTError) as error:
                    self._failure = UnavailableError(0, f"the keys of tokens ({KEYS_PATH}) cannot be read: {error}")
                else:
                    self._keys = {key.key_id: key for key in found.keys if key.key_id}
                    self._failure = None
        if name in self._keys:
            return self._keys[name]
        raise self._failure or InvalidTokenError("no API server signs tokens with its key")


def _bound_pod(claims: Any) -> BoundPod:
    """Read the private claims of a token. Raises InvalidTokenError if it is bound to no pod on a node."""
    try:
        pod, node = claims["pod"], claims["node"]
        return BoundPod(claims["namespace"], claims["serviceaccount"]["name"], pod["name"], pod["uid"], node["name"])
    except (TypeError, LookupError):
        raise InvalidTokenError("the token is bound to no pod on a node") from None
