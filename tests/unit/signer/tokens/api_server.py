"""What the signer asks an API server about a token and its pod, over HTTP, and tokens as API servers sign them.

It answers as a test says, and counts the requests: what a bad token costs is part of the promise.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sovereign_operator.core.names import SIGNER_AUDIENCE
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.token_keys import KEYS_PATH
from tests.unit.servers import api_of

Json = dict[str, Any]
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

BOUND: Json = {
    "namespace": "ward",
    "node": {"name": "brest-1", "uid": "uid-of-brest-1"},
    "pod": {"name": "web", "uid": "uid-of-web"},
    "serviceaccount": {"name": "records", "uid": "uid-of-records"},
}
"""The private claims of a token that a kubelet gets for a pod."""


@cache
def key(name: str) -> Key:
    """Return the key of this name, the same for each call. One that begins with ``ec`` is on an elliptic curve."""
    return ec.generate_private_key(ec.SECP256R1()) if name.startswith("ec") else rsa.generate_private_key(65537, 2048)


def published(name: str) -> Json:
    """Return a key as API servers publish it."""
    public = key(name).public_key()
    if isinstance(public, rsa.RSAPublicKey):
        form, algorithm = jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True), "RS256"
    else:
        form, algorithm = jwt.algorithms.ECAlgorithm.to_jwk(public, as_dict=True), "ES256"
    # Published keys say what they are for, but not that they verify.
    return {"kid": name, "alg": algorithm, "use": "sig"} | {k: v for k, v in form.items() if k != "key_ops"}


def claims(bound: Json | None = BOUND, **changes: Any) -> Json:
    """Return the claims of a token for the signer, bound to a pod. A value of None leaves one out."""
    now = int(time.time())
    given = {"aud": [SIGNER_AUDIENCE], "exp": now + 3600, "iat": now, "nbf": now, "kubernetes.io": bound} | changes
    return {name: value for name, value in given.items() if value is not None}


def token(name: str = "first", /, *, signed_with: str = "", header: Json | None = None, **changes: Any) -> str:
    """Return a token that names the key of this name, and is signed with it or another one."""
    algorithm = "ES256" if (signed_with or name).startswith("ec") else "RS256"
    return jwt.encode(claims(**changes), key(signed_with or name), algorithm, {"kid": name} | (header or {}))


def accepted(*, extra: Json | None = None, bound: Json = BOUND, **changes: Any) -> Json:
    """Return the status of a TokenReview that accepts a token for the signer."""
    account, pod, node = bound["serviceaccount"], bound["pod"], bound["node"]
    facts = {"pod-name": pod["name"], "pod-uid": pod["uid"], "node-name": node["name"], "node-uid": node["uid"]}
    listed = {fact: [value] for fact, value in facts.items()} | (extra or {})
    user = {
        "username": f"system:serviceaccount:{bound['namespace']}:{account['name']}",
        "uid": account["uid"],
        "extra": {f"authentication.kubernetes.io/{fact}": values for fact, values in listed.items()},
    }
    return {"authenticated": True, "audiences": [SIGNER_AUDIENCE], "user": user} | changes


class ApiServer:
    """An API server with one key, and no objects."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        """How often each was asked for: a method and the last part of a path, such as ``POST tokenreviews``."""
        self.keys: list[Json] = [published("first")]
        self.failing: set[str] = set()
        """What is answered with 500, named as in ``asked``."""
        self.review: Json = {"authenticated": False, "error": "no token of mine"}
        """The status of each TokenReview, but for these."""
        self.reviews: dict[str, Json] = {}
        """By token, the status of its TokenReview."""
        self.reviewed: list[Json] = []
        """The spec of each TokenReview."""
        self.allowed: set[tuple[str, str]] = set()
        """What SubjectAccessReviews allow: verbs and names."""
        self.objects: dict[str, Json] = {}
        """By path."""
        self.written: list[tuple[str, Json]] = []
        """Path and body of each object that was written, or of its patch."""

    async def _answer(self, request: web.Request) -> web.Response:
        what = f"{request.method} {request.path.rpartition('/')[2]}"
        self.asked[what] += 1
        if what in self.failing:
            return web.json_response({"message": "out of order"}, status=500)
        if request.method == "GET":
            found = {"keys": self.keys} if request.path == KEYS_PATH else self.objects.get(request.path)
            return web.json_response(found or {"message": "not found"}, status=200 if found else 404)
        # Server-side apply sends JSON, which is YAML as well.
        body: Json = json.loads(await request.text())
        if what == "POST tokenreviews":
            self.reviewed.append(body["spec"])
            return web.json_response(body | {"status": self.reviews.get(body["spec"]["token"], self.review)})
        if what == "POST subjectaccessreviews":
            wanted = body["spec"]["resourceAttributes"]
            return web.json_response(body | {"status": {"allowed": (wanted["verb"], wanted["name"]) in self.allowed}})
        self.written.append((request.path, body))
        return web.json_response(body)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Api]:
        """Serve within the context, and give a client."""
        async with api_of(web.route("*", "/{path:.*}", self._answer)) as api:
            yield api


class _AheadLoop(asyncio.SelectorEventLoop):
    """A loop whose clock a test may move on. What is sent over sockets takes the time that it takes."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on a loop whose clock may be moved on."""
    with asyncio.Runner(loop_factory=_AheadLoop) as runner:
        runner.run(coroutine)


def move_on(seconds: float) -> None:
    """Move on the clock of the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _AheadLoop)
    loop.ahead += seconds


@contextmanager
def asked_for(server: ApiServer, **numbers: int) -> Iterator[None]:
    """Check how many requests are sent within the context, by the last part of their path; none but these."""
    before = server.asked.copy()
    yield
    found = Counter(what.rpartition(" ")[2] for what in (server.asked - before).elements())
    assert found == numbers
