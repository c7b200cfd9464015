"""What the two Jobs do: see that there is an authority for the injector, and that the API server trusts it.

Who may write a webhook configuration can have the API server show and change every request, so the right to it belongs
to no process that runs on. Both steps may be done at any time and again: what is there already stays.

An authority is trusted before it is used. While one takes another's place, both are trusted; the step after an upgrade
that is done more than an hour later leaves the former one out.
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
"""How long after an authority was made its predecessor is still trusted: replicas that sign by it may still run."""

FORMER_SECRET: Final = "sovereign-injector-tls"  # noqa: S105 - its name
"""Injectors of versions that wrote their webhook configuration kept certificate, key and trust here."""


class UnusableError(Exception):
    """There is an authority, and it cannot be used. The text says what to do."""


@dataclass(frozen=True)
class Steps:
    """What the Jobs do in the operator's namespace."""

    api: Api
    namespace: str
    writer: str
    """Stands for this one Job, so that of two that make an authority at once the second fails."""

    async def create(self) -> None:
        """Make an authority if there is none. Raises UnusableError."""
        if await self._read():
            logger.info("Secret %s is there already and stays as it is", names.INJECTOR_CA)
            return
        made = make_authority(names.injector_hosts(self.namespace), self.api.clock.now())
        try:
            await self._trust(made.certificate, made)
        except NotFoundError:
            # It comes with the installation that has begun, and is told of the authority after it.
            await self._publish((made.certificate,))
        data = {CERTIFICATE: _encode(made.certificate_pem), KEY: _encode(made.key_pem)}
        metadata = {"name": names.INJECTOR_CA, "namespace": self.namespace}
        body = SECRETS.header | {"type": "kubernetes.io/tls", "metadata": metadata, "data": data}
        # RBAC can demand a name of what is created only if it is applied. Without force: where another Job has made one
        # meanwhile, this is a conflict.
        path = SECRETS.path(names.INJECTOR_CA, self.namespace)
        await self.api.request("PATCH", path, body, query={"fieldManager": self.writer}, content_type=APPLY)
        logger.info("made Secret %s, an authority until %s", names.INJECTOR_CA, made.certificate.not_valid_after_utc)

    async def trust(self) -> None:
        """Have the API server trust the authority. Raises UnusableError; NotFoundError if it is too early for that."""
        authority = await self._read()
        if authority is None:
            raise NotFoundError(404, f"Secret {names.INJECTOR_CA} is not there")
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
        """Have the webhooks trust an authority; one that was ``made`` just now beside those before it."""
        configuration = await self.api.get(MUTATING_WEBHOOKS, names.INJECTOR)
        before = await self._published() or _trusted_by(configuration)
        now = self.api.clock.now()
        young = now < certificate.not_valid_before_utc + BACKDATED + OVERLAP
        former = [each for each in before if each != certificate and each.not_valid_after_utc > now] if young else []
        trusted = (certificate, *former)
        # Whatever is trusted is published at that moment: the controller compares the two.
        await self._publish((*trusted, *(each for each in before if each not in trusted)))
        if made:
            await self._hand_over(made, trusted)
        bundle = _encode(certificates.write(trusted))
        if operations := distrusting(configuration, bundle):
            await self.api.patch(MUTATING_WEBHOOKS, names.INJECTOR, operations, content_type=JSON_PATCH)
            logger.info("MutatingWebhookConfiguration %s trusts the authority", names.INJECTOR)
        await self._publish(trusted)

    async def _published(self) -> tuple[x509.Certificate, ...]:
        try:
            found = await self.api.get(CONFIG_MAPS, names.INJECTOR_CA, self.namespace)
            return certificates.read(found["data"][names.CA_BUNDLE].encode())
        except (NotFoundError, LookupError, ValueError):
            return ()

    async def _publish(self, trusted: Sequence[x509.Certificate]) -> None:
        metadata = {"name": names.INJECTOR_CA, "namespace": self.namespace}
        data = {names.CA_BUNDLE: certificates.write(trusted).decode()}
        await self.api.apply(CONFIG_MAPS, CONFIG_MAPS.header | {"metadata": metadata, "data": data})

    async def _hand_over(self, made: Authority, trusted: Iterable[x509.Certificate]) -> None:
        """Have injectors of a former version serve by the authority, and leave alone that it is trusted.

        They write their webhook configuration until their Deployment is replaced, by what this Secret says.
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
    """Return the JSON patch that has all webhooks trust a bundle, fenced by the version; empty if they do."""
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
        found = [each for bundle in bundles if bundle for each in certificates.read(base64.b64decode(bundle))]
    except ValueError:
        return ()
    return tuple(dict.fromkeys(found))


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
