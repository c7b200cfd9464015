"""Certificates for tests: strategies for the names and dates in them, and certificates with a single fault."""

import functools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from hypothesis import strategies as st

from sovereign_operator.pki.authority import Authority

BEGIN: Final = datetime(2030, 1, 1, tzinfo=UTC)
END: Final = datetime(2031, 1, 1, tzinfo=UTC)
NOW: Final = datetime(2030, 6, 15, 12, tzinfo=UTC)
DAY: Final = timedelta(days=1)

TRUST_DOMAIN: Final = "cluster-1.example.org"
WORKLOAD: Final = f"spiffe://{TRUST_DOMAIN}/ns/hospital/sa/records"

ALLOWED_KEYS: Final = ("p256", "p384", "p521", "rsa3072", "rsa4096", "ed25519")
OTHER_KEYS: Final = ("p224", "k256", "rsa2048", "ed448")


def make(policy: str = "secnumcloud", datacentre: str = "brest", number: str = "1", **changes: Any) -> Authority:
    """Make an authority that is valid at NOW."""
    given: dict[str, Any] = {"trust_domain": TRUST_DOMAIN, "not_before": BEGIN, "not_after": END} | changes
    return Authority.make(policy, datacentre, number=number, **given)


CURVES: Final = {
    "p224": ec.SECP224R1(),
    "p256": ec.SECP256R1(),
    "p384": ec.SECP384R1(),
    "p521": ec.SECP521R1(),
    "k256": ec.SECP256K1(),
}


@functools.cache
def private_key(kind: str) -> Any:
    """Return the same private key for each call with one kind: RSA keys take long to generate."""
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind])
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


def remake(
    certificate: x509.Certificate,
    signer: Any,
    *extensions: tuple[x509.ExtensionType, bool],
    without: Iterable[type[x509.ExtensionType]] = (),
    **fields: Any,
) -> x509.Certificate:
    """Sign a certificate again with other fields and extensions; each extension comes with its critical flag."""
    replaced = {type(extension) for extension, _ in extensions} | set(without)
    builder = x509.CertificateBuilder(
        fields.get("issuer", certificate.issuer),
        fields.get("subject", certificate.subject),
        fields.get("public_key", certificate.public_key()),
        certificate.serial_number,
        fields.get("begin", certificate.not_valid_before_utc).replace(tzinfo=None),
        fields.get("end", certificate.not_valid_after_utc).replace(tzinfo=None),
    )
    for extension in certificate.extensions:
        if type(extension.value) not in replaced:
            builder = builder.add_extension(extension.value, extension.critical)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    unhashed = isinstance(signer, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return builder.sign(signer, None if unhashed else hashes.SHA256())


def uris(*values: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(value) for value in values])


_LETTERS: Final = "abcxyz019"
DNS_LABELS: Final = st.builds(
    lambda first, middle, last: first + middle + last,
    st.sampled_from(_LETTERS),
    st.text(_LETTERS + "-", max_size=61),
    st.sampled_from(_LETTERS),
)
DNS_NAMES: Final = st.lists(DNS_LABELS, min_size=1, max_size=5).map(".".join).filter(lambda name: len(name) <= 253)
"""The names that Kubernetes allows for a service account."""

SHORT_DNS_NAMES: Final = DNS_NAMES.map(lambda name: name[:63].rstrip("-."))
"""The names that the operator's kinds allow for a policy or a datacentre."""

TRUST_DOMAINS: Final = st.lists(st.text("abz09_-", min_size=1, max_size=80), min_size=1, max_size=5).map(
    lambda labels: ".".join([*labels, "a"])[-255:].lstrip(".")
)

NUMBERS: Final = st.text("abzABZ019 '()+,-./:=?", min_size=1, max_size=64)

INSTANTS: Final = st.sampled_from(
    [
        datetime(1951, 1, 1, tzinfo=UTC),
        datetime(2049, 12, 31, 23, 59, 58, 999999, tzinfo=UTC),
        datetime(2050, 1, 1, tzinfo=UTC),
        NOW + timedelta(microseconds=1),
    ]
) | st.datetimes(datetime(1951, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants its bounds without a time zone
