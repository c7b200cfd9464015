"""Authorities: what their certificates say, which keys they may have, and how they are written and read."""

import re
from datetime import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given

from sovereign_operator.core.placement.calendar import NEVER
from sovereign_operator.pki import certificates
from sovereign_operator.pki.authority import Authority, read_key
from tests.certificates import BEGIN, END, INSTANTS, NUMBERS, SHORT_DNS_NAMES, TRUST_DOMAINS, make, private_key, uris
from tests.pki.svid import signing_faults
from tests.unit.pki.authorities import OURS, check

BITS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


class Token(ec.EllipticCurvePrivateKey):
    """A key that stays in its device: it only signs and returns its public key. Anything else is an error."""

    def __init__(self, inside: ec.EllipticCurvePrivateKey) -> None:
        self._inside = inside

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        return self._inside.sign(data, signature_algorithm)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._inside.public_key()

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._inside.curve

    @property
    def key_size(self) -> int:
        raise NotImplementedError

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        raise NotImplementedError

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        raise NotImplementedError

    def private_bytes(self, *_: Any, **__: Any) -> bytes:
        raise NotImplementedError

    def __copy__(self) -> "Token":
        raise NotImplementedError

    def __deepcopy__(self, memo: dict[Any, Any]) -> "Token":
        raise NotImplementedError


@given(SHORT_DNS_NAMES, SHORT_DNS_NAMES, TRUST_DOMAINS, NUMBERS, INSTANTS)
def test_an_authority_says_whose_it_is_and_signs_for_one_trust_domain(
    policy: str, datacentre: str, trust_domain: str, number: str, begin: datetime
) -> None:
    made = make(policy, datacentre, number, trust_domain=trust_domain, not_before=begin, not_after=NEVER).certificate
    assert [(entry.oid, entry.value) for entry in made.subject] == [
        (NameOID.ORGANIZATION_NAME, "sovereignty.dev"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, policy),
        (NameOID.COMMON_NAME, datacentre),
        (NameOID.SERIAL_NUMBER, number),
    ]
    assert made.issuer == made.subject
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (
        begin.replace(microsecond=0),
        NEVER.replace(microsecond=0),
    )
    key = made.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key)
    assert {(entry.value, entry.critical) for entry in made.extensions} == {
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (certificates.usage("key_cert_sign", "crl_sign"), True),
        (uris(f"spiffe://{trust_domain}"), False),
        (identifier, False),
        (x509.AuthorityKeyIdentifier(identifier.digest, None, None), False),
    }
    assert not signing_faults(made)


def test_a_key_usage_has_the_bits_that_were_asked_for_alone() -> None:
    made = certificates.usage("key_cert_sign", "crl_sign")
    bits = {name: getattr(made, name) for name in BITS}
    assert bits == {name: name in {"key_cert_sign", "crl_sign"} for name in BITS}


def test_each_authority_has_its_own_key_on_p256_and_a_serial_that_nobody_guesses() -> None:
    made = [make() for _ in range(20)]
    keys = [authority.certificate.public_key() for authority in made]
    assert all(isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1" for key in keys)
    assert len({authority.certificate.serial_number for authority in made}) == len(made)
    assert len({authority.key.private_numbers().private_value for authority in made}) == len(made)
    assert 128 < max(authority.certificate.serial_number.bit_length() for authority in made) <= 159


@pytest.mark.parametrize("part", ["policy", "datacentre", "number"])
@pytest.mark.parametrize("value", ["", "x" * 65, "é", "a_b", "a@b", "a*b", "a\nb", "a\x00"])
def test_what_go_would_not_read_is_refused(part: str, value: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{part} {value!r}: use 1 to 64 letters")):
        make(**{part: value})


def test_names_may_be_as_long_as_x520_allows() -> None:
    assert make(policy="p" * 64, datacentre="d" * 64, number="n" * 64).certificate.subject


def test_a_bad_trust_domain_or_lifetime_is_refused() -> None:
    with pytest.raises(ValueError, match="trust domain 'A': use lower-case"):
        make(trust_domain="A")
    with pytest.raises(ValueError, match="not valid after"):
        make(not_before=END, not_after=BEGIN)


def test_an_authority_survives_pem() -> None:
    assert OURS.key_pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    again = Authority.read(OURS.certificate_pem, OURS.key_pem)
    assert again.certificate == OURS.certificate
    assert again.key.private_numbers() == OURS.key.private_numbers()


def test_an_authority_does_not_print_its_key() -> None:
    assert "key" not in repr(OURS).lower()


def pem_of(key: Any, encryption: Any = None) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    dumped = key.private_bytes(serialization.Encoding.PEM, form, encryption or serialization.NoEncryption())
    return bytes(dumped)


LOCKED = pem_of(OURS.key, serialization.BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize(
    ("certificate", "key", "advice"),
    [
        (b"", OURS.key_pem, "put CERTIFICATE blocks there"),
        (OURS.key_pem, OURS.key_pem, "put CERTIFICATE blocks there"),
        (OURS.certificate_pem[:200], OURS.key_pem, "put CERTIFICATE blocks there"),
        (OURS.certificate_pem * 2, OURS.key_pem, "there are 2 certificates: leave only that of the authority"),
        (OURS.certificate_pem, b"", "put a PKCS#8 key there"),
        (OURS.certificate_pem, OURS.certificate_pem, "put a PKCS#8 key there"),
        (OURS.certificate_pem, LOCKED, "without a password"),
        (OURS.certificate_pem, make().key_pem, "put those of one authority side by side"),
        (OURS.certificate_pem, pem_of(private_key("ed25519")), "use ECDSA"),
        (OURS.certificate_pem, pem_of(private_key("rsa3072")), "use ECDSA"),
        (OURS.certificate_pem, pem_of(private_key("p224")), "use ECDSA"),
    ],
)
def test_what_is_no_authority_is_refused_with_advice(certificate: bytes, key: bytes, advice: str) -> None:
    with pytest.raises(ValueError, match=re.escape(advice)):
        Authority.read(certificate, key)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521"])
def test_a_key_that_never_leaves_its_device_signs(kind: str) -> None:
    made = make(key=Token(private_key(kind)))
    made.certificate.verify_directly_issued_by(made.certificate)
    assert made.certificate.public_key() == private_key(kind).public_key()
    assert not check(made.certificate, made.key)


@pytest.mark.parametrize(("kind", "size"), [("p256", 32), ("p384", 48), ("p521", 64)])
def test_the_digest_is_as_strong_as_the_key(kind: str, size: int) -> None:
    used = make(key=private_key(kind)).certificate.signature_hash_algorithm
    assert used
    assert used.digest_size == size


@pytest.mark.parametrize("kind", ["p224", "k256"])
def test_a_key_that_tls_does_not_know_signs_nothing(kind: str) -> None:
    with pytest.raises(ValueError, match="use ECDSA"):
        make(key=private_key(kind))


@pytest.mark.parametrize("kind", ["p256", "rsa3072", "ed25519"])
def test_any_private_key_is_read(kind: str) -> None:
    assert read_key(pem_of(private_key(kind))).public_key() == private_key(kind).public_key()
