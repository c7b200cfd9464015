"""The injector's webhooks, and the certificates by which the API server recognises the injector (``caBundle``).

By default these certificates are not part of the chart: a Job writes them into the webhooks and publishes them in a
ConfigMap. The chart's values may set them, or leave them to cert-manager.
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
    """Return the spec of webhooks without its caBundles; any other spec unchanged."""
    if not spec or "webhooks" not in spec:
        return spec
    return [
        webhook | {"clientConfig": {key: value for key, value in webhook["clientConfig"].items() if key != "caBundle"}}
        for webhook in spec["webhooks"]
    ]


def trust_fault(live: Any, installed: Any, published: frozenset[str] | None, *, settling: bool) -> str:
    """Return what is wrong with the caBundles of webhooks that are otherwise as installed; empty if nothing is.

    ``published`` are the certificates that they may trust; None if none are published. While an installation or an
    upgrade is ``settling``, they may be missing.
    """
    trust = installed.get(TRUST, OTHERS)
    for webhook, wanted in zip(live["webhooks"], installed["webhooks"], strict=True) if trust != OTHERS else ():
        trusted = _certificates_of(webhook)
        right = _certificates_of(wanted) if trust == GIVEN else published
        if right is not None and not trusted <= right:
            return "trusts another certificate authority than the injector's"
        if settling:
            continue
        if not trusted:
            return "does not trust the injector, so that pods that need a sidecar are refused"
        if right is None:
            return "trusts a certificate authority that cannot be checked: the injector's is not published"
    return ""


def _certificates_of(webhook: Any) -> frozenset[str]:
    bundle = base64.b64decode(webhook["clientConfig"].get("caBundle") or "")
    return read_certificates(bundle.decode(errors="replace"))


def read_certificates(pem: str) -> frozenset[str]:
    """Return the certificates in PEM, each as one line, so that they can be compared."""
    return frozenset("".join(body.split()) for body in _CERTIFICATE.findall(pem))
