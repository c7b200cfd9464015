"""What the signer asks the API server about a token, and which of its answers count."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from sovereign_operator.core.identity.request import Request
from sovereign_operator.core.names import SIGNER_AUDIENCE
from sovereign_operator.kube.client.errors import UnavailableError
from sovereign_operator.signer.tokens.keys import InvalidTokenError
from sovereign_operator.signer.tokens.review import review_token
from tests.unit.signer.tokens.api_server import ApiServer, Json, accepted, run

EXTRA = "authentication.kubernetes.io/"


def review(status: Json, check: Callable[[Request], None] | None, address: str | None = None) -> list[Json]:
    """Have a token reviewed by an API server that answers so, and check the request. Return what it was asked."""
    server = ApiServer()
    server.review = status

    async def main() -> None:
        async with server.serve() as api:
            if check:
                check(await review_token(api, "a.b.c", address))
            else:
                with pytest.raises(InvalidTokenError):
                    await review_token(api, "a.b.c", address)

    run(main())
    return server.reviewed


def without(extra: str) -> Json:
    """Return the answer about a token that lacks one of the facts beside the user's name."""
    status = accepted()
    del status["user"]["extra"][EXTRA + extra]
    return status


def test_the_request_is_that_of_the_pod_which_the_api_server_names() -> None:
    found: list[Request] = []
    asked = review(accepted(), found.append, "10.0.0.7")
    assert asked == [{"token": "a.b.c", "audiences": [SIGNER_AUDIENCE]}]
    (request,) = found
    assert request == Request(
        namespace="ward",
        name="",
        uid=request.uid,
        pod="web",
        pod_uid="uid-of-web",
        service_account="records",
        service_account_uid="uid-of-records",
        node="brest-1",
        node_uid="uid-of-brest-1",
        longest=timedelta(hours=24),
        address="10.0.0.7",
        by_token=True,
    )


def test_each_request_has_a_uid_of_its_own() -> None:
    """Serial numbers are made of it."""
    found: list[Request] = []
    for _ in range(2):
        review(accepted(), found.append)
    assert found[0].uid != found[1].uid
    assert found[0].address is None


REFUSED: dict[str, Json] = {
    "it is refused": {"authenticated": False, "error": "Token has been invalidated"},
    "no answer at all": {},
    "it does not know audiences": {"authenticated": True, "user": accepted()["user"]},
    "without audiences": accepted(audiences=[]),
    "audiences null": accepted(audiences=None),
    "for another audience": accepted(audiences=["https://kubernetes.default.svc"]),
    "refused, with our audience": accepted(authenticated=False),
    "without a pod": without("pod-name"),
    "without the pod's uid": without("pod-uid"),
    "without a node": without("node-name"),
    "without the node's uid": without("node-uid"),
    "two pods": accepted(extra={"pod-name": ["web", "other"]}),
    "nothing about the pod": accepted() | {"user": {"username": "system:serviceaccount:ward:records", "uid": "u"}},
    "extra null": accepted() | {"user": {"username": "system:serviceaccount:ward:records", "uid": "u", "extra": None}},
}


@pytest.mark.parametrize("status", REFUSED.values(), ids=REFUSED.keys())
def test_other_answers_do_not_count(status: Json) -> None:
    assert len(review(status, None)) == 1


def test_an_api_server_that_fails_is_no_refusal() -> None:
    server = ApiServer()
    server.failing.add("POST tokenreviews")

    async def main() -> None:
        async with server.serve() as api:
            with pytest.raises(UnavailableError):
                await review_token(api, "a.b.c", None)

    run(main())
