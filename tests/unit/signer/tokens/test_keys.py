"""Which tokens are refused by their text alone, and how often keys are read: nothing here costs a TokenReview."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sovereign_operator.core.names import SIGNER_AUDIENCE
from sovereign_operator.kube.client.errors import UnavailableError
from sovereign_operator.signer.tokens.keys import (
    LEEWAY_SECONDS,
    READ_SECONDS,
    BoundPod,
    InvalidTokenError,
    TokenKeys,
)
from tests.unit.signer.tokens.api_server import (
    BOUND,
    ApiServer,
    Json,
    asked_for,
    claims,
    key,
    move_on,
    published,
    run,
    token,
)

WEB = BoundPod("ward", "records", "web", "uid-of-web", "brest-1")
FAR = LEEWAY_SECONDS + 60


def with_keys(server: ApiServer, do: Callable[[TokenKeys], Awaitable[None]]) -> None:
    """Do something with the keys of an API server. It is asked for nothing else."""

    async def main() -> None:
        async with server.serve() as api:
            await do(TokenKeys(api))
        assert server.asked.keys() <= {"GET jwks"}

    run(main())


async def refused(keys: TokenKeys, text: str) -> str:
    """Return why a token is not accepted."""
    with pytest.raises(InvalidTokenError) as error:
        await keys.verify(text)
    return str(error.value)


def part(value: Any) -> str:
    """Return a part of a token."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def spoiled(text: str) -> str:
    """Return a token with another signature."""
    head, body, signature = text.split(".")
    return f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def exchanged(text: str, **changes: Any) -> str:
    """Return a token with other claims, and the signature that it had."""
    head, _, signature = text.split(".")
    return f"{head}.{part(claims(**changes))}.{signature}"


def by_public_key() -> str:
    """Return a token that is signed with a public key, as if that were a secret."""
    secret = key("first").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body = part({"alg": "HS256", "typ": "JWT", "kid": "first"}), part(claims())
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        f"{head}.{body}".encode(), secret
    )
    return f"{head}.{body}.{part(signature)}"


NOW = int(time.time())
REFUSED: dict[str, str] = {
    "signed with another key": token(signed_with="mine"),
    "a spoiled signature": spoiled(token()),
    "other claims": exchanged(token(), exp=NOW + 100),
    "no signature": ".".join((*token().split(".")[:2], "")),
    "alg none": f"{part({'alg': 'none', 'kid': 'first'})}.{part(claims())}.",
    "alg none with a signature": f"{part({'alg': 'none', 'kid': 'first'})}.{part(claims())}.{token().split('.')[2]}",
    "HS256 with the public key as secret": by_public_key(),
    "no key is named": token(header={"kid": ""}),
    "the header names no kid": f"{part({'alg': 'RS256'})}.{'.'.join(token().split('.')[1:])}",
    "kid is a number": f"{part({'alg': 'RS256', 'kid': 1})}.{'.'.join(token().split('.')[1:])}",
    "a key that there is not": token("mine"),
    "an unknown critical header": token(header={"crit": ["mine"], "mine": 1}),
    "expired": token(exp=NOW - FAR),
    "without an end": token(exp=None),
    "an end that is no number": token(exp="tomorrow"),
    "not yet valid": token(nbf=NOW + 3600),
    "issued in the future": token(iat=NOW + 3600),
    "aud as a string": token(aud=SIGNER_AUDIENCE),
    "a second audience": token(aud=[SIGNER_AUDIENCE, "https://kubernetes.default.svc"]),
    "our audience as the second": token(aud=["https://kubernetes.default.svc", SIGNER_AUDIENCE]),
    "another audience": token(aud=["https://vault.example.org"]),
    "no audience": token(aud=None),
    "no audience in a list": token(aud=[]),
    "bound to nothing": token(bound=None),
    "bound to no pod": token(bound={k: v for k, v in BOUND.items() if k != "pod"}),
    "bound to no node": token(bound={k: v for k, v in BOUND.items() if k != "node"}),
    "a pod without uid": token(bound=BOUND | {"pod": {"name": "web"}}),
    "nothing": "",
    "words": "no token",
    "three letters": "a.b.c",
    "a deep header": part(b"[" * 5000) + ".e30.e30",
    "a long number": part(b'{"kid": ' + b"1" * 5000 + b"}") + ".e30.e30",
    "bytes that are no text": "\udcff.e30.e30",
    "a megabyte": "x" * 2**20,
    "a megabyte of claims": exchanged(token(), padding="x" * 2**20),
}


def test_the_token_of_a_kubelet_counts() -> None:
    server = ApiServer()
    server.keys.append(published("ec"))

    async def do(keys: TokenKeys) -> None:
        assert await keys.verify(token()) == WEB
        assert await keys.verify(token("ec")) == WEB

    with_keys(server, do)


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_others_do_not(text: str) -> None:
    async def do(keys: TokenKeys) -> None:
        assert await refused(keys, text)
        # It spoils nothing for others.
        assert await keys.verify(token()) == WEB

    with_keys(ApiServer(), do)


