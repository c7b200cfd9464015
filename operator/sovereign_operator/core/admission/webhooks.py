"""Our webhooks, and whom the API server trusts to be them.

Who that is, is by default no part of the chart: a Job writes it into the webhooks and publishes it beside them. The
chart's values may give it, or leave it to others.
"""

import base64
import re
from typing import Any, Final

WEBHOOKS: Final = "MutatingWebhookConfiguration"
"""A kind that has a list of webhooks where admission policies have a spec."""

TRUST: Final = "trust"
"""Beside that list, as the chart has it: one of these."""
GIVEN: Final = "Given"
PUBLISHED: Final = "Published"
OTHERS: Final = "Others"

_CERTIFICATE: Final = re.compile("-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


def without_trust(spec: Any) -> Any:
    """Return the spec of webhooks without what it says of whom to trust; any other as it is."""
    if not spec or "webhooks" not in spec:
        return spec
    return [
        webhook | {"clientConfig": {key: value for key, value in webhook["clientConfig"].items() if key != "caBundle"}}
        for webhook in spec["webhooks"]
    ]


def trust_fault(live: Any, installed: Any, published: frozenset[str] | None, *, settling: bool) -> str:
    """Return what is wrong with whom webhooks trust that are as installed otherwise; empty if nothing is.

    ``published`` are the certificates that may be trusted, None if nobody has published any. While an installation or
    an upgrade is ``settling``, they may not be there yet.
    """
    trust = installed.get(TRUST, OTHERS)
    for webhook, wanted in zip(live["webhooks"], installed["webhooks"], strict=True) if trust != OTHERS else ():
        trusted = _certificates_of(webhook)
        right = _certificates_of(wanted) if trust == GIVEN else published
        if right is not None and not trusted <= right:
            return "trusts somebody else than the injector"
        if settling:
            continue
        if not trusted:
            return "does not trust the injector, so that pods that need a sidecar are refused"
        if right is None:
            return "trusts somebody, and nobody can tell whether it should: its authority is not published"
    return ""


def _certificates_of(webhook: Any) -> frozenset[str]:
    bundle = base64.b64decode(webhook["clientConfig"].get("caBundle") or "")
    return read_certificates(bundle.decode(errors="replace"))


def read_certificates(pem: str) -> frozenset[str]:
    """Return the certificates in PEM, each as one line, so that they can be compared."""
    return frozenset("".join(body.split()) for body in _CERTIFICATE.findall(pem))
