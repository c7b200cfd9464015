"""Checks a CA that an admin imports: each problem is a sentence that says what to do."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from sovereign_operator.pki import certificates, spiffe
from sovereign_operator.pki.authority import UNFIT, can_sign

_PURPOSES: Final = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
_UNDERSTOOD: Final = (
    x509.BasicConstraints,
    x509.ExtendedKeyUsage,
    x509.KeyUsage,
    x509.NameConstraints,
    x509.SubjectAlternativeName,
)


def check_brought(
    certificate: x509.Certificate, key: PrivateKeyTypes, *, trust_domain: str, now: datetime, latest: datetime
) -> tuple[str, ...]:
    """Return the problems of a CA that is to sign for pods of one policy in one datacentre, none if it may.

    ``latest`` is when the datacentre's claim and its grace end.
    """
    return (
        *_check_authority(certificate),
        *_check_usage(certificate),
        *_check_self_signed(certificate),
        *_check_key(certificate, key),
        *_check_dates(certificate, now, latest),
        *_check_trust_domain(certificate, trust_domain),
    )


def _check_authority(certificate: x509.Certificate) -> Iterator[str]:
    basic = certificates.find(certificate, x509.BasicConstraints)
    if not basic or not basic.ca:
        yield "it is no CA: make it with critical basic constraints CA:TRUE and pathlen:0"
    elif basic.path_length != 0:
        yield "it may have CAs below it, which nobody watches: make it with pathlen:0"
    if not certificate.subject.rdns:
        yield "it has no subject: give it one, by which TLS libraries find it"
    if not certificates.find(certificate, x509.SubjectKeyIdentifier):
        yield "it has no subject key identifier: add one, which tells it from its successor"
    for extension in certificate.extensions:
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
            yield f"TLS libraries may not know its critical extension {extension.oid.dotted_string}: leave that out"
        if not extension.critical and isinstance(extension.value, x509.BasicConstraints | x509.KeyUsage):
            yield f"its {type(extension.value).__name__} are not critical: make it with them critical"


def _check_usage(certificate: x509.Certificate) -> Iterator[str]:
    usage = certificates.find(certificate, x509.KeyUsage)
    if not usage or not usage.key_cert_sign:
        yield "its key usage lacks keyCertSign: make it with critical keyCertSign and cRLSign"
    extended = certificates.find(certificate, x509.ExtendedKeyUsage)
    if extended and not _PURPOSES.issubset(extended):
        yield "its extended key usage forbids what pods do: leave it out, or add serverAuth and clientAuth"


def _check_self_signed(certificate: x509.Certificate) -> Iterator[str]:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (*certificates.UNREADABLE, InvalidSignature):
        yield (
            "it is not self-signed: bring a self-signed CA of this policy and datacentre alone, since whoever trusts "
            "a common root trusts every datacentre below it, accepted or not"
        )


def _check_key(certificate: x509.Certificate, key: PrivateKeyTypes) -> Iterator[str]:
    if not can_sign(key):
        yield UNFIT
    elif not certificates.same_key(certificate.public_key(), key.public_key()):
        yield "the key is not the certificate's: bring those of one CA"


def _check_dates(certificate: x509.Certificate, now: datetime, latest: datetime) -> Iterator[str]:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        yield f"it is not valid before {begin.isoformat()}: wait, or bring one that is valid"
    if now >= end:
        yield f"it ended at {end.isoformat()}: bring a new one"
    if end > latest:
        yield (
            f"it ends at {end.isoformat()}, but the datacentre may be trusted until {latest.isoformat()} at most: "
            "bring one that ends by then"
        )


def _check_trust_domain(certificate: x509.Certificate, trust_domain: str) -> Iterator[str]:
    if certificates.trust_domain(certificate) != trust_domain:
        yield f"it does not name its trust domain: add the subject alternative name URI:{spiffe.SCHEME}{trust_domain}"
    constraints = certificates.find(certificate, x509.NameConstraints)
    if not constraints:
        return
    permitted, excluded = constraints.permitted_subtrees or [], constraints.excluded_subtrees or []
    names = (*permitted, *excluded)
    if not all(isinstance(name, x509.UniformResourceIdentifier) for name in names):
        yield "its name constraints speak of other names than URIs: leave those out"
        return
    # TLS libraries differ on names below a host; what is allowed here, all of them allow.
    within = any(_covers(name.value, trust_domain) for name in permitted)
    without = any(_covers(f".{name.value.lstrip('.')}", f".{trust_domain}") for name in excluded)
    if (permitted and not within) or without:
        yield f"its name constraints exclude trust domain {trust_domain}: permit URI:{trust_domain}, or leave them out"


def _covers(constraint: str, host: str) -> bool:
    constraint = constraint.lower()
    return host.endswith(constraint) if constraint.startswith(".") else host == constraint
