"""The cluster's keys, certificates and kubeconfigs, all below one folder.

One authority signs everything but the front proxy's client certificate. All certificates are valid for years: a
cluster on one machine needs no rotation. Pod certificates have a signer of their own.
"""

import base64
import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hack.cluster.paths import replace_text

VALIDITY = dt.timedelta(days=3650)


@dataclass(frozen=True)
class Subject:
    """The subject of a certificate: a user or server name, and the groups that Kubernetes reads from it."""

    name: str
    groups: tuple[str, ...] = ()


ADMIN = Subject("sovereign-admin", ("system:masters",))


def make_kubelet(node: str) -> Subject:
    """Return the subject that identifies a node's kubelet to the API server."""
    return Subject(f"system:node:{node}", ("system:nodes",))


def name_files(subject: Subject) -> str:
    """Return a file name that is unique to the subject: user names may contain any character."""
    text = "\n".join([subject.name, *subject.groups])
    return f"user-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Authority:
    """A certificate authority in ``folder/NAME.crt`` and ``folder/NAME.key``."""

    folder: Path
    name: str = "ca"

    @property
    def certificate(self) -> Path:
        """The authority's own certificate (PEM)."""
        return self.folder / f"{self.name}.crt"

    def ensure(self) -> None:
        """Create the authority unless it exists."""
        if not self.certificate.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            subject = _render_name(Subject(f"sovereign-{self.name}"))
            usage = x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            )
            builder = (
                _start(subject, subject, key.public_key())
                .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                .add_extension(usage, critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            )
            _write_pair(self.folder, self.name, builder.sign(key, hashes.SHA256()), key)

    def issue(
        self,
        name: str,
        subject: Subject,
        *,
        names: Sequence[str] = (),
        addresses: Sequence[IPv4Address | IPv6Address] = (),
    ) -> tuple[Path, Path]:
        """Return (certificate, key) files called ``name``, created unless they exist.

        With ``names`` or ``addresses`` the certificate is for a server and a client, else for a client only.
        """
        certificate, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if certificate.exists():
            return certificate, key_file
        authority = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        authority_key = _load_key(self.folder / f"{self.name}.key")
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        alternatives = [*map(x509.DNSName, names), *map(x509.IPAddress, addresses)]
        builder = _start(_render_name(subject), authority.subject, key.public_key())
        if alternatives:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        _write_pair(self.folder, name, builder.sign(authority_key, hashes.SHA256()), key)
        return certificate, key_file


def ensure_key_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """Return (public, private) key files for service account tokens, created unless they exist."""
    public, private = folder / f"{name}.pub", folder / f"{name}.key"
    if not public.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        replace_text(private, _dump_key(key))
        dumped = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        replace_text(public, dumped.decode())
    return public, private


def write_kubeconfig(path: Path, *, server: str, context: str, authority: Path, pair: tuple[Path, Path]) -> Path:
    """Write a self-contained kubeconfig with one context; return its path."""
    certificate, key = pair
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [
            {"name": context, "cluster": {"server": server, "certificate-authority-data": _encode(authority)}}
        ],
        "users": [
            {
                "name": context,
                "user": {"client-certificate-data": _encode(certificate), "client-key-data": _encode(key)},
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
    }
    replace_text(path, yaml.safe_dump(content, sort_keys=False))
    return path


def write_user(keys: Path, name: str, subject: Subject, path: Path, *, server: str, context: str) -> Path:
    """Write a kubeconfig for a subject, with a certificate called ``name`` of the authority in ``keys``."""
    authority = Authority(keys)
    pair = authority.issue(name, subject)
    return write_kubeconfig(path, server=server, context=context, authority=authority.certificate, pair=pair)


def issue_machine(keys: Path, address: IPv4Address) -> tuple[Path, Path]:
    """Return (certificate, key) files of the authority in ``keys`` for a server on this machine."""
    return Authority(keys).issue("machine", Subject("sovereign-machine"), addresses=(address,))


def _encode(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _render_name(subject: Subject) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in subject.groups]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, subject.name)])


def _start(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))  # clocks of virtual machines jump
        .not_valid_after(now + VALIDITY)
    )


def _write_pair(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    # The certificate is written last: if it exists, the pair is complete.
    replace_text(folder / f"{name}.key", _dump_key(key))
    replace_text(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM).decode())


def _dump_key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    # Our authority has an EC key; kubeadm's, in kind's clusters, has an RSA key.
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return key
