"""The certificate that the injector serves with: made, read, renewed, and trusted by whoever asks."""

import ssl
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sovereign_operator.injector.tls import load
from sovereign_operator.pki import certificates
from sovereign_operator.pki.serving import LIFETIME, Serving
from tests.certificates import NOW

HOSTS = ("injector.ns.svc", "injector.ns")


def make(**changes: Any) -> Serving:
    return Serving.make(HOSTS, **({"now": NOW} | changes))


def reread(serving: Serving) -> Serving:
    return Serving.read(serving.certificate_pem, serving.key_pem, serving.authorities_pem)


def test_what_is_made_can_be_read() -> None:
    made = make()
    assert reread(made) == made
    assert made.certificate.not_valid_before_utc < NOW
    assert made.certificate.not_valid_after_utc == NOW + LIFETIME
    assert "PRIVATE" not in repr(made)


def test_the_authority_signs_for_no_other_authority_and_names_no_trust_domain() -> None:
    (authority,) = make().authorities
    basic = certificates.find(authority, x509.BasicConstraints)
    assert basic == x509.BasicConstraints(ca=True, path_length=0)
    assert certificates.trust_domain(authority) is None
    assert authority.subject != make().authorities[0].subject


def shake(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> str:
    """Do a handshake in memory, and return what the client says against it, if anything."""
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


HANDSHAKES: dict[str, tuple[Callable[[Serving], Serving], str, str]] = {
    "it is trusted": (lambda made: made, HOSTS[0], ""),
    "by its other name": (lambda made: made, HOSTS[1], ""),
    "by whoever trusts its predecessors, too": (
        lambda made: Serving(made.certificate, made.key_pem, (*make().authorities, *made.authorities)),
        HOSTS[0],
        "",
    ),
    "not by another name": (lambda made: made, "example.org", "Hostname mismatch"),
    "not by whoever trusts another": (lambda _: make(), HOSTS[0], "unable to get local issuer certificate"),
}


@pytest.mark.parametrize(("trusted", "host", "said"), HANDSHAKES.values(), ids=HANDSHAKES.keys())
def test_a_client_that_trusts_its_authority_takes_it(
    trusted: Callable[[Serving], Serving], host: str, said: str
) -> None:
    made = make()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(server, make())
    load(server, made)
    client = ssl.create_default_context(cadata=trusted(made).authorities_pem.decode())
    client.verify_flags &= ~ssl.VERIFY_X509_STRICT
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.hostname_checks_common_name = False
    # The certificates are of another time than now.
    client.verify_flags |= 0x200000  # X509_V_FLAG_NO_CHECK_TIME
    assert said in shake(client, server, host)
    assert bool(said) == bool(shake(client, server, host))


DUE: dict[str, tuple[timedelta, tuple[str, ...], bool]] = {
    "made just now": (timedelta(), HOSTS, False),
    "before two thirds": (LIFETIME / 2, HOSTS, False),
    "after two thirds": (LIFETIME * 0.7, HOSTS, True),
    "ended": (LIFETIME, HOSTS, True),
    "of the future": (-timedelta(days=1), HOSTS, True),
    "of other names": (timedelta(), (HOSTS[0],), True),
    "of these names in another order": (timedelta(), tuple(reversed(HOSTS)), False),
}


@pytest.mark.parametrize(("later", "hosts", "due"), DUE.values(), ids=DUE.keys())
def test_it_is_renewed_well_before_its_end(later: timedelta, hosts: tuple[str, ...], *, due: bool) -> None:
    assert make().is_due(hosts, NOW + later) is due


def test_the_authorities_of_predecessors_are_trusted_until_they_end() -> None:
    first = make()
    second = make(now=NOW + LIFETIME / 2, before=first.authorities)
    third = make(now=NOW + LIFETIME, before=second.authorities)
    assert second.authorities[1:] == first.authorities
    assert third.authorities[1:] == second.authorities[:1]


OTHER = make()

FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "another's key": ({"key": OTHER.key_pem}, "the key is not the certificate's"),
    "another's authority": ({"authorities": OTHER.authorities_pem}, "the first authority is not the certificate's"),
    "its authority behind another's": (
        {
            "authorities": OTHER.authorities_pem
            + b"".join(each.public_bytes(Encoding.PEM) for each in make().authorities)
        },
        "the first authority is not",
    ),
    "no certificate": ({"certificate": b""}, "not certificates in PEM"),
    "two certificates": ({"certificate": OTHER.certificate_pem * 2}, "more than one"),
    "no key": ({"key": b"x"}, "not a private key"),
}


@pytest.mark.parametrize(("change", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_what_does_not_belong_together_is_not_read(change: dict[str, Any], said: str) -> None:
    made = make()
    parts = {"certificate": made.certificate_pem, "key": made.key_pem, "authorities": made.authorities_pem}
    with pytest.raises(ValueError, match=said):
        Serving.read(**(parts | change))
