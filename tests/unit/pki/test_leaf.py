from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.placement.calendar import NEVER
from sovereign_operator.pki import certificates, leaf, spiffe
from sovereign_operator.pki.authority import Authority
from tests.certificates import (
    ALLOWED_KEYS,
    DAY,
    DNS_LABELS,
    DNS_NAMES,
    END,
    INSTANTS,
    NOW,
    OTHER_KEYS,
    TRUST_DOMAIN,
    TRUST_DOMAINS,
    WORKLOAD,
    make,
    private_key,
    remake,
    uris,
)
from tests.pki.svid import leaf_faults

OURS = make()


def issue(
    kind: str = "p256", authority: Authority = OURS, spiffe_id: str = WORKLOAD, **changes: Any
) -> x509.Certificate:
    given: dict[str, Any] = {"serial": 1, "not_before": NOW, "not_after": NOW + DAY} | changes
    return x509.load_pem_x509_certificate(leaf.issue(authority, private_key(kind).public_key(), spiffe_id, **given))


@pytest.mark.parametrize("kind", ALLOWED_KEYS)
def test_a_leaf_says_who_its_holder_is_and_no_more(kind: str) -> None:
    made = issue(kind, serial=7)
    key = private_key(kind).public_key()
    bits = ["digital_signature", "key_encipherment"] if kind.startswith("rsa") else ["digital_signature"]
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    own = certificates.find(OURS.certificate, x509.SubjectKeyIdentifier)
    assert own
    assert {(entry.value, entry.critical) for entry in made.extensions} == {
        (uris(WORKLOAD), True),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (certificates.usage(*bits), True),
        (x509.ExtendedKeyUsage(purposes), False),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        (x509.AuthorityKeyIdentifier(own.digest, None, None), False),
    }
    assert made.subject == x509.Name([])
    assert made.issuer == OURS.certificate.subject
    assert made.public_key() == key
    assert made.serial_number == 7
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (NOW, NOW + DAY)
    assert not leaf_faults(made)
    made.verify_directly_issued_by(OURS.certificate)


@given(TRUST_DOMAINS, DNS_LABELS, DNS_NAMES, INSTANTS, st.timedeltas(timedelta(seconds=1), timedelta(days=3650)))
def test_whatever_its_names_and_dates_a_leaf_is_sound(
    trust_domain: str, namespace: str, account: str, begin: Any, lifetime: timedelta
) -> None:
    authority = make(trust_domain=trust_domain, not_before=begin, not_after=begin + lifetime)
    spiffe_id = spiffe.workload_id(trust_domain, namespace, account)
    made = issue(
        authority=authority,
        spiffe_id=spiffe_id,
        serial=leaf.serial_for("uid", authority),
        not_before=begin,
        not_after=begin + lifetime,
    )
    assert made.not_valid_after_utc == authority.certificate.not_valid_after_utc
    assert made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == uris(spiffe_id)
    assert not leaf_faults(made)


def test_a_leaf_is_alone_in_its_pem() -> None:
    pem = leaf.issue(OURS, private_key("p256").public_key(), WORKLOAD, serial=1, not_before=NOW, not_after=END)
    assert pem.count(b"-----BEGIN ") == 1
    assert pem.startswith(b"-----BEGIN CERTIFICATE-----\n")


@pytest.mark.parametrize("kind", OTHER_KEYS)
def test_other_keys_are_refused_with_those_that_are_allowed(kind: str) -> None:
    with pytest.raises(ValueError, match="P-256, P-384 or P-521, RSA of 3072 to 4096 bits, or Ed25519"):
        issue(kind)


def test_a_leaf_never_outlives_its_authority() -> None:
    assert issue(not_after=END + timedelta(microseconds=999999)).not_valid_after_utc == END
    with pytest.raises(ValueError, match="let it end at 2031-01-01T00:00:00"):
        issue(not_after=END + timedelta(seconds=1))
    endless = make(not_after=NEVER)
    assert issue(authority=endless, not_after=NEVER).not_valid_after_utc == NEVER.replace(microsecond=0)


@pytest.mark.parametrize(
    ("spiffe_id", "advice"),
    [
        ("spiffe://other.example.org/ns/a/sa/b", "use the authority of other.example.org"),
        (f"spiffe://a.{TRUST_DOMAIN}/ns/a/sa/b", f"use the authority of a.{TRUST_DOMAIN}"),
        (f"spiffe://{TRUST_DOMAIN}", "add the path of a workload"),
        (f"spiffe://{TRUST_DOMAIN}/", "path segment ''"),
        (f"https://{TRUST_DOMAIN}/ns/a/sa/b", "is no SPIFFE ID"),
        (f"spiffe://{TRUST_DOMAIN}/ns/a/../b", "not only one or two dots"),
    ],
)
def test_an_id_that_its_authority_does_not_vouch_for_is_refused(spiffe_id: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        issue(spiffe_id=spiffe_id)


def test_an_authority_that_leaves_cannot_name_issues_none() -> None:
    nameless = remake(OURS.certificate, OURS.key, without=[x509.SubjectKeyIdentifier])
    with pytest.raises(ValueError, match="no subject key identifier"):
        issue(authority=Authority(nameless, OURS.key))


@pytest.mark.parametrize("serial", [-1, 0, 2**159])
def test_a_bad_serial_is_refused(serial: int) -> None:
    with pytest.raises(ValueError, match="serial number"):
        issue(serial=serial)


SUCCESSOR = make(number="2")


@given(st.text(), st.text())
def test_serials_follow_request_and_authority(one: str, other: str) -> None:
    serial = leaf.serial_for(one, OURS)
    assert 0 < serial < 2**159
    assert serial == leaf.serial_for(one, Authority.read(OURS.certificate_pem, OURS.key_pem))
    assert serial != leaf.serial_for(one, SUCCESSOR)
    assert (serial == leaf.serial_for(other, OURS)) == (one == other)


def request(kind: str) -> bytes:
    key = private_key(kind)
    unhashed = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    made = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(key, None if unhashed else hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("kind", ALLOWED_KEYS)
def test_a_request_proves_that_its_sender_holds_the_key(kind: str) -> None:
    assert leaf.public_key_of(request(kind)) == private_key(kind).public_key()


@pytest.mark.parametrize("kind", ["p256", "rsa3072", "ed25519"])
def test_a_request_for_somebody_elses_key_is_refused(kind: str) -> None:
    der = bytearray(request(kind))
    der[-1] ^= 1
    with pytest.raises(ValueError, match="sign it with the key that is to be certified"):
        leaf.public_key_of(bytes(der))


REQUEST = request("p256")


@given(st.integers(0, len(REQUEST) - 1), st.integers(1, 255))
def test_a_request_with_any_byte_changed_proves_no_other_key(place: int, change: int) -> None:
    der = bytearray(REQUEST)
    der[place] ^= change
    try:
        key = leaf.public_key_of(bytes(der))
    except ValueError:
        return
    assert key == private_key("p256").public_key()


@given(st.binary(max_size=300))
def test_garbage_is_no_request(garbage: bytes) -> None:
    with pytest.raises(ValueError, match="send what the kubelet makes"):
        leaf.public_key_of(garbage)