def test_clocks_may_differ_a_little() -> None:
    """The API server, whose clock counts, checks the time again."""
    near = LEEWAY_SECONDS - 20

    async def do(keys: TokenKeys) -> None:
        now = int(time.time())
        assert await keys.verify(token(exp=now - near)) == WEB
        assert await keys.verify(token(nbf=now + near, iat=now + near)) == WEB

    with_keys(ApiServer(), do)


def test_a_secret_that_is_published_signs_nothing() -> None:
    """Whoever reads it could sign with it."""
    secret = b"0123456789abcdef0123456789abcdef"
    server = ApiServer()
    server.keys.append({"kty": "oct", "kid": "shared", "alg": "HS256", "k": part(secret)})

    async def do(keys: TokenKeys) -> None:
        assert "alg" in await refused(keys, jwt.encode(claims(), secret, "HS256", {"kid": "shared"}))

    with_keys(server, do)


def test_each_key_signs_for_its_own_name_alone() -> None:
    server = ApiServer()
    server.keys.append(published("second"))

    async def do(keys: TokenKeys) -> None:
        assert await keys.verify(token("second")) == WEB
        assert "Signature" in await refused(keys, token("second", signed_with="first"))
        assert "Signature" in await refused(keys, token("first", signed_with="second"))

    with_keys(server, do)


def test_keys_without_a_name_listed_twice_or_of_another_kind_keep_no_other_from_counting() -> None:
    server = ApiServer()
    nameless = published("nameless")
    del nameless["kid"]
    odd: list[Any] = [nameless, "no key", {"kty": "of another kind", "kid": "odd"}]
    server.keys = [*odd, published("first"), *odd, published("first")]

    async def do(keys: TokenKeys) -> None:
        assert await keys.verify(token()) == WEB
        assert await refused(keys, token("nameless"))
        assert await refused(keys, token("nameless", header={"kid": ""}))

    with_keys(server, do)


def test_keys_are_read_once_for_all_that_ask_at_once() -> None:
    server = ApiServer()

    async def do(keys: TokenKeys) -> None:
        with asked_for(server, jwks=1):
            found = await asyncio.gather(*(keys.verify(token()) for _ in range(50)))
        assert set(found) == {WEB}
        move_on(10 * READ_SECONDS)
        # They are read no more as long as they have the key that a token names.
        with asked_for(server):
            await keys.verify(token())

    with_keys(server, do)


def test_made_up_keys_have_them_read_every_ten_seconds_at_most() -> None:
    server = ApiServer()

    async def flood(keys: TokenKeys) -> None:
        await asyncio.gather(*(refused(keys, token("mine", header={"kid": f"mine-{number}"})) for number in range(20)))

    async def do(keys: TokenKeys) -> None:
        for reads in (1, 1, 1):
            with asked_for(server, jwks=reads):
                await flood(keys)
            move_on(READ_SECONDS / 2)
            with asked_for(server):
                await flood(keys)
                assert await keys.verify(token()) == WEB
            move_on(READ_SECONDS / 2)

    with_keys(server, do)


def test_a_new_key_counts_as_soon_as_a_token_names_it() -> None:
    """An API server that is given a new key lists the former one beside it, until its tokens have ended."""
    server = ApiServer()

    async def do(keys: TokenKeys) -> None:
        assert await keys.verify(token()) == WEB
        server.keys.append(published("second"))
        move_on(READ_SECONDS)
        with asked_for(server, jwks=1):
            assert await keys.verify(token("second")) == WEB
            assert await keys.verify(token()) == WEB
        # Once the former one is not listed any more, it is forgotten with the next reading.
        server.keys = [published("second"), published("third")]
        move_on(READ_SECONDS)
        assert await keys.verify(token("third")) == WEB
        assert "no API server" in await refused(keys, token())

    with_keys(server, do)


UNREADABLE: dict[str, Json] = {
    "it fails": {"failing": {"GET jwks"}},
    "none are published": {"keys": []},
    "none can be used": {"keys": [{"kty": "of another kind", "kid": "first"}]},
}


@pytest.mark.parametrize("how", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_without_keys_no_token_is_called_bad(how: Json) -> None:
    """A sidecar whose token is good has to wait, however often it asks."""
    server = ApiServer()
    good = vars(server).copy()
    vars(server).update(how)

    async def do(keys: TokenKeys) -> None:
        with asked_for(server, jwks=1):
            for _ in range(3):
                with pytest.raises(UnavailableError, match=r"keys of tokens \(/openid/v1/jwks\) cannot be read"):
                    await keys.verify(token())
        vars(server).update({name: good[name] for name in how})
        move_on(READ_SECONDS)
        assert await keys.verify(token()) == WEB
        assert "no API server" in await refused(keys, token("mine"))
        # Keys that were read count on while they cannot be read again, and others get the reason.
        vars(server).update(how)
        move_on(READ_SECONDS)
        with pytest.raises(UnavailableError):
            await keys.verify(token("second"))
        assert await keys.verify(token()) == WEB

    with_keys(server, do)
