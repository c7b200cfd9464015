"""When the namespace of the keys is empty, the signer waits for the word of somebody who may replace the keys."""

from datetime import datetime, timedelta

import pytest

from sovereign_operator.core import names
from sovereign_operator.core.identity.retirement import State, why_frozen
from sovereign_operator.core.report.conditions import timestamp
from sovereign_operator.core.sidecar.contract import SIGNER_ADDRESSES, SIGNER_CA, TRUSTED
from sovereign_operator.pki import bundle
from sovereign_operator.runtime.trust_configs import trust_config_body
from sovereign_operator.signer.state import SignerState
from tests.certificates import make
from tests.unit import states
from tests.unit.states import Json

OWN = states.REPLICA.namespace
KEYS = states.SIGNER_SETTINGS.keys_namespace
TRUSTED_CA = make("hds", "gra")
NO = bundle.nobody(
    "example.org", TRUSTED_CA.certificate.not_valid_before_utc, TRUSTED_CA.certificate.not_valid_after_utc
)


def observed(pem: str, *, in_record: bool) -> SignerState:
    """Return the state of a signer whose store is empty. The policy hds trusts ``pem``, in one form of its bundle."""
    state = states.signer({})
    assert state.trust
    record = trust_config_body("hds", OWN, {TRUSTED: pem, SIGNER_CA: "-", SIGNER_ADDRESSES: "{}"})
    record["metadata"]["resourceVersion"] = "1"
    metadata = {
        "name": names.trust_bundle("hds"),
        "resourceVersion": "1",
        "labels": {names.TRUST_BUNDLE_LABEL: "hds"},
    }
    _, records = state.trust.mirrors
    states.show(records, [record] if in_record else [])
    states.show(state.bundles, [] if in_record else [{"metadata": metadata, "spec": {"trustBundle": pem}}])
    return state


def says(state: SignerState) -> str:
    """Return why the signer changes nothing."""
    held = state.held()
    return why_frozen(
        state.facts(),
        {name: entry.state for name, entry in held.items()},
        awaited=frozenset(),
        gone=(),
        trusted_since=state.trusted_since,
        told={name: entry.told for name, entry in held.items() if entry.told},
        keys_namespace=KEYS,
    )


BEGAN = TRUSTED_CA.certificate.not_valid_before_utc
A_MOMENT = timedelta(seconds=1)


def told(when: datetime) -> Json:
    """Return the Secret with which an admin said that the keys are lost."""
    metadata = {
        "name": "keys-are-lost",
        "namespace": KEYS,
        "resourceVersion": "1",
        "creationTimestamp": timestamp(when),
        "labels": {names.AUTHORITY_LABEL: State.LOST.value},
    }
    return {"type": "Opaque", "metadata": metadata}


@pytest.mark.parametrize("in_record", [True, False], ids=["a trust ConfigMap", "a ClusterTrustBundle"])
def test_whichever_form_names_an_authority_it_takes_the_word_of_an_admin_and_no_more(*, in_record: bool) -> None:
    state = observed(TRUSTED_CA.certificate_pem.decode(), in_record=in_record)
    assert "holds no key at all, but pods trust some" in says(state)
    states.show(state.secrets, [told(BEGAN + A_MOMENT)])
    assert not says(state)


@pytest.mark.parametrize("in_record", [True, False], ids=["a trust ConfigMap", "a ClusterTrustBundle"])
def test_a_word_from_before_these_authorities_says_nothing_of_them(*, in_record: bool) -> None:
    """An admin may have forgotten it there, and then the keys are gone once more."""
    state = observed(TRUSTED_CA.certificate_pem.decode(), in_record=in_record)
    states.show(state.secrets, [told(BEGAN - A_MOMENT)])
    assert "delete keys-are-lost first" in says(state)


@pytest.mark.parametrize("in_record", [True, False], ids=["a trust ConfigMap", "a ClusterTrustBundle"])
def test_nothing_waits_where_nobody_is_trusted(*, in_record: bool) -> None:
    assert not says(observed(bundle.write([NO]), in_record=in_record))


def test_the_word_counts_in_the_namespace_of_the_keys_alone() -> None:
    """Whoever may write Secrets anywhere else has no power over the keys."""
    assert states.signer({}).secrets.name == f"secrets in {KEYS}"
