"""What the signer answers sidecars, and what each request costs the API server."""

import asyncio
import logging
from collections import Counter

import pytest

from sovereign_operator.core.names import CERTIFICATE_ANNOTATION
from sovereign_operator.pki import certificates
from sovereign_operator.signer.fair_share import POD_BURST
from sovereign_operator.signer.tokens.endpoint import LARGEST_BODY
from sovereign_operator.signer.tokens.keys import READ_SECONDS
from tests.unit.signer.tokens.api_server import Json, accepted, asked_for, move_on, published, token
from tests.unit.signer.tokens.asking import (
    AUTHORITY,
    FAR,
    NEIGHBOUR,
    WEB,
    Sidecar,
    Signer,
    Ward,
    chain_of,
    raw,
    with_signer,
)

FORGED = token(signed_with="mine", bound=WEB.bound)
"""Names the key of the API server, and a pod that is there."""


def test_a_pod_gets_a_certificate_and_it_is_noted_on_the_pod() -> None:
    ward = Ward()

    async def do(signer: Signer) -> None:
        with asked_for(
            ward, jwks=1, tokenreviews=1, subjectaccessreviews=2, web=2, records=1, ward=1, **{"brest-1": 1}
        ):
            answered = await signer.ask(WEB, ward.token_of(WEB))
        (leaf,) = certificates.read(chain_of(answered))
        leaf.verify_directly_issued_by(AUTHORITY.certificate)
        assert answered.body["refreshInSeconds"] > 3600
        (noted,) = ward.noted
        assert noted["uid"] == "uid-of-web"
        assert f"serial {leaf.serial_number:x}" in noted["annotations"][CERTIFICATE_ANNOTATION]

    with_signer(ward, do)


def test_a_certificate_that_cannot_be_noted_is_not_handed_out() -> None:
    ward = Ward()
    ward.failing.add("PATCH web")

    async def do(signer: Signer) -> None:
        answered = await signer.ask(WEB, ward.token_of(WEB))
        assert (answered.status, answered.body["reason"]) == (503, "Unavailable")
        assert "certificateChain" not in answered.body

    with_signer(ward, do)


def test_a_forged_token_costs_no_token_review() -> None:
    ward = Ward()
    ward.review = accepted()

    async def do(signer: Signer) -> None:
        with asked_for(ward, jwks=1):
            for _ in range(20):
                answered = await signer.ask(WEB, FORGED)
                assert (answered.status, answered.body["reason"]) == (401, "InvalidToken")

    with_signer(ward, do)


def test_a_forged_token_takes_nothing_from_the_pod_that_it_names() -> None:
    ward = Ward()

    async def do(signer: Signer) -> None:
        for _ in range(3 * int(POD_BURST)):
            assert (await signer.ask(NEIGHBOUR, FORGED)).status == 401
        assert (await signer.ask(WEB, ward.token_of(WEB))).status == 200

    with_signer(ward, do)


