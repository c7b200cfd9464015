"""Certificate authorities and trust bundles: gather, plan, and carry it out if this replica leads."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from sovereign_operator.core import names
from sovereign_operator.core.authorities import Authority, Plan, plan
from sovereign_operator.core.tenure import Tenure, tenures
from sovereign_operator.core.wakeup import next_change
from sovereign_operator.kube.api import Json
from sovereign_operator.kube.crds import kinds_going
from sovereign_operator.kube.resource import TRUST_BUNDLES
from sovereign_operator.pki import bundle, certificates
from sovereign_operator.pki.brought import check_brought
from sovereign_operator.signer import metrics
from sovereign_operator.signer.keys import BROUGHT, RETIRED, Held, KeyStore
from sovereign_operator.signer.world import World

logger = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
FROZEN_RETRY_SECONDS = 15.0


async def reconcile_authorities(world: World, store: KeyStore) -> float:
    """Look at all authorities once, and say in how many seconds to look again."""
    if gone := await kinds_going(world.api):
        logger.error("CRDs missing or being deleted: %s; authorities and bundles stay as they are", ", ".join(gone))
        return FROZEN_RETRY_SECONDS
    await world.until_complete()
    facts = world.facts()
    held = world.held()
    now = facts.now
    terms = tenures(facts)
    usable = _usable(held, terms, world.settings.trust_domain, now)
    trusted = {name: tuple(spec.trusted_policies) for name, spec in facts.policies.items()}
    planned = plan(terms, trusted, _existing(usable, world), now)
    signing = {pair: held[name] for pair, name in planned.signing.items()}
    new = signing.keys() - world.signing.keys()
    world.signing = signing
    _show(world)
    if world.leading:
        await _carry_out(world, store, planned, held, now)
    if new:
        world.look_at_requests()
    change = next_change(facts)
    until_change = (change - now).total_seconds() + 1.0 if change else LOOK_SECONDS
    return min(LOOK_SECONDS, until_change)


def _usable(
    held: Mapping[str, Held], terms: Mapping[tuple[str, str], Tenure], trust_domain: str, now: datetime
) -> dict[str, Held]:
    """Return the authorities that may count, by name. What an admin brought has to be looked at first."""
    usable, refused = {}, 0
    for name, one in held.items():
        if one.state == RETIRED:
            continue
        problems = [one.problem] if one.problem else []
        tenure = terms.get((one.datacentre, one.policy))
        if one.state == BROUGHT and one.authority:
            latest = tenure.until if tenure and tenure.until else datetime.max.replace(tzinfo=UTC)
            certificate, key = one.authority.certificate, one.authority.key
            problems += check_brought(certificate, key, trust_domain=trust_domain, now=now, latest=latest)
        if problems:
            refused += 1
            logger.error("authority %s cannot be used: %s", name, "; ".join(problems), extra={"authority": name})
        else:
            usable[name] = one
    metrics.BROUGHT_REFUSED.set(refused)
    return usable


def _existing(usable: Mapping[str, Held], world: World) -> list[Authority]:
    own = {seen.policy: seen for seen in world.bundles.values()}
    existing = []
    for name, one in usable.items():
        assert one.authority is not None
        certificate = one.authority.certificate
        seen = own.get(one.policy)
        listed = seen is not None and certificates.fingerprint(certificate) in seen.fingerprints
        existing.append(
            Authority(
                name,
                one.policy,
                one.datacentre,
                certificate.not_valid_before_utc,
                certificate.not_valid_after_utc,
                seen.since if seen and listed else None,
            )
        )
    return existing


async def _carry_out(world: World, store: KeyStore, planned: Plan, held: Mapping[str, Held], now: datetime) -> None:
    """Bundles first: whom nobody trusts any more shall be trusted nowhere before anything else goes wrong."""
    expecting = {wanted.policy for wanted in planned.create}
    for policy, ids in planned.bundles.items():
        # A bundle that comes a moment later with its first authority need not come as nobody's before.
        if ids or policy not in expecting or ("", names.trust_bundle(policy)) in world.bundles:
            await _write_bundle(world, policy, [held[name] for name in ids])
    for seen in list(world.bundles.values()):
        if seen.policy not in planned.bundles:
            await _write_bundle(world, seen.policy, [])
    for name in planned.retire:
        await store.retire(held[name])
    brought = {(one.policy, one.datacentre) for one in held.values() if one.state == BROUGHT}
    for wanted in planned.create:
        # Where an admin brings keys, no others are made.
        if (wanted.policy, wanted.datacentre) not in brought:
            await store.create(wanted, held, now)
    for one in held.values():
        if one.state == RETIRED and one.not_after and one.not_after < now:
            await store.forget(one)


async def _write_bundle(world: World, policy: str, trusted: list[Held]) -> None:
    """Write a policy's bundle if it trusts others than it should.

    It stays when its policy goes, and trusts nobody then: without it, the file in a pod would stay as it was.
    """
    seen = world.bundles.get(("", names.trust_bundle(policy)))
    found = [one.authority.certificate for one in trusted if one.authority]
    pem = bundle.write(found or [world.nobody])
    if seen and seen.pem == pem:
        return
    metadata: Json = {"name": names.trust_bundle(policy), "labels": {names.TRUST_BUNDLE_LABEL: policy}}
    if seen:
        metadata["resourceVersion"] = seen.version
    body = {
        "apiVersion": TRUST_BUNDLES.api_version,
        "kind": "ClusterTrustBundle",
        "metadata": metadata,
        "spec": {"signerName": names.SIGNER, "trustBundle": pem},
    }
    await world.api.apply(TRUST_BUNDLES, body)
    said = ", ".join(one.name for one in trusted) or "nobody"
    logger.info("pods of policy %s trust: %s", policy, said, extra={"policy": policy})


def _show(world: World) -> None:
    metrics.AUTHORITY_END.clear()
    for (policy, datacentre), one in world.signing.items():
        if one.not_after:
            metrics.AUTHORITY_END.labels(policy, datacentre).set(one.not_after.timestamp())
