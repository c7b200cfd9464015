"""Moves keys from the operator's namespace, where former versions kept them, to the namespace of keys.

All keys are copied before the first one counts, because bundles would trust too few CAs meanwhile. A key is deleted
once its copy has been compared, and no signer of a former version runs any more. Each step can be repeated at any time.
"""

import logging
from collections.abc import Iterator
from typing import Any, Final

from sovereign_operator.core import names
from sovereign_operator.core.identity.retirement import State
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import ConflictError, NotFoundError
from sovereign_operator.kube.client.resource import PODS, SECRETS
from sovereign_operator.kube.objects.pod import ENDED_PHASES
from sovereign_operator.signer.key_store import CERTIFICATE, KEY, NOBODY_NAME, SECRET_TYPE
from sovereign_operator.signer.state import SIGNER_PODS

logger = logging.getLogger(__name__)

KEYS_OPTION: Final = "--keys-namespace"
_COPIED_ANNOTATIONS: Final = (
    names.AUTHORITY_POLICY_ANNOTATION,
    names.AUTHORITY_DATACENTRE_ANNOTATION,
    names.AUTHORITY_PUBLISHED_ANNOTATION,
)


async def copy_keys(api: Api, source: str, target: str) -> frozenset[str]:
    """Copy the CAs that the target namespace lacks. Return the names of all CAs that it must have now."""
    secrets = await _authorities(api, source)
    for secret in secrets:
        name = secret["metadata"]["name"]
        try:
            await api.create(SECRETS, copy_of(secret), target)
        except ConflictError:
            continue
        logger.info("copied authority %s to namespace %s", name, target, extra={"authority": name})
    return frozenset(secret["metadata"]["name"] for secret in secrets)


async def drop_keys(api: Api, source: str, target: str) -> bool:
    """Delete the Secrets that were copied. Return whether nothing is left to delete.

    Nothing is deleted while a signer of a former version runs.
    """
    secrets = await _authorities(api, source)
    if not secrets:
        return True
    pods = [pod async for page, _ in api.pages(PODS, source, SIGNER_PODS) for pod in page]
    if any(map(reads_former_namespace, pods)):
        return False
    # The chart detects a move by this Secret, so it is deleted last.
    for secret in sorted(secrets, key=lambda secret: secret["metadata"]["name"] == NOBODY_NAME):
        name, uid = secret["metadata"]["name"], secret["metadata"]["uid"]
        if not is_copy(await _read(api, name, target), secret):
            logger.error(
                "Secret %s in namespace %s differs from that in namespace %s: compare them, and delete the wrong one",
                name,
                source,
                target,
                extra={"authority": name},
            )
            return False
        await api.delete(SECRETS, name, uid, source)
        logger.info("moved authority %s to namespace %s", name, target, extra={"authority": name})
    logger.info("all authorities are moved to namespace %s", target)
    return True


def copy_of(secret: Json) -> Json:
    """Return the Secret to create, with the fields that make up an authority, and no others."""
    metadata, data = secret["metadata"], secret.get("data") or {}
    annotations = metadata.get("annotations", {})
    return SECRETS.header | {
        "type": SECRET_TYPE,
        "metadata": {
            "name": metadata["name"],
            "labels": {names.AUTHORITY_LABEL: metadata["labels"][names.AUTHORITY_LABEL]},
            "annotations": {key: annotations[key] for key in _COPIED_ANNOTATIONS if key in annotations},
        },
        "data": {key: data.get(key, "") for key in (CERTIFICATE, KEY)},
    }


def is_copy(copy: Json | None, secret: Json) -> bool:
    """Whether the former Secret can be deleted without loss. Its copy may have been retired since."""
    if copy is None:
        return False
    retired = copy["metadata"].get("labels", {}).get(names.AUTHORITY_LABEL) == State.RETIRED
    kept = (CERTIFICATE,) if retired else (CERTIFICATE, KEY)
    return all(_entry(copy, key) == _entry(secret, key) for key in kept)


def is_authority(secret: Json) -> bool:
    """Whether a Secret with the label of authorities is one.

    An unknown value names no state. Nor may the signer carry into the store that its keys are lost: this says only who
    may write there.
    """
    return secret["metadata"]["labels"][names.AUTHORITY_LABEL] in {*State} - {State.LOST}


def reads_former_namespace(pod: Json) -> bool:
    """Whether a signer's pod is of a version that reads keys only in the operator's namespace."""
    if pod.get("status", {}).get("phase") in ENDED_PHASES:
        return False
    return not any(argument.startswith(KEYS_OPTION) for argument in _arguments(pod))


def _arguments(pod: Json) -> Iterator[str]:
    for container in pod["spec"]["containers"]:
        yield from container.get("args", ())


def _entry(secret: Json, key: str) -> Any:
    return (secret.get("data") or {}).get(key, "")


async def _authorities(api: Api, namespace: str) -> list[Json]:
    """Return the Secrets of CAs in a namespace. Others with the label stay there."""
    found = [secret async for page, _ in api.pages(SECRETS, namespace, names.AUTHORITY_LABEL) for secret in page]
    known = [secret for secret in found if is_authority(secret)]
    for secret in found:
        if secret not in known:
            name = secret["metadata"]["name"]
            logger.error(
                "Secret %s in namespace %s is not moved: its label names no state of an authority", name, namespace
            )
    return known


async def _read(api: Api, name: str, namespace: str) -> Json | None:
    try:
        return await api.get(SECRETS, name, namespace)
    except NotFoundError:
        return None