ANSWERS: dict[str, Json] = {
    "it knows no audiences": {"authenticated": True, "user": accepted()["user"]},
    "for another audience": accepted(audiences=["https://kubernetes.default.svc"]),
    "refused": {"authenticated": False, "error": "Token has been invalidated"},
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_token_that_the_api_server_does_not_accept_for_the_signer_gets_nothing(answer: Json) -> None:
    ward = Ward()
    ward.review = answer

    async def do(signer: Signer) -> None:
        with asked_for(ward, jwks=1, tokenreviews=1):
            answered = await signer.ask(WEB, WEB.token)
        assert (answered.status, answered.body["reason"]) == (401, "InvalidToken")
        assert not ward.written

    with_signer(ward, do)


def test_the_pod_that_the_api_server_names_counts() -> None:
    """Not the one in the text of the token, which is checked for what it costs alone."""
    ward = Ward(WEB, FAR)
    ward.review = accepted(bound=FAR.bound)

    async def do(signer: Signer) -> None:
        chain_of(await signer.ask(FAR, WEB.token))
        (noted,) = ward.noted
        assert noted["uid"] == "uid-of-far"

    with_signer(ward, do)


def test_a_token_that_is_signed_with_a_new_key_counts() -> None:
    ward = Ward()

    async def do(signer: Signer) -> None:
        chain_of(await signer.ask(WEB, ward.token_of(WEB)))
        ward.keys.append(published("second"))
        move_on(READ_SECONDS)
        ward.review = accepted()
        with_new = token("second", bound=WEB.bound)
        chain_of(await signer.ask(WEB, with_new))

    with_signer(ward, do)


def test_without_keys_a_sidecar_is_told_to_wait_and_nothing_is_issued() -> None:
    ward = Ward()
    ward.failing.add("GET jwks")

    async def do(signer: Signer) -> None:
        with asked_for(ward, jwks=1):
            for text in (ward.token_of(WEB), ward.token_of(WEB), FORGED):
                answered = await signer.ask(WEB, text)
                assert (answered.status, answered.body["reason"]) == (503, "Unavailable")
                assert int(answered.headers["Retry-After"]) >= 1
        ward.failing.clear()
        move_on(READ_SECONDS)
        chain_of(await signer.ask(WEB, ward.token_of(WEB)))

    with_signer(ward, do)


def test_an_api_server_that_reviews_nothing_has_sidecars_wait() -> None:
    ward = Ward()
    ward.failing.add("POST tokenreviews")

    async def do(signer: Signer) -> None:
        answered = await signer.ask(WEB, ward.token_of(WEB))
        assert (answered.status, answered.body["reason"]) == (503, "Unavailable")
        assert not ward.written

    with_signer(ward, do)


@pytest.mark.parametrize("check", [True, False], ids=["addresses count", "addresses do not count"])
def test_a_token_from_another_address_than_its_pods_waits_if_addresses_count(*, check: bool) -> None:
    ward = Ward()

    async def do(signer: Signer) -> None:
        answered = await signer.ask(NEIGHBOUR, ward.token_of(WEB))
        if check:
            assert (answered.status, answered.body["reason"]) == (503, "NotItsAddress")
            assert f"the request comes from {NEIGHBOUR.address}" in answered.body["message"]
            assert int(answered.headers["Retry-After"]) >= 1
            assert [body["reason"] for path, body in ward.written if path.endswith("/events")] == ["NotItsAddress"]
            assert not ward.noted
        else:
            chain_of(answered)
        chain_of(await signer.ask(WEB, ward.token_of(WEB)))

    with_signer(ward, do, check_address=check)


def test_what_is_denied_is_denied_for_good() -> None:
    ward = Ward()
    ended = WEB.pod
    ended["status"]["phase"] = "Succeeded"
    ward.objects["/api/v1/namespaces/ward/pods/web"] = ended

    async def do(signer: Signer) -> None:
        answered = await signer.ask(WEB, ward.token_of(WEB))
        assert (answered.status, answered.body["reason"]) == (403, "PodEnding")
        assert "Retry-After" not in answered.headers
        assert not ward.written

    with_signer(ward, do)


def test_a_body_that_is_no_request_is_denied() -> None:
    ward = Ward()

    async def do(signer: Signer) -> None:
        answered = await signer.ask(WEB, ward.token_of(WEB), b"no request")
        assert (answered.status, answered.body["reason"]) == (403, "UnsupportedKeyType")

    with_signer(ward, do)


def test_clients_have_their_turns_whatever_one_of_them_asks() -> None:
    """A pod has a burst of its own, and its neighbours on the node and others elsewhere have theirs."""
    ward = Ward(WEB, NEIGHBOUR, FAR)

    async def flood(signer: Signer, sidecar: Sidecar, number: int) -> Counter[int]:
        found = await asyncio.gather(*(signer.ask(sidecar, ward.token_of(sidecar)) for _ in range(number)))
        assert all(int(each.headers["Retry-After"]) >= 1 for each in found if each.status == 429)
        return Counter(each.status for each in found)

    async def do(signer: Signer) -> None:
        number = 3 * int(POD_BURST)
        flooding = await flood(signer, WEB, number)
        # Its pause costs the API server nothing.
        assert ward.asked["POST tokenreviews"] == flooding[200] < number
        assert flooding[200] >= POD_BURST
        assert flooding[200] + flooding[429] == number
        for sidecar in (NEIGHBOUR, FAR):
            assert await flood(signer, sidecar, 2) == {200: 2}
        # It is served again a while later.
        move_on(60)
        chain_of(await signer.ask(WEB, ward.token_of(WEB)))

    with_signer(ward, do)


def test_a_signer_that_has_only_just_started_has_sidecars_wait() -> None:
    ward = Ward()

    async def do(signer: Signer) -> None:
        with asked_for(ward, jwks=1):
            answered = await signer.ask(WEB, ward.token_of(WEB))
        assert (answered.status, answered.body["reason"]) == (503, "Starting")

    with_signer(ward, do, complete=False)


def test_what_is_too_large_or_has_no_length_is_not_even_read() -> None:
    ward = Ward()
    sized = raw(f"Bearer {ward.token_of(WEB)}".encode(), b"0\r\n\r\n")
    unsized = sized.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked")

    async def do(signer: Signer) -> None:
        with asked_for(ward):
            # Whoever is still sending when the connection ends may not see the answer.
            assert await signer.status_of(raw(b"Bearer " + b"x" * 2**20)) in {400, 0}
            assert (await signer.ask(WEB, ward.token_of(WEB), b"x" * (LARGEST_BODY + 1))).status == 413
            assert await signer.status_of(unsized) == 411
            # It is answered before its body comes.
            announced = sized.replace(b"Content-Length: 5", b"Content-Length: 1000000").removesuffix(b"0\r\n\r\n")
            assert await signer.status_of(announced) == 413

    with_signer(ward, do)


@pytest.mark.parametrize(
    "authorization",
    [b"Bearer \xff\xfe.e30.e30", b"Bearer e30.\xc3\xa9.e30", b"Bearer", b"Basic Og==", b"Bearer " + b"." * 6000],
    ids=["no text", "letters with accents", "nothing", "another scheme", "dots"],
)
def test_what_is_no_token_is_refused_and_causes_no_error(
    authorization: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    ward = Ward()

    async def do(signer: Signer) -> None:
        with asked_for(ward):
            for _ in range(50):
                assert await signer.status_of(raw(authorization)) == 401

    with_signer(ward, do)
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    assert len(caplog.records) <= 10
