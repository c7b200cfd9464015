"""The store of certificate authorities (CAs) and their keys.

The interface is small, so that another store (a PKCS#11 device, a cloud's key service) can take its place: create a CA,
record when it was published, destroy its key. This store keeps CAs in Secrets of a namespace of their own.

The Secret of a retired CA keeps its certificate: its name is never used again, and a backup that is restored beside it
brings no CA back.
"""

import base64
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from cryptography import x509

from sovereign_operator.core import names
from sovereign_operator.core.identity.authorities import NewAuthority
from sovereign_operator.core.identity.retirement import State
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.core.report.conditions import timestamp
from sovereign_operator.kube.client.api import MERGE, Api, Json
from sovereign_operator.kube.client.errors import ConflictError, NotFoundError
from sovereign_operator.kube.client.resource import SECRETS
from sovereign_operator.pki import bundle, certificates
from sovereign_operator.pki.authority import Authority
from sovereign_operator.pki.serving import make_authority

logger = logging.getLogger(__name__)


NOBODY_LIFETIME: Final = timedelta(days=36500)
NOBODY_NAME: Final = "authority-nobody"
"""The Secret with the certificate for bundles that trust no CA: a bundle cannot be empty."""
SERVING_NAME: Final = "authority-serving"
"""The Secret with the authority of the signer's own serving certificates."""
CERTIFICATE, KEY = "tls.crt", "tls.key"
SECRET_TYPE: Final = "kubernetes.io/tls"  # noqa: S105 - a type, no password
"""The only type that a guard lets the signer write: with another it could obtain tokens of service accounts."""


@dataclass(frozen=True)
class StoredAuthority:
    """A CA in the store, or what is left of a retired one."""

    name: str
    pair: Pair
    state: State | None
    """None: the label has no valid value."""
    certificate: x509.Certificate | None = None
    authority: Authority | None = None
    """Certificate and key, if it may sign and both can be read; otherwise ``problem`` states why not."""
    published: datetime | None = None
    """Since when it has been in its policy's bundle."""
    told: datetime | None = None
    """When an admin said, by creating this Secret, that all keys were lost; None if it says something else."""
    problem: str = ""
    """Why the Secret cannot be used, and what to change; empty if it can."""


class KeyStore(Protocol):
    """What holds the CAs and their keys."""

    async def create(self, wanted: NewAuthority, held: Mapping[str, StoredAuthority], now: datetime) -> None:
        """Create a CA, unless another replica created it at the same moment."""

    async def publish(self, held: StoredAuthority, now: datetime) -> None:
        """Record that the CA is in its policy's bundle from now on."""

    async def retire(self, held: StoredAuthority) -> None:
        """Destroy the key of a CA, or mark an imported CA as retired."""

    async def create_nobody(self, now: datetime) -> None:
        """Create the certificate for bundles that trust no CA."""

    async def create_serving(self, hosts: Iterable[str], now: datetime) -> None:
        """Create the authority of the signer's own serving certificates, for these DNS names alone."""


def see_held(obj: Json) -> StoredAuthority:
    """Read the Secret of a CA."""
    metadata, data = obj["metadata"], obj.get("data") or {}
    annotations = metadata.get("annotations", {})
    label = metadata.get("labels", {}).get(names.AUTHORITY_LABEL, "")
    published = annotations.get(names.AUTHORITY_PUBLISHED_ANNOTATION)
    held = StoredAuthority(metadata["name"], _pair_of(annotations), State(label) if label in set(State) else None)
    if held.state is None:
        known = ", ".join(sorted(State))
        return replace(held, problem=f"its label {names.AUTHORITY_LABEL} says {label!r}: use one of {known}")
    if held.state is State.LOST:
        return replace(held, told=datetime.fromisoformat(metadata["creationTimestamp"]))
    if obj.get("type") != SECRET_TYPE:
        return replace(held, problem=f"it is of type {obj.get('type')}: make it one of type {SECRET_TYPE}")
    try:
        held = replace(held, published=datetime.fromisoformat(published) if published else None)
        if held.state in {State.RETIRED, State.NOBODY}:
            (certificate,) = certificates.read(_decode(data, CERTIFICATE))
            return replace(held, certificate=certificate)
        authority = Authority.read(_decode(data, CERTIFICATE), _decode(data, KEY))
    except ValueError as error:
        return replace(held, problem=str(error))
    return replace(held, certificate=authority.certificate, authority=authority)


def _pair_of(annotations: Mapping[str, str]) -> Pair:
    return Pair(
        annotations.get(names.AUTHORITY_POLICY_ANNOTATION, ""),
        annotations.get(names.AUTHORITY_DATACENTRE_ANNOTATION, ""),
    )


