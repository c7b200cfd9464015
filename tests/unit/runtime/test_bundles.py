"""To which pair an authority in a trust bundle belongs: the signer's annotation overrides the certificate."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.pki import bundle, certificates
from sovereign_operator.runtime.bundles import ObservedBundle, see_bundle, write_pairs
from tests.certificates import BEGIN, END, TRUST_DOMAIN, make, remake

MADE = make("hds", "lyon").certificate
_OTHER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Key ceremony of the hospital")])
BROUGHT = remake(MADE, make().key, subject=_OTHER, issuer=_OTHER)
NOBODY = bundle.nobody(TRUST_DOMAIN, BEGIN, END)
PAIRS = {certificates.fingerprint(BROUGHT): Pair("hds", "brest")}


def see(annotation: str | None, *authorities: x509.Certificate) -> ObservedBundle:
    """Return the observed form of a bundle."""
    metadata: dict[str, Any] = {
        "name": names.trust_bundle("hds"),
        "labels": {names.TRUST_BUNDLE_LABEL: "hds"},
        "resourceVersion": "1",
    }
    if annotation is not None:
        metadata["annotations"] = {names.AUTHORITIES_ANNOTATION: annotation}
    seen = see_bundle({"metadata": metadata, "spec": {"trustBundle": bundle.write(authorities)}})
    assert seen is not None
    return seen


def pairs(seen: ObservedBundle) -> set[tuple[str | None, str | None]]:
    """Return the pairs of the authorities in a bundle."""
    return {(anchor.policy, anchor.datacentre) for anchor in seen.anchors}


def test_one_that_was_brought_is_of_the_pair_that_the_signer_says() -> None:
    seen = see(write_pairs(PAIRS), BROUGHT, MADE)
    assert pairs(seen) == {("hds", "brest"), ("hds", "lyon")}
    assert seen.pairs == write_pairs(PAIRS)


def test_the_signer_knows_better_than_the_certificate() -> None:
    seen = see(write_pairs({certificates.fingerprint(MADE): Pair("hds", "brest")}), MADE)
    assert pairs(seen) == {("hds", "brest")}


@pytest.mark.parametrize("annotation", [None, "", "nonsense", "\n \n", "of too many words", "{}"])
def test_what_nobody_says_is_not_known(annotation: str | None) -> None:
    assert pairs(see(annotation, BROUGHT, MADE, NOBODY)) == {(None, None), ("hds", "lyon")}


def test_the_same_is_written_for_the_same() -> None:
    more = PAIRS | {"0" * 64: Pair("hds", "paris")}
    assert write_pairs(more) == write_pairs(dict(reversed(more.items())))
    assert write_pairs({}) == ""
