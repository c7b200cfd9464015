"""The injector's serving certificates, and the CA that the API server trusts for them.

One CA signs for all replicas, and only for the DNS names of their Service. It is valid for years, so that the webhooks'
caBundle is written once. Each replica has certificates of its own, which are valid for days and never leave it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sovereign_operator.core import names
from sovereign_operator.pki import certificates
from sovereign_operator.pki.authority import Authority, read_key, self_signed

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
LIFETIME: Final = timedelta(days=7)
BACKDATED: Final = timedelta(minutes=10)
"""The clocks of API servers may differ."""


def make_authority(hosts: Iterable[str], now: datetime, lifetime: timedelta = AUTHORITY_LIFETIME) -> Authority:
    """Create a CA that may sign for these DNS names alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    # TLS libraries mistake CAs of one name for one another.
    subject = _name(f"injector CA {x509.random_serial_number():x}")
    begin, end = (now - BACKDATED).replace(microsecond=0), (now + lifetime).replace(microsecond=0)
    return Authority(self_signed(subject, None, key, begin, end, hosts=hosts), key)


def read_authority(certificate: bytes, key: bytes, now: datetime) -> Authority:
    """Read one from PEM. Raises ValueError unless it can sign now."""
    found = Authority.read(certificate, key)
    if found.certificate.not_valid_after_utc <= now:
        raise ValueError(f"the authority ended at {found.certificate.not_valid_after_utc.isoformat()}")
    return found


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate may sign others."""
    basic = certificates.find(certificate, x509.BasicConstraints)
    return basic is not None and basic.ca


@dataclass(frozen=True)
class Serving:
    """A certificate, with those between it and its authority, if there are any, and its key."""

    chain: tuple[x509.Certificate, ...]
    key_pem: bytes = field(repr=False)

    @classmethod
    def sign(cls, authority: Authority, hosts: Iterable[str], now: datetime, lifetime: timedelta = LIFETIME) -> Self:
        """Have an authority sign one for these DNS names, with a new key."""
        key = ec.generate_private_key(ec.SECP256R1())
        signer = x509.SubjectKeyIdentifier.from_public_key(authority.certificate.public_key())
        builder = (
            x509.CertificateBuilder(subject_name=_name("injector"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before((now - BACKDATED).replace(microsecond=0))
            .not_valid_after(min((now + lifetime).replace(microsecond=0), authority.certificate.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(certificates.usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False)
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls((authority.sign(builder),), private)

    @classmethod
    def read(cls, chain: bytes, key: bytes) -> Self:
        """Read what somebody else issued from PEM. Raises ValueError unless the key is the first certificate's."""
        found = certificates.read(chain)
        if not certificates.same_key(found[0].public_key(), read_key(key).public_key()):
            raise ValueError("the key is not the certificate's: put those of one certificate side by side")
        return cls(found, key)

    @property
    def chain_pem(self) -> bytes:
        """The certificates, which are public."""
        return certificates.write(self.chain)

    @property
    def end(self) -> datetime:
        """Until when it counts."""
        return self.chain[0].not_valid_after_utc

    def is_due(self, now: datetime) -> bool:
        """Whether another is to take its place: a third of its time is left."""
        begin = self.chain[0].not_valid_before_utc
        return not begin <= now < self.end - (self.end - begin) / 3


def _name(common: str) -> x509.Name:
    attributes = ((NameOID.ORGANIZATION_NAME, names.GROUP), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
