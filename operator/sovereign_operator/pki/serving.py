"""The certificate that a process of ours serves with inside the cluster, and the authorities to be trusted for it.

Each certificate has an authority of its own, whose key is gone when it was issued: there is no key to steal that could
issue another.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sovereign_operator.core import names
from sovereign_operator.pki import certificates
from sovereign_operator.pki.authority import Authority, read_key, self_signed

LIFETIME: Final = timedelta(days=90)
BACKDATED: Final = timedelta(minutes=10)
"""The clocks of API servers may differ."""


@dataclass(frozen=True)
class Serving:
    """A certificate with its key, and who is to be trusted: its authority, and those of its predecessors."""

    certificate: x509.Certificate
    key_pem: bytes = field(repr=False)
    authorities: tuple[x509.Certificate, ...]

    @classmethod
    def make(
        cls,
        hosts: Iterable[str],
        now: datetime,
        before: Iterable[x509.Certificate] = (),
        lifetime: timedelta = LIFETIME,
    ) -> Self:
        """Make one for these DNS names. The authorities of ``before`` are trusted until they end."""
        begin, end = (now - BACKDATED).replace(microsecond=0), (now + lifetime).replace(microsecond=0)
        signing, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        number = x509.random_serial_number()
        # Authorities of one name would be taken for one another.
        subject = _name(f"injector {number:x}")
        authority = Authority(self_signed(subject, None, signing, begin, end), signing)
        identifier = x509.SubjectKeyIdentifier.from_public_key(signing.public_key())
        builder = (
            x509.CertificateBuilder(subject_name=_name("injector"))
            .public_key(key.public_key())
            .serial_number(number)
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(certificates.usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        kept = [each for each in before if each.not_valid_after_utc > now]
        return cls(authority.sign(builder), private, (authority.certificate, *kept))

    @classmethod
    def read(cls, certificate: bytes, key: bytes, authorities: bytes) -> Self:
        """Read all from PEM. Raises ValueError unless they belong together."""
        (leaf, *more), trusted = certificates.read(certificate), certificates.read(authorities)
        if more:
            raise ValueError("there is more than one certificate")
        if not certificates.same_key(leaf.public_key(), read_key(key).public_key()):
            raise ValueError("the key is not the certificate's")
        try:
            leaf.verify_directly_issued_by(trusted[0])
        except (*certificates.UNREADABLE, InvalidSignature) as error:
            raise ValueError("the first authority is not the certificate's") from error
        return cls(leaf, key, trusted)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate, which anybody may see."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def authorities_pem(self) -> bytes:
        """Whom to trust."""
        return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in self.authorities)

    def is_due(self, hosts: Iterable[str], now: datetime) -> bool:
        """Whether another is to take its place: a third of its time is left, or it has other names."""
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        alternatives = certificates.find(self.certificate, x509.SubjectAlternativeName)
        named = alternatives.get_values_for_type(x509.DNSName) if alternatives else []
        return not begin <= now < end - (end - begin) / 3 or set(named) != set(hosts)


def _name(common: str) -> x509.Name:
    attributes = ((NameOID.ORGANIZATION_NAME, names.GROUP), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
