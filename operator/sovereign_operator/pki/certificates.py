"""Reading certificates, for CAs, leaves and bundles."""

import hashlib
from collections.abc import Iterable
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from sovereign_operator.pki import spiffe

Extension = TypeVar("Extension", bound=x509.ExtensionType)

UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What cryptography raises for what it cannot read."""

_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def usage(*wanted: str) -> x509.KeyUsage:
    """Return a key usage of these bits alone."""
    return x509.KeyUsage(**{name: name in wanted for name in _USAGES})


def read(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Read all certificates from PEM, one at least, so that nothing in them fails later. Raises ValueError."""
    try:
        found = tuple(x509.load_pem_x509_certificates(pem))
        for certificate in found:
            _read_all(certificate)
    except UNREADABLE as error:
        raise ValueError(f"not certificates in PEM, put CERTIFICATE blocks there: {error}") from error
    return found


def write(found: Iterable[x509.Certificate]) -> bytes:
    """Return certificates as PEM."""
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in found)


def find(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    """Return the extension of this kind, if there is one."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the whole certificate, in hexadecimal."""
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def trust_domain(authority: x509.Certificate) -> str | None:
    """Return the trust domain that an authority's certificate names, if it names one and no more."""
    alternatives = find(authority, x509.SubjectAlternativeName)
    uris = alternatives.get_values_for_type(x509.UniformResourceIdentifier) if alternatives else []
    try:
        (uri,) = uris
        named = spiffe.trust_domain_of(uri)
        return named if uri == spiffe.authority_id(named) else None
    except ValueError:
        return None


def same_key(one: PublicKeyTypes, other: PublicKeyTypes) -> bool:
    """Whether two public keys are one, whatever implements them."""
    return encode_key(one) == encode_key(other)


def encode_key(key: PublicKeyTypes) -> bytes:
    """Return a public key as bytes that identify it."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _read_all(certificate: x509.Certificate) -> None:
    certificate.extensions  # noqa: B018 - cryptography parses extensions only on access
    certificate.subject  # noqa: B018
    certificate.issuer  # noqa: B018
    certificate.not_valid_before_utc  # noqa: B018
    certificate.not_valid_after_utc  # noqa: B018
    certificate.public_key()
