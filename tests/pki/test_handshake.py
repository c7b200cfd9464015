"""Two pods connect by mutual TLS 1.3, with our files as Python's ssl (OpenSSL) reads them."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sovereign_operator.pki import bundle, leaf
from sovereign_operator.pki.authority import Authority
from tests.certificates import ALLOWED_KEYS, DAY, WORKLOAD, make, private_key, remake

NOW = datetime.now(UTC)
SECOND = timedelta(seconds=1)


def found(datacentre: str, begin: datetime = NOW - 2 * DAY, end: datetime = NOW + 2 * DAY) -> Authority:
    return make(datacentre=datacentre, not_before=begin, not_after=end)


BREST, PARIS = found("brest"), found("paris")


@dataclass(frozen=True)
class Pod:
    """A leaf, the kind of its key, and the authorities that it trusts."""

    certificate: bytes
    kind: str = "p256"
    trusts: Sequence[x509.Certificate] = (BREST.certificate,)

    def serve(self, folder: Path) -> ssl.SSLContext:
        return self._context(folder, ssl.PROTOCOL_TLS_SERVER)

    def call(self, folder: Path) -> ssl.SSLContext:
        return self._context(folder, ssl.PROTOCOL_TLS_CLIENT)

    def _context(self, folder: Path, purpose: int) -> ssl.SSLContext:
        """Return one end's settings, from files as its programs would find them in a volume."""
        key = private_key(self.kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        credentials = folder / "credentials.pem"
        credentials.write_bytes(key + self.certificate)
        context = ssl.SSLContext(purpose)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(credentials)
        context.load_verify_locations(cadata=bundle.write(self.trusts))
        return context


def issue(authority: Authority = BREST, kind: str = "p256", end: datetime = NOW + DAY) -> bytes:
    key = private_key(kind).public_key()
    return leaf.issue(authority, key, WORKLOAD, serial=1, not_before=NOW - DAY, not_after=end)


GOOD = Pod(issue())


def meet(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Do a handshake in memory; raise the error of the end that refuses the other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = server.wrap_bio(to_server, to_client, server_side=True)
    other = client.wrap_bio(to_client, to_server)
    waiting = [other, one]
    for _ in range(6):
        waiting = [end for end in waiting if not is_done(end)]
    assert not waiting
    return one, other


def is_done(end: ssl.SSLObject) -> bool:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


@pytest.mark.parametrize("kind", ALLOWED_KEYS)
def test_two_pods_of_one_policy_meet(tmp_path: Path, kind: str) -> None:
    for end in meet(Pod(issue(kind=kind), kind).serve(tmp_path), GOOD.call(tmp_path)):
        assert end.version() == "TLSv1.3"
        seen = end.getpeercert()
        assert seen
        assert seen["subjectAltName"] == (("URI", WORKLOAD),)


def test_pods_of_two_accepted_datacentres_meet(tmp_path: Path) -> None:
    both = (BREST.certificate, PARIS.certificate)
    meet(Pod(issue(BREST), trusts=both).serve(tmp_path), Pod(issue(PARIS), trusts=both).call(tmp_path))


def test_an_authority_and_its_successor_are_trusted_together(tmp_path: Path) -> None:
    successor = found("brest")
    both = (BREST.certificate, successor.certificate)
    meet(Pod(issue(BREST), trusts=both).serve(tmp_path), Pod(issue(successor), trusts=both).call(tmp_path))


ENDED = found("brest", end=NOW - SECOND)
OUTLIVED = remake(
    x509.load_pem_x509_certificate(issue(ENDED, end=NOW - SECOND)), ENDED.key, end=NOW + DAY
).public_bytes(Encoding.PEM)
NOBODY = bundle.nobody("cluster-1.example.org", NOW - DAY, NOW + DAY)
REFUSED = {
    "a stranger": (Pod(issue(PARIS)), GOOD, "unable to get local issuer certificate"),
    "an expired leaf": (Pod(issue(end=NOW - SECOND)), GOOD, "certificate has expired"),
    "a leaf of an expired authority": (
        Pod(OUTLIVED),
        Pod(issue(), trusts=(ENDED.certificate, BREST.certificate)),
        "certificate has expired",
    ),
    # The error is this one because the peer sends its authority too, which OpenSSL finds among those it trusts.
    "anybody, where nobody is trusted": (
        GOOD,
        Pod(issue(), trusts=(NOBODY,)),
        "self-signed certificate in certificate chain",
    ),
}


@pytest.mark.parametrize(("refused", "other", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_either_end_refuses(tmp_path: Path, refused: Pod, other: Pod, why: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=why):
        meet(refused.serve(tmp_path), other.call(tmp_path))
    with pytest.raises(ssl.SSLCertVerificationError, match=why):
        meet(other.serve(tmp_path), refused.call(tmp_path))


def test_who_has_no_certificate_is_refused(tmp_path: Path) -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(cadata=bundle.write(GOOD.trusts))
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        meet(GOOD.serve(tmp_path), client)
