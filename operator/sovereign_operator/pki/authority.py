"""Certificate authorities (CAs): one self-signed CA for each pair of policy and datacentre."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self, TypeGuard

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import NameOID

from sovereign_operator.core import names
from sovereign_operator.pki import certificates, spiffe

_HASHES: Final[Mapping[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
"""The hash that a CA signs with, by the curve of its key: TLS 1.3 has no other pairs."""

UNFIT: Final = "the key is not of a kind that an authority signs with: use ECDSA on P-256, P-384 or P-521"

# cryptography writes any character into a PrintableString, and then neither Go nor the API server reads it.
_ATTRIBUTE: Final = re.compile(r"[A-Za-z0-9 '()+,./:=?-]{1,64}")


@dataclass(frozen=True)
class Authority:
    """A certificate authority: its certificate, and the key that signs for it.

    The key may be any implementation of cryptography's abstract class. Certificates need its ``curve``,
    ``public_key`` and ``sign`` alone, so a key that never leaves its device (PKCS#11) can take the place of one
    in memory.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def make(
        cls,
        policy: str,
        datacentre: str,
        *,
        trust_domain: str,
        number: str,
        not_before: datetime,
        not_after: datetime,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> Self:
        """Make an authority; ``number`` tells it from its successor. Without ``key`` it gets a new one.

        Raises ValueError.
        """
        parts = {
            "policy": (NameOID.ORGANIZATIONAL_UNIT_NAME, policy),
            "datacentre": (NameOID.COMMON_NAME, datacentre),
            "number": (NameOID.SERIAL_NUMBER, number),
        }
        for part, (_, value) in parts.items():
            if not _ATTRIBUTE.fullmatch(value):
                raise ValueError(f"{part} {value!r}: use 1 to 64 letters, digits, blanks or any of '()+,-./:=?")
        attributes = ((NameOID.ORGANIZATION_NAME, names.GROUP), *parts.values())
        subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
        signer = key or ec.generate_private_key(ec.SECP256R1())
        return cls(self_signed(subject, trust_domain, signer, not_before, not_after), signer)

    @classmethod
    def read(cls, certificate: bytes, key: bytes) -> Self:
        """Read both from PEM. Raises ValueError unless they are one authority's."""
        found = certificates.read(certificate)
        if len(found) > 1:
            raise ValueError(f"there are {len(found)} certificates: leave only that of the authority")
        private = read_key(key)
        if not can_sign(private):
            raise ValueError(UNFIT)
        if not certificates.same_key(found[0].public_key(), private.public_key()):
            raise ValueError("the key is not the certificate's: put those of one authority side by side")
        return cls(found[0], private)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate, which is public."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key in the clear (PKCS#8). A key that never leaves its device raises an error of its own."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Sign a certificate in this authority's name."""
        return builder.issuer_name(self.certificate.subject).sign(self.key, _hash_for(self.key))


def read_key(pem: bytes) -> PrivateKeyTypes:
    """Read a private key of any kind from PEM. Raises ValueError."""
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except certificates.UNREADABLE as error:
        raise ValueError("not a private key in PEM: put a PKCS#8 key there, without a password") from error


def can_sign(key: PrivateKeyTypes) -> TypeGuard[ec.EllipticCurvePrivateKey]:
    """Whether a CA may have such a key."""
    return isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _HASHES


def self_signed(
    subject: x509.Name,
    trust_domain: str | None,
    key: ec.EllipticCurvePrivateKey,
    not_before: datetime,
    not_after: datetime,
    *,
    hosts: Iterable[str] = (),
) -> x509.Certificate:
    """Make a CA certificate for leaves of one trust domain, or of none, and for no other CA. Raises ValueError.

    With ``hosts`` it may sign leaves with these DNS names alone. The trust domain is no name constraint: rustls refuses
    every leaf below a constraint on URIs, and only the signer has the key.
    """
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(certificates.usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    if trust_domain is not None:
        domain = x509.UniformResourceIdentifier(spiffe.authority_id(trust_domain))
        builder = builder.add_extension(x509.SubjectAlternativeName([domain]), critical=False)
    if permitted := [x509.DNSName(host) for host in hosts]:
        builder = builder.add_extension(x509.NameConstraints(permitted, None), critical=True)
    return builder.sign(key, _hash_for(key))


def _hash_for(key: ec.EllipticCurvePrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    if not can_sign(key):
        raise ValueError(UNFIT)
    return _HASHES[key.curve.name]
