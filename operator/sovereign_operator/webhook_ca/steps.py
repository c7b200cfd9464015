"""The steps of the two Jobs: create a certificate authority for the injector, and make the API server trust it.

A process that may write a webhook configuration can read and change every request to the API server. So no long-running
process has that right. Both steps may run at any time and repeatedly: they keep what exists.

An authority is trusted before it is used. When one replaces another, both are trusted at first. A later run of the
step ``trust``, more than an hour after the authority was created, removes the former one.
"""

import base64
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from cryptography import x509

from sovereign_operator.core import names
from sovereign_operator.kube.client.api import APPLY, JSON_PATCH, MERGE, Api, Json
from sovereign_operator.kube.client.errors import NotFoundError
from sovereign_operator.kube.client.resource import CONFIG_MAPS, MUTATING_WEBHOOKS, SECRETS
from sovereign_operator.pki import certificates
from sovereign_operator.pki.authority import Authority
from sovereign_operator.pki.serving import BACKDATED, Serving, make_authority, read_authority

logger = logging.getLogger(__name__)

CERTIFICATE, KEY = "tls.crt", "tls.key"
OVERLAP: Final = timedelta(hours=1)
"""How long after an authority is created its predecessor stays trusted: replicas that sign with it may still run."""

FORMER_SECRET: Final = "sovereign-injector-tls"  # noqa: S105 - its name
"""Injectors of earlier versions, which wrote their own webhook configuration, keep certificate, key and bundle here."""


class UnusableError(Exception):
    """The Secret of the authority exists, but cannot be used. The text states what to do."""


