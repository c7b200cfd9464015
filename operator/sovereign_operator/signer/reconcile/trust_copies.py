"""Keeps the trust ConfigMaps of one namespace as the records in the operator's own namespace are."""

import logging
from collections.abc import Awaitable, Iterator

from sovereign_operator.core.identity.grant import is_granted
from sovereign_operator.core.sidecar.contract import trust_config_map
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.errors import ConflictError, NotFoundError
from sovereign_operator.kube.client.resource import CONFIG_MAPS, NAMESPACES
from sovereign_operator.kube.refused_writes import AGAIN_SECONDS
from sovereign_operator.runtime.trust_configs import TrustConfig, TrustRecord, trust_config_body
from sovereign_operator.runtime.writes import write_all
from sovereign_operator.signer.state import ObservedNamespace, SignerState, TrustKey

logger = logging.getLogger(__name__)


async def keep_trust(state: SignerState, key: TrustKey) -> float | None:
    """Write what a namespace lacks. Return in how many seconds to try again if a write was refused."""
    namespace = state.namespaces.get(("", key.namespace))
    if not state.leading or state.trust is None or namespace is None or namespace.ending:
        return None
    failures = await write_all(_writes(state, key.namespace, namespace))
    if failures:
        raise failures[0]
    return AGAIN_SECONDS if state.refusals.of(CONFIG_MAPS, key.namespace) else None


def outdated_copies(state: SignerState, name: str, namespace: ObservedNamespace) -> dict[str, TrustRecord]:
    """Return the policies whose trust ConfigMap a namespace lacks, or has otherwise than its record is."""
    assert state.trust is not None
    return {
        policy: record
        for policy, record in sorted(state.trust.records.items())
        if (seen := state.trust.copy(name, policy)) or _is_wanted(state, policy, name, namespace)
        if not _is_current(seen, record)
    }


def _writes(state: SignerState, name: str, namespace: ObservedNamespace) -> Iterator[Awaitable[object]]:
    assert state.trust is not None
    about = NAMESPACES.header | {"metadata": {"name": name, "uid": namespace.uid}}
    for policy, record in outdated_copies(state, name, namespace).items():
        if state.refusals.is_due(CONFIG_MAPS, (name, trust_config_map(policy))):
            body, seen = trust_config_body(policy, name, record.data), state.trust.copy(name, policy)
            yield state.refusals.attempt(CONFIG_MAPS, body, write_trust_config(state.api, body, seen), about=about)


def _is_wanted(state: SignerState, policy: str, name: str, namespace: ObservedNamespace) -> bool:
    """Whether pods of a namespace may get certificates of a policy, and need sidecars."""
    spec = state.facts().policies.get(policy)
    return (
        spec is not None
        and spec.encryption_in_transit is not None
        and name not in state.settings.replica.system_namespaces
        and is_granted(policy, spec, name, namespace.labels)
    )


def _is_current(seen: TrustConfig | None, record: TrustRecord) -> bool:
    return seen is not None and seen.genuine and seen.digest == record.digest


async def write_trust_config(api: Api, body: Json, seen: TrustConfig | None) -> None:
    """Write a trust ConfigMap. One that somebody else wrote is deleted first: it may be immutable."""
    name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
    try:
        if seen and seen.genuine:
            await api.apply(CONFIG_MAPS, body)
            return
        try:
            found = await api.metadata(CONFIG_MAPS, name, namespace)
        except NotFoundError:
            pass
        else:
            logger.warning("ConfigMap %s/%s is not as the signer writes it, and is replaced", namespace, name)
            await api.delete(CONFIG_MAPS, name, found["uid"], namespace)
        await api.create(CONFIG_MAPS, body, namespace)
    except (ConflictError, NotFoundError):
        # Another replica wrote it, or the namespace is gone. If it is not right yet, the watch brings it again.
        return
