"""Which authorities may be imported, and the advice about those that may not."""

import re
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from sovereign_operator.pki import certificates
from tests.certificates import BEGIN, DAY, END, NOW, TRUST_DOMAIN, make, private_key, remake, uris
from tests.unit.pki.authorities import OURS, check


def constrain(permitted: list[str] | None = None, excluded: list[str] | None = None) -> x509.NameConstraints:
    def listed(hosts: list[str] | None) -> list[x509.UniformResourceIdentifier] | None:
        return [x509.UniformResourceIdentifier(host) for host in hosts] if hosts else None

    return x509.NameConstraints(listed(permitted), listed(excluded))


def changed(*extensions: tuple[x509.ExtensionType, bool], **fields: Any) -> x509.Certificate:
    return remake(OURS.certificate, OURS.key, *extensions, **fields)


def test_an_authority_of_ours_may_be_brought() -> None:
    assert not check(OURS.certificate)
    assert not check(OURS.certificate, now=BEGIN)
    assert not check(remake(OURS.certificate, OURS.key))


@pytest.mark.parametrize(
    ("extensions", "without"),
    [
        ([], [x509.AuthorityKeyIdentifier]),
        ([(constrain([".example.org"]), True)], []),
        ([(constrain(["EXAMPLE.com", TRUST_DOMAIN.upper()]), True)], []),
        ([(constrain(excluded=["example.com", "2.example.org", "r-1.example.org"]), True)], []),
        ([(certificates.usage("key_cert_sign"), True)], []),
        ([(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), False)], []),
    ],
)
def test_what_differs_without_harm_may_be_brought(
    extensions: list[tuple[x509.ExtensionType, bool]], without: list[type[x509.ExtensionType]]
) -> None:
    assert not check(changed(*extensions, without=without))


FAULTS: dict[str, tuple[x509.Certificate, str]] = {
    "no basic constraints": (changed(without=[x509.BasicConstraints]), "it is no CA"),
    "no CA": (changed((x509.BasicConstraints(ca=False, path_length=None), True)), "it is no CA"),
    "any path length": (changed((x509.BasicConstraints(ca=True, path_length=None), True)), "pathlen:0"),
    "path length 1": (changed((x509.BasicConstraints(ca=True, path_length=1), True)), "pathlen:0"),
    "no critical basic constraints": (
        changed((x509.BasicConstraints(ca=True, path_length=0), False)),
        "its BasicConstraints are not critical",
    ),
    "no key usage": (changed(without=[x509.KeyUsage]), "its key usage lacks keyCertSign"),
    "another key usage": (changed((certificates.usage("crl_sign"), True)), "its key usage lacks keyCertSign"),
    "no critical key usage": (changed((certificates.usage("key_cert_sign"), False)), "its KeyUsage"),
    "another purpose": (
        changed((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)),
        "its extended key usage forbids",
    ),
    "no subject": (changed(subject=x509.Name([]), issuer=x509.Name([])), "it has no subject"),
    "no key identifier": (changed(without=[x509.SubjectKeyIdentifier]), "it has no subject key identifier"),
    "an unknown critical extension": (changed((x509.InhibitAnyPolicy(0), True)), "critical extension 2.5.29.54"),
    "another issuer": (changed(issuer=make("other").certificate.subject), "it is not self-signed"),
    "another signer": (remake(OURS.certificate, make().key), "it is not self-signed"),
    "another kind of signer": (remake(OURS.certificate, private_key("rsa3072")), "it is not self-signed"),
    "not yet valid": (changed(begin=NOW + timedelta(seconds=1)), "it is not valid before 2030-06-15T12:00:01+00:00"),
    "expired": (changed(end=NOW), "it ended at 2030-06-15T12:00:00+00:00"),
    "too long": (changed(end=END + timedelta(seconds=1)), "it ends at 2031-01-01T00:00:01+00:00, but the datacentre"),
    "no trust domain": (changed(without=[x509.SubjectAlternativeName]), "it does not name its trust domain"),
    "another trust domain": (changed((uris("spiffe://other"), False)), "it does not name its trust domain"),
    "a path": (changed((uris(f"spiffe://{TRUST_DOMAIN}/ca"), False)), "it does not name its trust domain"),
    "two names": (changed((uris(f"spiffe://{TRUST_DOMAIN}", "spiffe://x"), False)), "it does not name its trust"),
    "no SPIFFE ID": (changed((uris("https://x"), False)), "it does not name its trust domain"),
    "another domain permitted": (changed((constrain(["example.org"]), True)), "exclude trust domain cluster-1"),
    "only what is below permitted": (changed((constrain([f".{TRUST_DOMAIN}"]), True)), "exclude trust domain"),
    "excluded": (changed((constrain(excluded=[TRUST_DOMAIN]), True)), "exclude trust domain"),
    "excluded as one of many": (changed((constrain([TRUST_DOMAIN], [".org"]), True)), "exclude trust domain"),
    "excluded by some libraries": (changed((constrain(excluded=["Example.org"]), True)), "exclude trust domain"),
    "other constraints": (changed((x509.NameConstraints([x509.DNSName("x")], None), True)), "other names than URIs"),
}


@pytest.mark.parametrize(("certificate", "problem"), FAULTS.values(), ids=FAULTS.keys())
def test_one_fault_is_one_problem_with_advice(certificate: x509.Certificate, problem: str) -> None:
    (found,) = check(certificate)
    assert problem in found
    assert re.search(": .|, ", found)


def test_a_key_that_does_not_fit_is_a_problem() -> None:
    assert check(OURS.certificate, make().key) == ("the key is not the certificate's: bring those of one CA",)
    assert "use ECDSA" in check(OURS.certificate, private_key("rsa3072"))[0]


def test_a_common_root_is_refused_with_the_reason() -> None:
    (found,) = check(FAULTS["another issuer"][0])
    assert "whoever trusts a common root trusts every datacentre below it, accepted or not" in found


def test_all_problems_are_told_at_once() -> None:
    worst = changed(
        (x509.BasicConstraints(ca=False, path_length=None), True),
        without=[x509.KeyUsage, x509.SubjectAlternativeName],
        issuer=x509.Name([]),
        begin=NOW - 2 * DAY,
        end=NOW - DAY,
    )
    assert len(check(worst, private_key("rsa3072"))) == 6
