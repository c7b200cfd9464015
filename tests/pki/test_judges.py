"""OpenSSL and Go accept all our certificates, and detect each fault."""

import re
import subprocess
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sovereign_operator.core.placement.calendar import NEVER
from sovereign_operator.pki import bundle, certificates, leaf, spiffe
from sovereign_operator.pki.authority import Authority
from sovereign_operator.pki.imported_authority import check_brought
from tests.certificates import (
    ALLOWED_KEYS,
    BEGIN,
    DAY,
    DNS_LABELS,
    DNS_NAMES,
    END,
    INSTANTS,
    NOW,
    NUMBERS,
    SHORT_DNS_NAMES,
    TRUST_DOMAIN,
    TRUST_DOMAINS,
    WORKLOAD,
    make,
    private_key,
    remake,
    uris,
)
from tests.pki.judges import Judge
from tests.pki.svid import leaf_faults, signing_faults

SECOND = timedelta(seconds=1)

few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def issue(authority: Authority, kind: str = "p256", spiffe_id: str = WORKLOAD, **changes: Any) -> x509.Certificate:
    wanted: dict[str, Any] = {"serial": 1, "not_before": NOW - DAY, "not_after": NOW + DAY} | changes
    return x509.load_pem_x509_certificate(leaf.issue(authority, private_key(kind).public_key(), spiffe_id, **wanted))


@few
@given(
    names=st.tuples(SHORT_DNS_NAMES, SHORT_DNS_NAMES, NUMBERS),
    identity=st.tuples(TRUST_DOMAINS, DNS_LABELS, DNS_NAMES),
    dates=INSTANTS.flatmap(lambda begin: st.tuples(st.just(begin), st.sampled_from([begin + DAY, NEVER]))),
    keys=st.tuples(st.sampled_from(ALLOWED_KEYS), st.sampled_from(["p256", "p384", "p521"])),
)
def test_whatever_its_names_dates_and_keys_a_leaf_is_good(
    judge: Judge,
    names: tuple[str, str, str],
    identity: tuple[str, str, str],
    dates: tuple[datetime, datetime],
    keys: tuple[str, str],
) -> None:
    (begin, end), (kind, signer) = dates, keys
    authority = make(*names, trust_domain=identity[0], not_before=begin, not_after=end, key=private_key(signer))
    made = issue(
        authority,
        kind,
        spiffe.workload_id(*identity),
        serial=leaf.serial_for("uid", authority),
        not_before=begin,
        not_after=end,
    )
    assert not judge([authority.certificate], made, begin.replace(microsecond=0) + SECOND)
    assert not signing_faults(authority.certificate)
    assert not leaf_faults(made)


OLD, NEW, TWIN, OTHER = make(number="1"), make(number="2"), make(number="1"), make(datacentre="paris")


@pytest.mark.parametrize("signer", [OLD, NEW, TWIN])
@pytest.mark.parametrize("roots", list(permutations([OLD, NEW, TWIN])))
def test_authorities_of_one_datacentre_stand_side_by_side(
    judge: Judge, signer: Authority, roots: tuple[Authority, ...]
) -> None:
    assert not judge([root.certificate for root in roots], issue(signer), NOW)


def test_a_bundle_is_as_good_as_its_authorities(judge: Judge) -> None:
    written = bundle.write([OTHER.certificate, OLD.certificate, OLD.certificate])
    assert not judge(certificates.read(written.encode()), issue(OLD), NOW)


def forge(authority: Authority, *extensions: tuple[x509.ExtensionType, bool], **fields: Any) -> x509.Certificate:
    """Make a leaf that we would not issue."""
    key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    subject = authority.certificate.subject
    return remake(issue(OLD), authority.key, (key, False), *extensions, **({"issuer": subject} | fields))


ENDED = make(not_after=NOW - SECOND)
GOOD = [OLD.certificate]

REFUSED: dict[str, tuple[Sequence[x509.Certificate], x509.Certificate, datetime, str]] = {
    "another authority": (
        [NEW.certificate, OTHER.certificate],
        issue(OLD),
        NOW,
        "unable to get local issuer|unknown authority",
    ),
    "an authority with the same names": ([TWIN.certificate], issue(OLD), NOW, "unable to get local|unknown authority"),
    "nobody": ([bundle.nobody(TRUST_DOMAIN, BEGIN, END)], issue(OLD), NOW, "unable to get local|unknown authority"),
    "an expired leaf": (GOOD, issue(OLD), NOW + DAY + SECOND, "expired"),
    "a leaf before its time": (GOOD, issue(OLD), NOW - DAY - SECOND, "not yet valid"),
    "an expired authority": ([ENDED.certificate], forge(ENDED), NOW, "expired"),
    "a leaf for servers alone": (
        GOOD,
        forge(OLD, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)),
        NOW,
        "purpose|incompatible key usage",
    ),
    "a leaf for clients alone": (
        GOOD,
        forge(OLD, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)),
        NOW,
        "purpose|incompatible key usage",
    ),
    "a changed leaf": (GOOD, remake(issue(OLD), NEW.key), NOW, "signature failure|unknown authority"),
}


