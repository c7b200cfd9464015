"""Trust bundles: the CAs that a policy's pods trust, in PEM."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sovereign_operator.core import names
from sovereign_operator.pki import certificates
from sovereign_operator.pki.authority import self_signed


@dataclass(frozen=True)
class TrustAnchor:
    """One CA of a bundle, as its certificate describes it.

    Certificates that the signer created contain policy, datacentre and number; imported ones do not.
    """

    policy: str | None
    datacentre: str | None
    number: str | None
    trust_domain: str | None
    fingerprint: str
    """SHA-256 of the certificate, in hexadecimal."""
    not_before: datetime
    not_after: datetime


def read(pem: str) -> tuple[TrustAnchor, ...]:
    """Read a bundle, keeping its order. Any user may have written it. Raises ValueError."""
    return tuple(describe(certificate) for certificate in certificates.read(pem.encode()))


def describe(certificate: x509.Certificate) -> TrustAnchor:
    """Return the anchor of a CA's certificate."""
    ours = _attribute(certificate, NameOID.ORGANIZATION_NAME) == names.GROUP
    return TrustAnchor(
        policy=_attribute(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME) if ours else None,
        datacentre=_attribute(certificate, NameOID.COMMON_NAME) if ours else None,
        number=_attribute(certificate, NameOID.SERIAL_NUMBER) if ours else None,
        trust_domain=certificates.trust_domain(certificate),
        fingerprint=certificates.fingerprint(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def write(authorities: Iterable[x509.Certificate]) -> str:
    """Write a bundle: the same text for the same authorities. Raises ValueError if there are none."""
    found = {certificates.fingerprint(authority): authority for authority in authorities}
    if not found:
        raise ValueError("a ClusterTrustBundle may not be empty: put nobody's certificate into it")
    return "".join(found[key].public_bytes(serialization.Encoding.PEM).decode() for key in sorted(found))


def nobody(trust_domain: str, not_before: datetime, not_after: datetime) -> x509.Certificate:
    """Create a certificate for a bundle that trusts no CA. Its key is gone when this returns. Raises ValueError.

    A bundle must not be empty, and without a bundle the file in a pod would stay as it was, with all that it trusted.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    return self_signed(subject, trust_domain, ec.generate_private_key(ec.SECP256R1()), not_before, not_after)


def _attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str | None:
    values = [entry.value for entry in certificate.subject.get_attributes_for_oid(oid)]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None
