"""An authority, and the problems of one that is to be imported."""

from typing import Any

from cryptography import x509

from sovereign_operator.pki.imported_authority import check_brought
from tests.certificates import END, NOW, TRUST_DOMAIN, make

OURS = make()


def check(certificate: x509.Certificate, key: Any = OURS.key, **changes: Any) -> tuple[str, ...]:
    given: dict[str, Any] = {"trust_domain": TRUST_DOMAIN, "now": NOW, "latest": END} | changes
    return check_brought(certificate, key, **given)
