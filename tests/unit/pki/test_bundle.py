import base64
import random
import re
import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.placement.calendar import NEVER
from sovereign_operator.pki import bundle
from sovereign_operator.pki.bundle import TrustAnchor
from tests.certificates import BEGIN, END, TRUST_DOMAIN, make, remake
from tests.pki.svid import signing_faults

AUTHORITIES = [make(datacentre=datacentre, number=number) for datacentre in ("brest", "nice") for number in "12"]
CERTIFICATES = [authority.certificate for authority in AUTHORITIES]
ALL = bundle.write(CERTIFICATES)


def test_a_bundle_tells_whom_it_trusts() -> None:
    certificate = AUTHORITIES[0].certificate
    assert bundle.read(bundle.write([certificate])) == (
        TrustAnchor(
            policy="secnumcloud",
            datacentre="brest",
            number="1",
            trust_domain=TRUST_DOMAIN,
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
            not_before=BEGIN,
            not_after=END,
        ),
    )


@given(st.lists(st.sampled_from(CERTIFICATES), min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_the_same_authorities_make_the_same_bundle(chosen: list[x509.Certificate], order: random.Random) -> None:
    written = bundle.write(chosen)
    again = bundle.write(order.sample(chosen * 2, len(chosen) * 2))
    assert again == written
    found = [anchor.fingerprint for anchor in bundle.read(written)]
    assert found == sorted({certificate.fingerprint(hashes.SHA256()).hex() for certificate in chosen})


def test_a_bundle_holds_certificate_blocks_without_headers_alone() -> None:
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/=]{1,64}\n)+-----END CERTIFICATE-----\n", ALL)
    assert "".join(blocks) == ALL
    assert len(blocks) == len(CERTIFICATES)


def test_an_empty_bundle_is_not_written() -> None:
    with pytest.raises(ValueError, match="put nobody's certificate into it"):
        bundle.write([])


@pytest.mark.parametrize(
    "text", ["", "\n", "garbage", "é", ALL[:500], ALL.replace("MII", "AII"), AUTHORITIES[0].key_pem.decode()]
)
def test_garbage_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ValueError, match="not certificates in PEM, put CERTIFICATE blocks there"):
        bundle.read(text)


DER = CERTIFICATES[0].public_bytes(serialization.Encoding.DER)


def dress(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----\n"


URI = f"spiffe://{TRUST_DOMAIN}".encode()
UNREADABLE = {
    "version 6": (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05"),
    "an extension twice": (b"\x06\x03\x55\x1d\x23", b"\x06\x03\x55\x1d\x0e"),
    "an X.400 address": (b"\x86\x1e" + URI[:2], b"\xa3\x1e\x04\x1c"),
    "a name that is no ASCII": (URI, b"\xff" * len(URI)),
    "a key on no curve": (b"\x2a\x86\x48\xce\x3d\x03\x01\x07", b"\x2a\x86\x48\xce\x3d\x03\x01\x7f"),
}


@pytest.mark.parametrize(("whole", "broken"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cryptography_cannot_read_is_refused_with_advice(whole: bytes, broken: bytes) -> None:
    assert whole in DER
    with pytest.raises(ValueError, match="not certificates in PEM, put CERTIFICATE blocks there"):
        bundle.read(dress(DER.replace(whole, broken)))


@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_a_bundle_with_any_byte_changed_is_read_or_refused(place: int, change: int) -> None:
    der = bytearray(DER)
    der[place] ^= change
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cryptography warns of input that later versions will refuse
        try:
            (anchor,) = bundle.read(dress(bytes(der)))
        except ValueError as error:
            assert "put CERTIFICATE blocks there" in str(error)  # noqa: PT017 - it may also be read
            return
    assert anchor.fingerprint != CERTIFICATES[0].fingerprint(hashes.SHA256()).hex()


def test_what_others_wrote_is_read_with_what_it_says() -> None:
    mine, theirs = AUTHORITIES[0], x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "paris")])
    certificate = remake(
        mine.certificate, mine.key, subject=theirs, issuer=theirs, without=[x509.SubjectAlternativeName]
    )
    written = "# a comment\n" + certificate.public_bytes(serialization.Encoding.PEM).decode().replace("\n", "\r\n")
    (anchor,) = bundle.read(written)
    assert (anchor.policy, anchor.datacentre, anchor.number, anchor.trust_domain) == (None, None, None, None)
    assert (anchor.not_before, anchor.not_after) == (BEGIN, END)


def test_nobody_is_an_authority_that_is_nobodys() -> None:
    certificate = bundle.nobody(TRUST_DOMAIN, BEGIN, NEVER)
    assert certificate.subject.rfc4514_string() == "CN=nobody"
    assert not signing_faults(certificate)
    anchor = bundle.describe(certificate)
    assert (anchor.policy, anchor.datacentre, anchor.trust_domain) == (None, None, TRUST_DOMAIN)
    assert bundle.read(bundle.write([certificate])) == (anchor,)


def test_each_nobody_is_another() -> None:
    keys = [bundle.nobody(TRUST_DOMAIN, BEGIN, END).public_key() for _ in range(2)]
    assert keys[0] != keys[1]
