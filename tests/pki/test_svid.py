"""Our certificates violate no sentence of the standards, and a violation of each sentence is detected."""

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from sovereign_operator.pki import bundle, leaf
from sovereign_operator.pki.certificates import usage
from tests.certificates import BEGIN, END, NOW, TRUST_DOMAIN, WORKLOAD, make, private_key, remake, uris
from tests.pki.svid import is_spiffe_id, leaf_faults, signing_faults

OURS = make()
LEAF = x509.load_pem_x509_certificate(
    leaf.issue(OURS, private_key("p256").public_key(), WORKLOAD, serial=1, not_before=NOW, not_after=END)
)


def test_ours_break_no_sentence() -> None:
    assert not leaf_faults(LEAF)
    assert not signing_faults(OURS.certificate)
    assert not signing_faults(bundle.nobody(TRUST_DOMAIN, BEGIN, END))


@pytest.mark.parametrize(
    ("extension", "critical", "sentence"),
    [
        (uris(WORKLOAD, WORKLOAD + "2"), True, "exactly one URI SAN"),
        (x509.SubjectAlternativeName([x509.DNSName("a")]), True, "exactly one URI SAN"),
        (uris(f"spiffe://{TRUST_DOMAIN}"), True, "non-root path"),
        (uris(WORKLOAD.upper()), True, "set to a SPIFFE ID"),
        (uris(WORKLOAD), False, "critical if Subject is omitted"),
        (x509.BasicConstraints(ca=True, path_length=None), True, "cA field to false"),
        (usage("key_agreement"), True, "MUST set digitalSignature"),
        (usage("digital_signature", "key_cert_sign"), True, "MUST NOT set keyCertSign or cRLSign"),
        (usage("digital_signature", "crl_sign"), True, "MUST NOT set keyCertSign or cRLSign"),
        (usage("digital_signature"), False, "marked critical"),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False, "id-kp-serverAuth and id-kp-clientAuth"),
    ],
)
def test_a_leaf_that_breaks_a_sentence_is_seen(extension: x509.ExtensionType, critical: bool, sentence: str) -> None:
    (fault,) = leaf_faults(remake(LEAF, OURS.key, (extension, critical)))
    assert sentence in fault


@pytest.mark.parametrize(
    ("extension", "critical", "sentence"),
    [
        (uris(f"spiffe://{TRUST_DOMAIN}/ca"), False, "MUST NOT have a path"),
        (uris("https://example.org"), False, "set to a SPIFFE ID"),
        (uris("spiffe://a", "spiffe://b"), False, "SHOULD itself be an SVID"),
        (x509.BasicConstraints(ca=False, path_length=None), True, "cA field to true"),
        (usage("crl_sign"), True, "MUST set keyCertSign"),
        (usage("key_cert_sign"), False, "marked critical"),
        (usage("key_cert_sign", "digital_signature"), True, "only if it is a leaf"),
    ],
)
def test_an_authority_that_breaks_a_sentence_is_seen(
    extension: x509.ExtensionType, critical: bool, sentence: str
) -> None:
    (fault,) = signing_faults(remake(OURS.certificate, OURS.key, (extension, critical)))
    assert sentence in fault


@pytest.mark.parametrize("kind", [x509.KeyUsage, x509.BasicConstraints, x509.SubjectAlternativeName])
def test_what_is_missing_is_seen(kind: type[x509.ExtensionType]) -> None:
    assert leaf_faults(remake(LEAF, OURS.key, without=[kind]))
    assert signing_faults(remake(OURS.certificate, OURS.key, without=[kind]))


def test_the_standards_examples_are_ids_and_others_are_not() -> None:
    assert is_spiffe_id("spiffe://staging.example.com/payments/web-fe")
    assert is_spiffe_id("spiffe://k8s-west.example.com/ns/staging/sa/default")
    assert is_spiffe_id("spiffe://example.com/9eebccd2-12bf-40a6-b262-65fe0487d453")
    wrong = (
        "spiffe://",
        "spiffe:///a",
        "spiffe://a/",
        "spiffe://a/../b",
        "spiffe://a:1/b",
        "spiffe://a/b?c",
        "http://a",
    )
    assert not any(is_spiffe_id(text) for text in wrong)
