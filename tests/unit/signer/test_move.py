"""Which Secrets are deleted, and when, while keys move to their own namespace."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from sovereign_operator.core import names
from sovereign_operator.core.identity.retirement import State
from sovereign_operator.signer.key_store import see_held
from sovereign_operator.signer.move import copy_of, is_authority, is_copy, reads_former_namespace
from tests.certificates import make

AUTHORITY = make()
DATA = {"tls.crt": AUTHORITY.certificate_pem, "tls.key": AUTHORITY.key_pem}
NOTED = {
    names.AUTHORITY_POLICY_ANNOTATION: "secnumcloud",
    names.AUTHORITY_DATACENTRE_ANNOTATION: "brest",
    names.AUTHORITY_PUBLISHED_ANNOTATION: "2030-06-15T12:00:00Z",
}


def secret(state: State = State.ACTIVE, **data: bytes) -> Any:
    """Return a Secret with an authority."""
    entries = DATA | {key.replace("_", "."): value for key, value in data.items()}
    return {
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": "a",
            "uid": "u",
            "labels": {names.AUTHORITY_LABEL: state.value, "example.org/x": "y"},
            "annotations": NOTED | {"example.org/x": "y"},
        },
        "data": {key: base64.b64encode(value).decode() for key, value in entries.items()},
    }


@pytest.mark.parametrize("state", [State.ACTIVE, State.BROUGHT, State.WITHDRAWN])
def test_a_copy_is_the_same_authority_and_nothing_else(state: State) -> None:
    copy = copy_of(secret(state, other=b"x"))
    assert is_copy(copy, secret(state))
    held, former = see_held(copy), see_held(secret(state))
    assert replace(held, authority=None) == replace(former, authority=None)
    assert held.authority is not None
    assert set(copy["data"]) == set(DATA)
    assert set(copy["metadata"]["annotations"]) == set(NOTED)
    assert set(copy["metadata"]["labels"]) == {names.AUTHORITY_LABEL}


@pytest.mark.parametrize("state", State)
def test_authorities_move_but_not_the_word_that_they_are_lost(state: State) -> None:
    """Who may write Secrets beside the operator has no right to the store of keys."""
    assert is_authority(secret(state)) is (state is not State.LOST)
    other = secret(state)
    other["metadata"]["labels"][names.AUTHORITY_LABEL] = "Active"
    assert not is_authority(other)


def test_a_copy_that_was_retired_since_is_one() -> None:
    assert is_copy(secret(State.RETIRED, tls_key=b""), secret())


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(None, id="there is none"),
        pytest.param(secret(tls_key=b""), id="its key is gone"),
        pytest.param(secret(tls_key=make().key_pem), id="its key is another"),
        pytest.param(secret(tls_crt=make().certificate_pem), id="its certificate is another"),
        pytest.param(secret(State.RETIRED, tls_crt=make().certificate_pem, tls_key=b""), id="another was retired"),
    ],
)
def test_what_is_not_the_same_lets_nothing_go(other: Any) -> None:
    assert not is_copy(other, secret())


@pytest.mark.parametrize(
    ("arguments", "phase", "reads"),
    [
        (["--trust-domain=a"], "Running", True),
        (["--trust-domain=a"], "Pending", True),
        (["--trust-domain=a"], "Failed", False),
        (["--keys-namespace=k"], "Running", False),
    ],
)
def test_a_former_signer_keeps_its_keys_until_it_has_ended(arguments: list[str], phase: str, *, reads: bool) -> None:
    pod = {"spec": {"containers": [{"name": "signer", "args": arguments}]}, "status": {"phase": phase}}
    assert reads_former_namespace(pod) is reads
