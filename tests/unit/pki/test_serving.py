"""The injector's serving certificate: signed, read, renewed, and trusted by clients that trust its authority."""

import ssl
from datetime import timedelta

import pytest
from cryptography import x509

from sovereign_operator.pki import certificates
from sovereign_operator.pki.serving import (
    AUTHORITY_LIFETIME,
    LIFETIME,
    Serving,
    is_authority,
    make_authority,
    read_authority,
)
from sovereign_operator.runtime.tls import load
from tests.certificates import NOW

HOSTS = ("injector.ns.svc", "injector.ns")
AUTHORITY = make_authority(HOSTS, NOW)


def test_what_is_made_can_be_read() -> None:
    assert read_authority(AUTHORITY.certificate_pem, AUTHORITY.key_pem, NOW).certificate == AUTHORITY.certificate
    made = Serving.sign(AUTHORITY, HOSTS, NOW)
    assert Serving.read(made.chain_pem, made.key_pem) == made
    assert made.end == NOW + LIFETIME
    assert AUTHORITY.certificate.not_valid_after_utc == NOW + AUTHORITY_LIFETIME
    assert "PRIVATE" not in repr(made) + repr(AUTHORITY)


def test_the_authority_signs_for_no_other_authority_and_names_no_trust_domain() -> None:
    basic = certificates.find(AUTHORITY.certificate, x509.BasicConstraints)
    assert basic == x509.BasicConstraints(ca=True, path_length=0)
    assert certificates.trust_domain(AUTHORITY.certificate) is None
    assert AUTHORITY.certificate.subject != make_authority(HOSTS, NOW).certificate.subject
    assert is_authority(AUTHORITY.certificate)
    assert not is_authority(Serving.sign(AUTHORITY, HOSTS, NOW).chain[0])


def test_no_certificate_outlives_its_authority() -> None:
    late = NOW + AUTHORITY_LIFETIME - timedelta(days=1)
    assert Serving.sign(AUTHORITY, HOSTS, late).end == AUTHORITY.certificate.not_valid_after_utc
    with pytest.raises(ValueError, match="ended"):
        read_authority(AUTHORITY.certificate_pem, AUTHORITY.key_pem, late + timedelta(days=1))


def shake(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> str:
    """Do a handshake in memory, and return the client's verification error, if any."""
    ways = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(ways[0], ways[1], server_hostname=host)
    answering = server.wrap_bio(ways[1], ways[0], server_side=True)
    for _ in range(5):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
    return ""


def client(*trusted: x509.Certificate) -> ssl.SSLContext:
    """Return a client that trusts these authorities."""
    made = ssl.create_default_context(cadata=certificates.write(trusted).decode())
    made.hostname_checks_common_name = False
    # The certificates are not valid at the present time.
    made.verify_flags |= 0x200000  # X509_V_FLAG_NO_CHECK_TIME
    return made


OTHER = make_authority(HOSTS, NOW)
STRANGE = ("example.org",)

HANDSHAKES: dict[str, tuple[tuple[x509.Certificate, ...], tuple[str, ...], str, str]] = {
    "it is trusted": ((AUTHORITY.certificate,), HOSTS, HOSTS[0], ""),
    "by its other name": ((AUTHORITY.certificate,), HOSTS, HOSTS[1], ""),
    "by a client that trusts its predecessor, too": ((OTHER.certificate, AUTHORITY.certificate), HOSTS, HOSTS[0], ""),
    "not by another name": ((AUTHORITY.certificate,), HOSTS, STRANGE[0], "Hostname mismatch"),
    "not for names of others": ((AUTHORITY.certificate,), STRANGE, STRANGE[0], "permitted subtree violation"),
    "not by a client that trusts another": (
        (OTHER.certificate,),
        HOSTS,
        HOSTS[0],
        "unable to get local issuer certificate",
    ),
}


@pytest.mark.parametrize(("trusted", "hosts", "host", "said"), HANDSHAKES.values(), ids=HANDSHAKES.keys())
def test_a_client_that_trusts_its_authority_takes_it(
    trusted: tuple[x509.Certificate, ...], hosts: tuple[str, ...], host: str, said: str
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(server, Serving.sign(OTHER, HOSTS, NOW))
    load(server, Serving.sign(AUTHORITY, hosts, NOW))
    found = shake(client(*trusted), server, host)
    assert said in found
    assert bool(said) == bool(found)


DUE: dict[str, tuple[timedelta, bool]] = {
    "made just now": (timedelta(), False),
    "before two thirds": (LIFETIME / 2, False),
    "after two thirds": (LIFETIME * 0.7, True),
    "ended": (LIFETIME, True),
    "of the future": (-timedelta(days=1), True),
}


@pytest.mark.parametrize(("later", "due"), DUE.values(), ids=DUE.keys())
def test_it_is_renewed_well_before_its_end(later: timedelta, *, due: bool) -> None:
    assert Serving.sign(AUTHORITY, HOSTS, NOW).is_due(NOW + later) is due


FAULTS: dict[str, tuple[bytes, bytes, str]] = {
    "another's key": (Serving.sign(AUTHORITY, HOSTS, NOW).chain_pem, OTHER.key_pem, "the key is not the certificate's"),
    "no certificate": (b"", OTHER.key_pem, "not certificates in PEM"),
    "no key": (OTHER.certificate_pem, b"x", "not a private key"),
}


@pytest.mark.parametrize(("chain", "key", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_what_does_not_belong_together_is_not_read(chain: bytes, key: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Serving.read(chain, key)
