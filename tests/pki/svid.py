"""The SPIFFE standards, sentence by sentence (SPIFFE-ID and X509-SVID), written independently of our code.

Each function returns the sentences that a certificate violates, none if it is valid.
"""

import re
from collections.abc import Iterator
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

Extension = TypeVar("Extension", bound=x509.ExtensionType)


def is_spiffe_id(text: str) -> bool:
    """Return whether this is a SPIFFE ID: scheme, trust domain, and optionally a path of segments."""
    parts = re.fullmatch(r"spiffe://([a-z0-9._-]{1,255})((?:/[a-zA-Z0-9._-]+)*)", text)
    return bool(parts) and len(text) <= 2048 and not {".", ".."} & set(text.split("/")[3:])


def leaf_faults(certificate: x509.Certificate) -> list[str]:
    return [*_common_faults(certificate), *_leaf_faults(certificate)]


def signing_faults(certificate: x509.Certificate) -> list[str]:
    return [*_common_faults(certificate), *_signing_faults(certificate)]


def _common_faults(certificate: x509.Certificate) -> Iterator[str]:
    if _find(certificate, x509.KeyUsage) is None:
        yield "the key usage extension MUST be set"
    elif not _is_critical(certificate, x509.KeyUsage):
        yield "the key usage extension MUST be marked critical"
    if not all(is_spiffe_id(uri) for uri in _uris(certificate)):
        yield "the URI SAN is set to a SPIFFE ID"


def _leaf_faults(certificate: x509.Certificate) -> Iterator[str]:
    uris = _uris(certificate)
    if len(uris) != 1:
        yield "MUST contain exactly one URI SAN"
    if any(len(uri.split("/")) < 4 for uri in uris):
        yield "leaf SPIFFE IDs MUST have a non-root path component"
    if not certificate.subject.rdns and not _is_critical(certificate, x509.SubjectAlternativeName):
        yield "the URI SAN extension MUST be marked as critical if Subject is omitted"
    basic = _find(certificate, x509.BasicConstraints)
    if basic is None or basic.ca:
        yield "leaf certificates MUST set the cA field to false"
    usage = _find(certificate, x509.KeyUsage)
    if usage and not usage.digital_signature:
        yield "leaf SVIDs MUST set digitalSignature"
    if usage and (usage.key_cert_sign or usage.crl_sign):
        yield "leaf SVIDs MUST NOT set keyCertSign or cRLSign"
    purposes = _find(certificate, x509.ExtendedKeyUsage)
    if purposes is not None and not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} <= set(purposes):
        yield "when included, id-kp-serverAuth and id-kp-clientAuth MUST be set"


def _signing_faults(certificate: x509.Certificate) -> Iterator[str]:
    uris = _uris(certificate)
    if len(uris) != 1:
        yield "a signing certificate SHOULD itself be an SVID, with exactly one URI SAN"
    if any(len(uri.split("/")) > 3 for uri in uris):
        yield "the SPIFFE ID of a signing certificate MUST NOT have a path component"
    basic = _find(certificate, x509.BasicConstraints)
    if basic is None or not basic.ca:
        yield "signing certificates MUST set the cA field to true"
    usage = _find(certificate, x509.KeyUsage)
    if usage and not usage.key_cert_sign:
        yield "signing certificates MUST set keyCertSign"
    if usage and (usage.digital_signature or usage.key_encipherment or usage.key_agreement):
        yield "digitalSignature, keyEncipherment and keyAgreement are set only if it is a leaf"


def _find(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    return next((entry.value for entry in certificate.extensions if isinstance(entry.value, kind)), None)


def _is_critical(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> bool:
    return any(entry.critical for entry in certificate.extensions if isinstance(entry.value, kind))


def _uris(certificate: x509.Certificate) -> list[str]:
    alternatives = _find(certificate, x509.SubjectAlternativeName)
    return alternatives.get_values_for_type(x509.UniformResourceIdentifier) if alternatives else []