def _decode(data: Mapping[str, str], key: str) -> bytes:
    if key not in data:
        raise ValueError(f"the Secret has no {key}: it needs both {CERTIFICATE} and {KEY}, in PEM")
    return base64.b64decode(data[key])


class SecretStore:
    """CAs in Secrets of one namespace. Only the signer should be allowed to read these."""

    def __init__(self, api: Api, namespace: str, trust_domain: str) -> None:
        self._api = api
        self._namespace = namespace
        self._trust_domain = trust_domain

    async def create(self, wanted: NewAuthority, held: Mapping[str, StoredAuthority], now: datetime) -> None:
        """Create a CA under the first name that was never used, unless an admin has just imported one for the pair."""
        if await self._is_imported(wanted.pair):
            return
        (policy, datacentre), number = wanted.pair, 1
        while (name := names.authority_secret(policy, datacentre, number)) in held:
            number += 1
        made = Authority.make(
            policy,
            datacentre,
            trust_domain=self._trust_domain,
            number=str(number),
            not_before=now.replace(microsecond=0),
            not_after=wanted.not_after,
        )
        annotations = {
            names.AUTHORITY_POLICY_ANNOTATION: policy,
            names.AUTHORITY_DATACENTRE_ANNOTATION: datacentre,
        }
        if await self._create(name, State.ACTIVE, {CERTIFICATE: made.certificate_pem, KEY: made.key_pem}, annotations):
            logger.info("made authority %s until %s", name, wanted.not_after, extra={"authority": name})

    async def _is_imported(self, pair: Pair) -> bool:
        """Whether a CA was imported for a pair: the watch of Secrets may be behind that of policies."""
        states = f"{names.AUTHORITY_LABEL} in ({State.BROUGHT.value}, {State.WITHDRAWN.value})"
        found = [
            see_held(secret) async for page, _ in self._api.pages(SECRETS, self._namespace, states) for secret in page
        ]
        return any(held.pair == pair for held in found)

    async def create_nobody(self, now: datetime) -> None:
        """Create the certificate for bundles that trust no CA. Its key no longer exists when this returns."""
        certificate = bundle.nobody(self._trust_domain, now, now + NOBODY_LIFETIME)
        # The type requires both entries.
        await self._create(NOBODY_NAME, State.NOBODY, {CERTIFICATE: bundle.write([certificate]).encode(), KEY: b""}, {})

    async def create_serving(self, hosts: Iterable[str], now: datetime) -> None:
        """Create the authority of the signer's own serving certificates, for these DNS names alone."""
        made = make_authority(hosts, now)
        await self._create(SERVING_NAME, State.SERVING, {CERTIFICATE: made.certificate_pem, KEY: made.key_pem}, {})

    async def _create(self, name: str, state: State, data: Mapping[str, bytes], annotations: Mapping[str, str]) -> bool:
        """Create a Secret, unless one of that name exists. Return whether this call created it."""
        body: dict[str, Any] = SECRETS.header | {
            "type": SECRET_TYPE,
            "metadata": {
                "name": name,
                "labels": {names.AUTHORITY_LABEL: state.value},
                "annotations": dict(annotations),
            },
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        try:
            await self._api.create(SECRETS, body, self._namespace)
        except ConflictError:
            return False
        return True

    async def publish(self, held: StoredAuthority, now: datetime) -> None:
        """Write to the Secret of a CA when it was published."""
        await self._patch(held, {"metadata": {"annotations": {names.AUTHORITY_PUBLISHED_ANNOTATION: timestamp(now)}}})

    async def retire(self, held: StoredAuthority) -> None:
        """Destroy the key of a CA. An imported CA is marked as retired, as its key belongs to the admin."""
        if held.state is State.BROUGHT:
            await self._patch(held, {"metadata": {"labels": {names.AUTHORITY_LABEL: State.WITHDRAWN.value}}})
            logger.warning(
                "imported authority %s is withdrawn: its key stays", held.name, extra={"authority": held.name}
            )
            return
        # The type requires both entries, so the key becomes an empty one.
        await self._patch(
            held, {"metadata": {"labels": {names.AUTHORITY_LABEL: State.RETIRED.value}}, "data": {KEY: ""}}
        )
        logger.info("retired authority %s: its key is destroyed", held.name, extra={"authority": held.name})

    async def _patch(self, held: StoredAuthority, body: Json) -> None:
        try:
            await self._api.patch(SECRETS, held.name, body, content_type=MERGE, namespace=self._namespace)
        except NotFoundError:
            return