@pytest.mark.parametrize(("roots", "made", "now", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_each_fault_is_seen(
    judge: Judge, roots: Sequence[x509.Certificate], made: x509.Certificate, now: datetime, why: str
) -> None:

    assert re.search(why, judge(roots, made, now))


@pytest.mark.parametrize("kind", ALLOWED_KEYS)
def test_a_kubelets_request_is_answered(go_program: Path, kind: str) -> None:
    """A kubelet makes its stub requests with the same call of Go's library, for the same kinds of keys."""
    der = subprocess.run([go_program, "request", kind], capture_output=True, check=True).stdout
    key = leaf.public_key_of(der)
    pem = leaf.issue(OLD, key, WORKLOAD, serial=leaf.serial_for("uid", OLD), not_before=NOW, not_after=NOW + DAY)
    assert x509.load_pem_x509_certificate(pem).public_key() == key


def hosts(*names: str) -> list[x509.UniformResourceIdentifier]:
    return [x509.UniformResourceIdentifier(name) for name in names]


def mostly(harmless: list[Any], *harmful: Any) -> st.SearchStrategy[Any]:
    """Draw harmless values so often that a combination of several is often harmless."""
    return st.sampled_from([*harmless * 8, *harmful])


ANY_BASIC = mostly(
    [(x509.BasicConstraints(ca=True, path_length=0), True)],
    (x509.BasicConstraints(ca=True, path_length=0), False),
    (x509.BasicConstraints(ca=True, path_length=1), True),
    (x509.BasicConstraints(ca=False, path_length=None), True),
)
ANY_USAGE = mostly(
    [(certificates.usage("key_cert_sign"), True), (certificates.usage("key_cert_sign", "crl_sign"), True)],
    (certificates.usage("crl_sign"), True),
    (certificates.usage("key_cert_sign"), False),
)
ANY_PURPOSES = mostly(
    [None, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False)],
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
)
ANY_CONSTRAINTS = mostly(
    [
        None,
        (x509.NameConstraints(hosts(".example.org"), None), True),
        (x509.NameConstraints(hosts("EXAMPLE.com", "Cluster-1.example.ORG"), None), False),
        (x509.NameConstraints(None, hosts("r-1.example.org", ".b")), True),
        (x509.NameConstraints(hosts(".org"), hosts("cluster-2.example.org")), True),
    ],
    (x509.NameConstraints(hosts("org"), None), True),
    (x509.NameConstraints(None, hosts("example.org")), True),
    (x509.NameConstraints(hosts(TRUST_DOMAIN), [x509.DNSName("a")]), True),
)
ANY_ALTERNATIVES = mostly([(uris(f"spiffe://{TRUST_DOMAIN}"), False)], (uris("spiffe://other.example.org"), True), None)
ANY_NAME = mostly([x509.Name.from_rfc4514_string(text) for text in ("CN=Société d'Exemple", "O=a,CN=b")], x509.Name([]))
KINDS = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.NameConstraints, x509.SubjectAlternativeName)
IDENTIFIERS = (x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier)


@few
@given(
    extensions=st.tuples(ANY_BASIC, ANY_USAGE, ANY_PURPOSES, ANY_CONSTRAINTS, ANY_ALTERNATIVES),
    lost=mostly([(), IDENTIFIERS[:1]], IDENTIFIERS),
    name=ANY_NAME,
    kind=st.sampled_from(["p256", "p384", "p521"]),
)
def test_whatever_may_be_brought_issues_good_leaves(
    judge: Judge,
    extensions: tuple[tuple[x509.ExtensionType, bool] | None, ...],
    lost: tuple[type[x509.ExtensionType], ...],
    name: x509.Name,
    kind: str,
) -> None:
    own = make(key=private_key(kind))
    chosen = [extension for extension in extensions if extension]
    brought = remake(own.certificate, own.key, *chosen, without=(*KINDS, *lost), subject=name, issuer=name)
    if not check_brought(brought, own.key, trust_domain=TRUST_DOMAIN, now=NOW, latest=END):
        assert not signing_faults(brought)
        assert not judge([brought, OLD.certificate], issue(Authority(brought, own.key)), NOW)
