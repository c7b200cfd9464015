"""Writes a policy's trust bundle, in each form in which pods load it.

Pods whose kubelet asks for their certificates load a ClusterTrustBundle. Sidecars that ask themselves load a trust
ConfigMap; the one in the operator's own namespace is the record, from which all others are copied.
"""

import logging
from collections.abc import Awaitable, Collection, Iterable, Iterator, Sequence

from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.core.sidecar.contract import SIGNER_ADDRESSES
from sovereign_operator.kube.client.api import Json
from sovereign_operator.kube.client.errors import ApiError
from sovereign_operator.kube.client.resource import SERVICES, TRUST_BUNDLES
from sovereign_operator.pki import bundle
from sovereign_operator.runtime.bundles import write_pairs
from sovereign_operator.runtime.trust_configs import trust_config_body, trust_data
from sovereign_operator.signer.key_store import StoredAuthority
from sovereign_operator.signer.reconcile.trust_copies import write_trust_config
from sovereign_operator.signer.state import SignerState

logger = logging.getLogger(__name__)

PORT = 443
"""Of the signer's Service."""


async def signer_addresses(state: SignerState) -> tuple[str, ...]:
    """Return where sidecars reach the signer: the addresses of its Service. None are known if it cannot be read."""
    try:
        service = await state.api.get(SERVICES, names.SIGNER_SERVICE, state.settings.replica.namespace)
    except ApiError as error:
        # Trust is withdrawn all the same.
        logger.warning(
            "Service %s cannot be read, so sidecars keep its former address: %s", names.SIGNER_SERVICE, error
        )
        return ()
    found = service["spec"].get("clusterIPs") or [service["spec"]["clusterIP"]]
    return tuple(f"[{address}]:{PORT}" if ":" in address else f"{address}:{PORT}" for address in found)


def write_bundle(
    state: SignerState,
    policy: str,
    trusted: Sequence[StoredAuthority],
    nobody: StoredAuthority | None,
    addresses: Collection[str],
) -> Iterator[Awaitable[None]]:
    """Yield the writes of a policy's bundle where its CAs differ.

    When its policy is deleted, the bundle stays and trusts no CA: without it, the file in a pod would stay as it was.
    """
    anchors = [entry.certificate for entry in trusted if entry.certificate]
    if not anchors and nobody and nobody.certificate:
        anchors = [nobody.certificate]
    if not anchors:
        return
    pem, pairs = bundle.write(anchors), write_pairs(_unnamed_pairs(trusted))
    if state.bundles.served:
        yield _write_cluster_bundle(state, policy, pem, pairs, trusted)
    if state.trust and state.serving_authority:
        yield _write_record(state, policy, pem, pairs, addresses)


async def _write_cluster_bundle(
    state: SignerState, policy: str, pem: str, pairs: str, trusted: Iterable[StoredAuthority]
) -> None:
    seen = state.bundles.get(("", names.trust_bundle(policy)))
    if seen and (seen.pem, seen.pairs) == (pem, pairs):
        return
    metadata: Json = {"name": names.trust_bundle(policy), "labels": {names.TRUST_BUNDLE_LABEL: policy}}
    if pairs:
        metadata["annotations"] = {names.AUTHORITIES_ANNOTATION: pairs}
    if seen:
        metadata["resourceVersion"] = seen.version
    body = TRUST_BUNDLES.header | {
        "metadata": metadata,
        "spec": {"signerName": names.SIGNER, "trustBundle": pem},
    }
    await state.api.apply(TRUST_BUNDLES, body)
    listed = ", ".join(entry.name for entry in trusted) or "no authority"
    logger.info("pods of policy %s trust: %s", policy, listed, extra={"policy": policy})


async def _write_record(state: SignerState, policy: str, pem: str, pairs: str, addresses: Collection[str]) -> None:
    assert state.trust is not None
    assert state.serving_authority is not None
    own = state.settings.replica.namespace
    host = names.signer_hosts(own)[1]
    record, seen = state.trust.record(policy), state.trust.copy(own, policy)
    data = trust_data(pem, state.serving_authority.certificate_pem.decode(), host, addresses)
    if not addresses and record and SIGNER_ADDRESSES in record.data:
        data[SIGNER_ADDRESSES] = record.data[SIGNER_ADDRESSES]
    if record and seen and seen.genuine and record.data == data and record.bundle.pairs == pairs:
        return
    await write_trust_config(state.api, trust_config_body(policy, own, data, pairs), seen)


def _unnamed_pairs(trusted: Iterable[StoredAuthority]) -> dict[str, Pair]:
    """Return the pairs of CAs whose certificates do not name their pair, as those of imported CAs."""
    described = [(entry.pair, bundle.describe(entry.certificate)) for entry in trusted if entry.certificate]
    return {anchor.fingerprint: pair for pair, anchor in described if (anchor.policy, anchor.datacentre) != pair}
