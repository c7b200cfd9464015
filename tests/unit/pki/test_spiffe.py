import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sovereign_operator.pki import spiffe
from tests.certificates import DNS_LABELS, DNS_NAMES, TRUST_DOMAIN, TRUST_DOMAINS, WORKLOAD
from tests.pki.svid import is_spiffe_id


def test_an_id_names_trust_domain_namespace_and_service_account() -> None:
    assert spiffe.workload_id(TRUST_DOMAIN, "hospital", "records") == WORKLOAD
    assert spiffe.authority_id(TRUST_DOMAIN) == "spiffe://cluster-1.example.org"


@given(TRUST_DOMAINS, DNS_LABELS, DNS_NAMES)
@example("a" * 255, "n" * 63, "s" * 253)
def test_whatever_kubernetes_allows_makes_a_valid_id(trust_domain: str, namespace: str, account: str) -> None:
    made = spiffe.workload_id(trust_domain, namespace, account)
    assert is_spiffe_id(made)
    assert spiffe.trust_domain_of(made) == trust_domain
    assert spiffe.trust_domain_of(spiffe.authority_id(trust_domain)) == trust_domain


TEXT = st.text("aZ0.-_/:%@?# \né", max_size=12) | st.text(max_size=3)


@given(TEXT | st.just("a.b"), TEXT | st.just("n"), TEXT | st.just("s"))
def test_any_text_makes_a_valid_id_or_none(trust_domain: str, namespace: str, account: str) -> None:
    try:
        made = spiffe.workload_id(trust_domain, namespace, account)
    except ValueError:
        return
    assert is_spiffe_id(made)
    assert made.count("/") == 6


@given(TEXT.map("spiffe://".__add__) | TEXT)
def test_any_text_is_read_as_the_standard_says_or_not_at_all(text: str) -> None:
    try:
        read = spiffe.trust_domain_of(text)
    except ValueError:
        return
    assert is_spiffe_id(text)
    assert text.split("/")[2] == read


@pytest.mark.parametrize(
    ("trust_domain", "advice"),
    [
        ("", "use lower-case letters"),
        ("Example.org", "use lower-case letters"),
        ("example.org:443", "use lower-case letters"),
        ("user@example.org", "use lower-case letters"),
        ("example.org\n", "use lower-case letters"),
        ("exämple.org", "use lower-case letters"),
        ("a" * 256, "use at most 255 characters"),
        (".example.org", "before and after each dot"),
        ("example.org.", "before and after each dot"),
        ("example..org", "before and after each dot"),
        (".", "before and after each dot"),
        ("10.0.0.1", "use a name"),
    ],
)
def test_a_bad_trust_domain_is_refused_with_advice(trust_domain: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        spiffe.authority_id(trust_domain)
    with pytest.raises(ValueError, match=advice):
        spiffe.workload_id(trust_domain, "n", "s")
    with pytest.raises(ValueError, match=advice):
        spiffe.trust_domain_of(f"spiffe://{trust_domain}")


@pytest.mark.parametrize("segment", ["", ".", "..", "a/b", "a%20b", "a b", "é", "a\n", "a?b", "a#b"])
def test_a_bad_name_is_refused_with_advice(segment: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"namespace {segment!r}: use letters")):
        spiffe.workload_id("a.b", segment, "s")
    with pytest.raises(ValueError, match=re.escape(f"service account {segment!r}: use letters")):
        spiffe.workload_id("a.b", "n", segment)


@pytest.mark.parametrize(
    "text", ["", "a.b", "https://a.b/c", "SPIFFE://a.b/c", "spiffe:/a.b", "spiffe://a.b/", "spiffe://a.b//c"]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r": (write|use|put) "):
        spiffe.trust_domain_of(text)


def test_an_id_has_at_most_2048_characters() -> None:
    most = 2048 - len("spiffe://a.b/ns/n/sa/")
    assert len(spiffe.workload_id("a.b", "n", "s" * most)) == 2048
    with pytest.raises(ValueError, match="use shorter names"):
        spiffe.workload_id("a.b", "n", "s" * (most + 1))
    with pytest.raises(ValueError, match="use shorter names"):
        spiffe.trust_domain_of("spiffe://a.b/" + "s" * 2048)
