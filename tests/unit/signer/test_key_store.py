"""How the signer reads the Secrets of certificate authorities."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from sovereign_operator.core import names
from sovereign_operator.core.identity.retirement import State
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.signer.key_store import see_held
from tests.certificates import make

OURS = make()
PAIR = {names.AUTHORITY_POLICY_ANNOTATION: "secnumcloud", names.AUTHORITY_DATACENTRE_ANNOTATION: "brest"}


def secret(
    label: str, certificate: bytes = OURS.certificate_pem, key: bytes = OURS.key_pem, published: str = ""
) -> Any:
    """Return a Secret."""
    noted = {names.AUTHORITY_PUBLISHED_ANNOTATION: published} if published else {}
    data = {"tls.crt": certificate, "tls.key": key}
    return {
        "type": "kubernetes.io/tls",
        "metadata": {"name": "a", "labels": {names.AUTHORITY_LABEL: label}, "annotations": PAIR | noted},
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }


@pytest.mark.parametrize("label", ["active", "brought"])
def test_one_that_may_sign_has_certificate_and_key(label: str) -> None:
    held = see_held(secret(label, published="2030-06-15T12:00:00Z"))
    assert (held.pair, held.state) == (Pair("secnumcloud", "brest"), State(label))
    assert held.authority is not None
    assert held.certificate == OURS.certificate
    assert held.published is not None
    assert not held.problem


@pytest.mark.parametrize("label", ["retired", "nobody"])
def test_one_that_may_not_sign_has_its_certificate_alone(label: str) -> None:
    held = see_held(secret(label, key=b""))
    assert held.authority is None
    assert held.certificate == OURS.certificate
    assert not held.problem


def test_one_that_says_that_the_keys_are_lost_needs_no_more_than_its_label() -> None:
    metadata = {"name": "told", "labels": {names.AUTHORITY_LABEL: "lost"}, "creationTimestamp": "2030-06-15T12:00:00Z"}
    told = {"type": "Opaque", "metadata": metadata}
    held = see_held(told)
    assert (held.state, held.problem, held.authority, held.certificate) == (State.LOST, "", None, None)
    assert held.told == datetime(2030, 6, 15, 12, tzinfo=UTC)


FAULTS = {
    "a label with a typo": (secret("Active"), "use one of active, brought"),
    "an empty label": (secret(""), "use one of active, brought"),
    "a key that is none": (secret("active", key=b"key"), "not a private key in PEM"),
    "another's key": (secret("brought", key=make().key_pem), "key"),
    "no certificate": (secret("active", certificate=b""), "certificate"),
    "a date that is none": (secret("active", published="yesterday"), "yesterday"),
    "a token's Secret": (secret("brought") | {"type": "kubernetes.io/service-account-token"}, "make it one of type"),
    "no data at all": (
        {"type": "kubernetes.io/tls", "metadata": {"name": "a", "labels": {names.AUTHORITY_LABEL: "active"}}},
        "has no tls.crt",
    ),
}


@pytest.mark.parametrize(("obj", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_one_that_cannot_be_read_signs_nothing_and_says_why(obj: Any, said: str) -> None:
    held = see_held(obj)
    assert held.authority is None
    assert said in held.problem
