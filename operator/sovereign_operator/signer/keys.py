"""Where the keys of certificate authorities are kept.

A store is small, so that another (a PKCS#11 device, a cloud's key service) can take its place: it shows the
authorities that it holds, makes one, and destroys the key of one. This one keeps them in Secrets of the
operator's namespace.

A retired authority leaves its certificate behind until that has ended: a name that was used is never used
again, and a backup that is restored beside it brings no authority back.
"""

import base64
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

from sovereign_operator.core import names
from sovereign_operator.core.authorities import NewAuthority
from sovereign_operator.kube.api import MERGE, Api, Json
from sovereign_operator.kube.errors import ConflictError, NotFoundError
from sovereign_operator.kube.resource import SECRETS
from sovereign_operator.pki import certificates
from sovereign_operator.pki.authority import Authority

logger = logging.getLogger(__name__)

ACTIVE: Final = "active"
RETIRED: Final = "retired"
BROUGHT: Final = "brought"

CERTIFICATE, KEY = "tls.crt", "tls.key"


@dataclass(frozen=True)
class Held:
    """An authority in the store, or what is left of one."""

    name: str
    policy: str
    datacentre: str
    state: str
    """active, brought (by an admin) or retired."""
    not_after: datetime | None = None
    authority: Authority | None = None
    """None if it is retired or cannot be read; then ``problem`` says why."""
    problem: str = ""


class KeyStore(Protocol):
    """What holds the keys."""

    async def create(self, wanted: NewAuthority, held: Mapping[str, Held], now: datetime) -> None:
        """Make an authority. One that another replica made in the same moment is left as it is."""

    async def retire(self, held: Held) -> None:
        """Destroy its key."""

    async def forget(self, held: Held) -> None:
        """Take away what is left of one that is retired."""


def see_held(obj: Json) -> Held:
    """Read a Secret with an authority."""
    metadata, data = obj["metadata"], obj.get("data") or {}
    annotations = metadata.get("annotations", {})
    state = metadata.get("labels", {}).get(names.AUTHORITY_LABEL, "")
    held = Held(
        metadata["name"],
        annotations.get(names.AUTHORITY_POLICY_ANNOTATION, ""),
        annotations.get(names.AUTHORITY_DATACENTRE_ANNOTATION, ""),
        state,
    )
    try:
        if state == RETIRED:
            (certificate,) = certificates.read(_decode(data, CERTIFICATE))
            return replace(held, not_after=certificate.not_valid_after_utc)
        authority = Authority.read(_decode(data, CERTIFICATE), _decode(data, KEY))
    except ValueError as error:
        return replace(held, problem=str(error))
    return replace(held, not_after=authority.certificate.not_valid_after_utc, authority=authority)


def _decode(data: Mapping[str, str], key: str) -> bytes:
    if key not in data:
        raise ValueError(f"the Secret has no {key}: it needs both {CERTIFICATE} and {KEY}, in PEM")
    return base64.b64decode(data[key])


class SecretStore:
    """Keys in Secrets of one namespace, for whoever may read them there: nobody but the signer should."""

    def __init__(self, api: Api, namespace: str, trust_domain: str) -> None:
        self._api = api
        self._namespace = namespace
        self._trust_domain = trust_domain

    async def create(self, wanted: NewAuthority, held: Mapping[str, Held], now: datetime) -> None:
        """Make an authority, under the first name that was never used."""
        number = 1
        while (name := names.authority_secret(wanted.policy, wanted.datacentre, number)) in held:
            number += 1
        made = Authority.make(
            wanted.policy,
            wanted.datacentre,
            trust_domain=self._trust_domain,
            number=str(number),
            not_before=now.replace(microsecond=0),
            not_after=wanted.not_after,
        )
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {
                "name": name,
                "labels": {names.AUTHORITY_LABEL: ACTIVE},
                "annotations": {
                    names.AUTHORITY_POLICY_ANNOTATION: wanted.policy,
                    names.AUTHORITY_DATACENTRE_ANNOTATION: wanted.datacentre,
                },
            },
            "data": {
                CERTIFICATE: base64.b64encode(made.certificate_pem).decode(),
                KEY: base64.b64encode(made.key_pem).decode(),
            },
        }
        try:
            await self._api.create(SECRETS, body, self._namespace)
        except ConflictError:
            return
        logger.info("made authority %s until %s", name, wanted.not_after, extra={"authority": name})

    async def retire(self, held: Held) -> None:
        """Destroy its key. What an admin brought is the admin's: it is trusted no more, and stays."""
        if held.state != ACTIVE:
            return
        # The type demands both entries, so the key becomes an empty one.
        body = {"metadata": {"labels": {names.AUTHORITY_LABEL: RETIRED}}, "data": {KEY: ""}}
        try:
            await self._api.patch(SECRETS, held.name, body, content_type=MERGE, namespace=self._namespace)
        except NotFoundError:
            return
        logger.info("retired authority %s: its key is destroyed", held.name, extra={"authority": held.name})

    async def forget(self, held: Held) -> None:
        """Delete what is left of one that is retired and would have ended by now."""
        found = await self._api.lasting(SECRETS, held.name, self._namespace)
        if found and found["metadata"].get("labels", {}).get(names.AUTHORITY_LABEL) == RETIRED:
            await self._api.delete(SECRETS, held.name, found["metadata"]["uid"], self._namespace)
