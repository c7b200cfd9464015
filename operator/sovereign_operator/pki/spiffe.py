"""SPIFFE IDs: the name of a pod in its certificate.

The SPIFFE ID standard decides what is one. For trust domains we are a little stricter: an authority carries its
own as a URI, and TLS libraries read the name of a host in that.
"""

import re
from ipaddress import IPv4Address
from typing import Final

SCHEME: Final = "spiffe://"

_LONGEST_ID: Final = 2048
_LONGEST_TRUST_DOMAIN: Final = 255
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9._-]+")
_SEGMENT: Final = re.compile(r"[a-zA-Z0-9._-]+")


def authority_id(trust_domain: str) -> str:
    """Return the id of a trust domain, which its authorities carry. Raises ValueError."""
    _check_trust_domain(trust_domain)
    return SCHEME + trust_domain


def workload_id(trust_domain: str, namespace: str, service_account: str) -> str:
    """Return the id of the pods of a service account. It stays when they move. Raises ValueError."""
    spiffe_id = f"{authority_id(trust_domain)}/ns/{namespace}/sa/{service_account}"
    _check_segment("namespace", namespace)
    _check_segment("service account", service_account)
    _check_length(spiffe_id)
    return spiffe_id


def trust_domain_of(spiffe_id: str) -> str:
    """Return the trust domain of any valid SPIFFE ID, with or without a path. Raises ValueError."""
    if not spiffe_id.startswith(SCHEME):
        raise ValueError(f"{spiffe_id!r} is no SPIFFE ID: write {SCHEME}TRUST-DOMAIN/PATH")
    _check_length(spiffe_id)
    trust_domain, *segments = spiffe_id.removeprefix(SCHEME).split("/")
    _check_trust_domain(trust_domain)
    for segment in segments:
        _check_segment("path segment", segment)
    return trust_domain


def _check_trust_domain(trust_domain: str) -> None:
    if not _TRUST_DOMAIN.fullmatch(trust_domain):
        raise ValueError(f"trust domain {trust_domain!r}: use lower-case letters, digits, '.', '-' and '_'")
    if len(trust_domain) > _LONGEST_TRUST_DOMAIN:
        raise ValueError(f"trust domain {trust_domain!r}: use at most {_LONGEST_TRUST_DOMAIN} characters")
    if "" in trust_domain.split("."):
        raise ValueError(f"trust domain {trust_domain!r}: put something before and after each dot")
    if _is_address(trust_domain):
        raise ValueError(f"trust domain {trust_domain!r}: use a name, TLS libraries take no address")


def _check_segment(what: str, segment: str) -> None:
    if not _SEGMENT.fullmatch(segment) or segment in {".", ".."}:
        raise ValueError(f"{what} {segment!r}: use letters, digits, '.', '-' and '_', and not only one or two dots")


def _check_length(spiffe_id: str) -> None:
    if len(spiffe_id) > _LONGEST_ID:
        raise ValueError(f"{spiffe_id[:40]!r}...: use shorter names, a SPIFFE ID has at most {_LONGEST_ID} characters")


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True
