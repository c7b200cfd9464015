"""How the API server comes to trust us: a certificate in a Secret, and its authority in our webhook configuration.

Every replica sees to both, and none leads: each write says which version it is based on, so that of two the second
fails, looks again, and finds nothing left to do. A new certificate is served once its authority is where the API
server looks for it, and the authority of the one before stays there until that has ended.
"""

import base64
import logging
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sovereign_operator.injector import metrics
from sovereign_operator.kube.api import JSON_PATCH, MERGE, Api, Json
from sovereign_operator.kube.errors import ConflictError
from sovereign_operator.kube.resource import MUTATING_WEBHOOKS, SECRETS
from sovereign_operator.pki.serving import Serving

logger = logging.getLogger(__name__)

SERVICE: Final = "sovereign-injector"
SECRET: Final = "sovereign-injector-tls"  # noqa: S105 - its name
WEBHOOKS: Final = "sovereign-injector"
"""Our MutatingWebhookConfiguration."""

LOOK_SECONDS: Final = 10.0
SOON_SECONDS: Final = 1.0
"""After a write: until API servers have seen it."""

CERTIFICATE, KEY, AUTHORITIES = "tls.crt", "tls.key", "ca.crt"


@dataclass(frozen=True)
class Keep:
    """What is to be kept: the certificate, and the trust in it."""


class Identity:
    """The certificate of this replica, and what it takes to be trusted."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._served: Serving | None = None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """Has the certificate for new connections as soon as there is one."""
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3

    @property
    def ready(self) -> bool:
        """Whether the API server can ask us."""
        return self._served is not None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names by which an API server knows the Service: it asks for the second one."""
        name = f"{SERVICE}.{self._namespace}"
        return name, f"{name}.svc", f"{name}.svc.cluster.local"

    async def keep(self, _: Keep) -> float:
        """Look after everything once, and return in how many seconds to look again."""
        try:
            serving = await self._ensure_certificate()
            trusted = await self._ensure_trust(serving) if serving else False
        except ConflictError:
            # Another replica was first.
            return SOON_SECONDS
        if serving is None or not trusted:
            return SOON_SECONDS
        if serving != self._served:
            load(self.context, serving)
            self._served = serving
            end = serving.certificate.not_valid_after_utc
            metrics.CERTIFICATE_END.set(end.timestamp())
            logger.info("serving with a certificate until %s", end.isoformat())
        return LOOK_SECONDS

    async def _ensure_certificate(self) -> Serving | None:
        """Return the certificate of the Secret; None if it was written just now. Raises ConflictError.

        The chart makes the Secret: who may create one beside the signer's could bring it an authority.
        """
        secret = await self._api.get(SECRETS, SECRET, self._namespace)
        now = self._api.clock.now()
        found = decode(secret.get("data") or {})
        if found and not found.is_due(self.hosts, now):
            return found
        made = Serving.make(self.hosts, now, found.authorities if found else ())
        version = {"resourceVersion": secret["metadata"]["resourceVersion"]}
        body = {"metadata": version, "data": encode(made)}
        await self._api.patch(SECRETS, SECRET, body, content_type=MERGE, namespace=self._namespace)
        logger.info("wrote a certificate into Secret %s", SECRET)
        return None

    async def _ensure_trust(self, serving: Serving) -> bool:
        """Return whether our webhooks trusted the certificate's authority already; else have them do so."""
        configuration = await self._api.get(MUTATING_WEBHOOKS, WEBHOOKS)
        operations = distrusting(configuration, base64.b64encode(serving.authorities_pem).decode())
        if not operations:
            return True
        await self._api.patch(MUTATING_WEBHOOKS, WEBHOOKS, operations, content_type=JSON_PATCH)
        logger.info("MutatingWebhookConfiguration %s trusts our certificate again", WEBHOOKS)
        return False


def distrusting(configuration: Json, bundle: str) -> list[Json]:
    """Return the JSON patch that has all webhooks trust a bundle, fenced by the version; empty if they do."""
    operations = [
        {"op": "add", "path": f"/webhooks/{position}/clientConfig/caBundle", "value": bundle}
        for position, webhook in enumerate(configuration.get("webhooks") or ())
        if webhook["clientConfig"].get("caBundle") != bundle
    ]
    if not operations:
        return []
    version = configuration["metadata"]["resourceVersion"]
    return [{"op": "replace", "path": "/metadata/resourceVersion", "value": version}, *operations]


def encode(serving: Serving) -> dict[str, str]:
    """Return the data of a Secret."""
    data = {CERTIFICATE: serving.certificate_pem, KEY: serving.key_pem, AUTHORITIES: serving.authorities_pem}
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def decode(data: Mapping[str, Any]) -> Serving | None:
    """Read the data of a Secret; None if that is of no use."""
    try:
        return Serving.read(*(base64.b64decode(data[key]) for key in (CERTIFICATE, KEY, AUTHORITIES)))
    except KeyError:
        return None
    except ValueError as error:
        logger.warning("Secret %s holds no certificate that can be used: %s", SECRET, error)
        return None


def load(context: ssl.SSLContext, serving: Serving) -> None:
    """Have new connections use a certificate. OpenSSL reads files, and there is no disk: so, a file in memory."""
    descriptor = os.memfd_create("tls")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(serving.key_pem + serving.certificate_pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
