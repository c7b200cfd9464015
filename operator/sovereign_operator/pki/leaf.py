"""A pod's certificate: issued to a key that only its node holds."""

import hashlib
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from sovereign_operator.pki import certificates, spiffe
from sovereign_operator.pki.authority import Authority

_CURVES: Final = {"secp256r1", "secp384r1", "secp521r1"}
_RSA_BITS: Final = range(3072, 4096 + 1)
_SERIAL_OCTETS: Final = 20


def issue(
    authority: Authority,
    public_key: CertificatePublicKeyTypes,
    spiffe_id: str,
    *,
    serial: int,
    not_before: datetime,
    not_after: datetime,
) -> bytes:
    """Issue a certificate (PEM, without its authority's) to the holder of a key.

    Fractions of seconds are cut off. Raises ValueError.
    """
    check_key(public_key)
    _check_id(authority.certificate, spiffe_id)
    not_after = not_after.replace(microsecond=0)
    end = authority.certificate.not_valid_after_utc
    if not_after > end:
        raise ValueError(f"the certificate would outlive its authority: let it end at {end.isoformat()} or before")
    usages = ["digital_signature"]
    if isinstance(public_key, rsa.RSAPublicKey):
        usages.append("key_encipherment")
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    issuer = certificates.find(authority.certificate, x509.SubjectKeyIdentifier)
    if issuer is None:
        raise ValueError("the authority has no subject key identifier: make it with one")
    builder = (
        x509.CertificateBuilder(subject_name=x509.Name([]))
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)]), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(certificates.usage(*usages), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
    )
    return authority.sign(builder).public_bytes(serialization.Encoding.PEM)


def serial_for(request_uid: str, authority: Authority) -> int:
    """Return the serial for a request, the same each time: two replicas that sign one request agree."""
    digest = hashlib.sha256(f"{certificates.fingerprint(authority.certificate)}\n{request_uid}".encode()).digest()
    # DER writes a number with a sign; without the first bit it takes no 21st octet, and zero is no serial.
    return int.from_bytes(digest[:_SERIAL_OCTETS]) >> 1 or 1


def public_key_of(stub_pkcs10_der: bytes) -> CertificatePublicKeyTypes:
    """Return the key of a request whose sender has proven to hold it. Raises ValueError."""
    try:
        request = x509.load_der_x509_csr(stub_pkcs10_der)
        key, proven = request.public_key(), request.is_signature_valid
    except certificates.UNREADABLE as error:
        raise ValueError(f"not a PKCS#10 request in DER, send what the kubelet makes: {error}") from error
    if not proven:
        raise ValueError("the request is not signed with its own key: sign it with the key that is to be certified")
    return key


def check_key(key: CertificatePublicKeyTypes) -> None:
    """Raise ValueError unless this kind of key may be certified."""
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            return
        case rsa.RSAPublicKey() if key.key_size in _RSA_BITS:
            return
        case ed25519.Ed25519PublicKey():
            return
    raise ValueError(
        "this kind of key is not allowed: use ECDSA on P-256, P-384 or P-521, RSA of 3072 to 4096 bits, or Ed25519"
    )


def _check_id(authority: x509.Certificate, spiffe_id: str) -> None:
    own, wanted = certificates.trust_domain(authority), spiffe.trust_domain_of(spiffe_id)
    if own != wanted:
        raise ValueError(f"{spiffe_id} is outside trust domain {own}: use the authority of {wanted}")
    if spiffe_id == spiffe.authority_id(wanted):
        raise ValueError(f"{spiffe_id} is an authority's id: add the path of a workload")