@dataclass(frozen=True)
class Steps:
    """The steps of the Jobs. ``namespace`` is the operator's."""

    api: Api
    namespace: str
    writer: str
    """Field manager of this Job's pod. If two pods create an authority at once, the second gets a conflict."""

    async def create(self) -> None:
        """Create an authority unless one exists. Raises UnusableError."""
        if await self._read():
            logger.info("Secret %s exists already and is not changed", names.INJECTOR_CA)
            return
        made = make_authority(names.injector_hosts(self.namespace), self.api.clock.now())
        try:
            await self._trust(made.certificate, made)
        except NotFoundError:
            # The installation that has begun creates the webhook configuration. The step ``trust`` follows it.
            await self._publish((made.certificate,))
        data = {CERTIFICATE: _encode(made.certificate_pem), KEY: _encode(made.key_pem)}
        metadata = {"name": names.INJECTOR_CA, "namespace": self.namespace}
        body = SECRETS.header | {"type": "kubernetes.io/tls", "metadata": metadata, "data": data}
        # RBAC can restrict a creation to a name only if the object is applied. Without force: if another pod has
        # created the Secret meanwhile, this is a conflict.
        path = SECRETS.path(names.INJECTOR_CA, self.namespace)
        await self.api.request("PATCH", path, body, query={"fieldManager": self.writer}, content_type=APPLY)
        end = made.certificate.not_valid_after_utc
        logger.info("created Secret %s, a certificate authority until %s", names.INJECTOR_CA, end)

    async def trust(self) -> None:
        """Make the API server trust the authority. Raises UnusableError; NotFoundError if it is too early."""
        authority = await self._read()
        if authority is None:
            raise NotFoundError(404, f"Secret {names.INJECTOR_CA} does not exist")
        await self._trust(authority.certificate)

    async def _read(self) -> Authority | None:
        try:
            secret = await self.api.get(SECRETS, names.INJECTOR_CA, self.namespace)
        except NotFoundError:
            return None
        data = secret.get("data") or {}
        try:
            certificate, key = (base64.b64decode(data.get(part, "")) for part in (CERTIFICATE, KEY))
            return read_authority(certificate, key, self.api.clock.now())
        except ValueError as error:
            raise UnusableError(
                f"Secret {names.INJECTOR_CA} holds no certificate authority that can be used: {error}. "
                "Delete it, and install the chart again: that makes another"
            ) from error

    async def _trust(self, certificate: x509.Certificate, made: Authority | None = None) -> None:
        """Make the webhooks trust an authority: while it is young, besides its predecessors.

        If it was ``made`` just now, injectors of earlier versions also get a serving certificate of it.
        """
        configuration = await self.api.get(MUTATING_WEBHOOKS, names.INJECTOR)
        before = await self._published() or _trusted_by(configuration)
        now = self.api.clock.now()
        young = now < certificate.not_valid_before_utc + BACKDATED + OVERLAP
        former = [each for each in before if each != certificate and each.not_valid_after_utc > now] if young else []
        trusted = (certificate, *former)
        # The controller compares the webhooks with the published certificates: publish new ones before they are
        # trusted, and remove former ones afterwards.
        await self._publish((*trusted, *(each for each in before if each not in trusted)))
        if made:
            await self._hand_over(made, trusted)
        bundle = _encode(certificates.write(trusted))
        if operations := distrusting(configuration, bundle):
            await self.api.patch(MUTATING_WEBHOOKS, names.INJECTOR, operations, content_type=JSON_PATCH)
            logger.info("MutatingWebhookConfiguration %s now trusts the certificate authority", names.INJECTOR)
        await self._publish(trusted)

    async def _published(self) -> tuple[x509.Certificate, ...]:
        try:
            config_map = await self.api.get(CONFIG_MAPS, names.INJECTOR_CA, self.namespace)
            return certificates.read(config_map["data"][names.CA_BUNDLE].encode())
        except (NotFoundError, LookupError, ValueError):
            return ()

    async def _publish(self, trusted: Sequence[x509.Certificate]) -> None:
        metadata = {"name": names.INJECTOR_CA, "namespace": self.namespace}
        data = {names.CA_BUNDLE: certificates.write(trusted).decode()}
        await self.api.apply(CONFIG_MAPS, CONFIG_MAPS.header | {"metadata": metadata, "data": data})

    async def _hand_over(self, made: Authority, trusted: Iterable[x509.Certificate]) -> None:
        """Give injectors of earlier versions a serving certificate of the authority, and the new bundle.

        Until their Deployment is replaced, they write the bundle of this Secret into their webhook configuration.
        """
        try:
            secret = await self.api.get(SECRETS, FORMER_SECRET, self.namespace)
        except NotFoundError:
            return
        serving = Serving.sign(made, names.injector_hosts(self.namespace), self.api.clock.now())
        parts = {CERTIFICATE: serving.chain_pem, KEY: serving.key_pem, names.CA_BUNDLE: certificates.write(trusted)}
        version = {"resourceVersion": secret["metadata"]["resourceVersion"]}
        body = {"metadata": version, "data": {key: _encode(part) for key, part in parts.items()}}
        await self.api.patch(SECRETS, FORMER_SECRET, body, content_type=MERGE, namespace=self.namespace)
        logger.info("Secret %s hands over to Secret %s", FORMER_SECRET, names.INJECTOR_CA)


def distrusting(configuration: Json, bundle: str) -> list[Json]:
    """Return the JSON patch that makes all webhooks trust a bundle (base64 PEM); empty if they do already.

    The patch includes the resourceVersion, so that it fails if another client has written the configuration.
    """
    operations: list[Json] = [
        {"op": "add", "path": f"/webhooks/{position}/clientConfig/caBundle", "value": bundle}
        for position, webhook in enumerate(configuration.get("webhooks") or ())
        if webhook["clientConfig"].get("caBundle") != bundle
    ]
    if not operations:
        return []
    version = configuration["metadata"]["resourceVersion"]
    return [{"op": "replace", "path": "/metadata/resourceVersion", "value": version}, *operations]


def _trusted_by(configuration: Json) -> tuple[x509.Certificate, ...]:
    bundles: list[Any] = [webhook["clientConfig"].get("caBundle") for webhook in configuration.get("webhooks") or ()]
    try:
        trusted = [each for bundle in bundles if bundle for each in certificates.read(base64.b64decode(bundle))]
    except ValueError:
        return ()
    return tuple(dict.fromkeys(trusted))


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
