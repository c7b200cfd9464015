"""Reconciles all certificate authorities (CAs) and trust bundles: gathers facts, plans, and writes if it leads.

Every replica plans, because the plan decides which CA signs. Only the leader writes.
"""

import logging
from collections.abc import Awaitable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from cryptography import x509

from sovereign_operator.core import names
from sovereign_operator.core.identity.authorities import KnownAuthority, Plan, UndecidedPairs, plan
from sovereign_operator.core.identity.retirement import (
    KeyChanges,
    State,
    Stored,
    idle_authorities,
    is_candidate,
    latest_end,
    plan_key_changes,
    unusable_authorities,
    why_frozen,
)
from sovereign_operator.core.identity.trust_window import TrustWindow, signing_time, trust_windows
from sovereign_operator.core.identity.undecided import leaves_open
from sovereign_operator.core.placement.facts import Facts, Pair
from sovereign_operator.core.placement.next_change import seconds_to_next_change
from sovereign_operator.kube.client.crds import kinds_going
from sovereign_operator.pki import certificates
from sovereign_operator.pki.imported_authority import check_brought
from sovereign_operator.runtime import metrics as runtime_metrics
from sovereign_operator.runtime.writes import write_all
from sovereign_operator.signer import metrics
from sovereign_operator.signer.key_store import NOBODY_NAME, SERVING_NAME, KeyStore, StoredAuthority
from sovereign_operator.signer.reconcile.bundles import signer_addresses, write_bundle
from sovereign_operator.signer.state import SignerState, SigningAuthority

logger = logging.getLogger(__name__)

RESYNC_SECONDS = 30.0
"""How long after a plan to plan again, at most."""
FROZEN_RETRY_SECONDS = 15.0


async def reconcile_authorities(state: SignerState, store: KeyStore) -> float:
    """Plan for all CAs, and carry the plan out if this replica leads. Return in how many seconds to plan again."""
    await state.until_complete()
    # Read once: a replica that becomes the leader meanwhile may have created or moved keys that are not among these.
    facts, held, leading = state.facts(), state.held(), state.leading
    # After the facts, so that objects that vanish with their CRD are not mistaken for objects that a user deleted.
    if why := await _why_frozen(state, facts, held):
        runtime_metrics.FROZEN.set(1)
        logger.error("%s: authorities and bundles stay as they are", why)
        return FROZEN_RETRY_SECONDS
    runtime_metrics.FROZEN.set(0)
    windows = trust_windows(facts)
    stored = [_stored(state, entry, windows, facts.now) for entry in held.values()]
    usable = _usable(stored, held)
    _report_idle(state, idle_authorities(stored, windows))
    planned = _plan(state, facts, windows, usable)
    before, state.signing_authorities = state.signing_authorities, _signing(planned, usable, windows)
    _show_ends(state)
    if state.signing_authorities.keys() - before.keys():
        state.retry_requests()
    if leading:
        # A wrong clock must not destroy a key: see plan_key_changes.
        careful = replace(facts, now=min(facts.now, datetime.now(UTC)))
        changes = plan_key_changes(planned, _plan(state, careful, trust_windows(careful), usable), stored, usable)
        addresses = await signer_addresses(state) if state.trust else ()
        writes = _writes(state, store, planned, changes, now=facts.now, held=held, usable=usable, addresses=addresses)
        failures = await write_all(writes)
        if failures:
            raise failures[0]
    return seconds_to_next_change(facts, facts.now, RESYNC_SECONDS)


async def _why_frozen(state: SignerState, facts: Facts, held: Mapping[str, StoredAuthority]) -> str:
    """Return why nothing may be changed now; empty if it may."""
    if not state.moved_authorities - held.keys():
        state.moved_authorities = frozenset()
    awaited = state.moved_authorities
    return why_frozen(
        facts,
        {name: entry.state for name, entry in held.items()},
        awaited=awaited,
        gone=() if awaited else await kinds_going(state.api),
        trusted_since=state.trusted_since,
        told={name: entry.told for name, entry in held.items() if entry.told},
        keys_namespace=state.settings.keys_namespace,
    )


def _stored(state: SignerState, entry: StoredAuthority, windows: Mapping[Pair, TrustWindow], now: datetime) -> Stored:
    """Return the fields of a CA in the store that decisions depend on."""
    candidate = is_candidate(entry.state)
    listed = candidate and _is_listed(state, entry)
    problems: Iterable[str] = (entry.problem,) if entry.problem else ()
    if candidate and not entry.problem:
        problems = _problems(state, entry, latest_end(windows.get(entry.pair), listed=listed), now)
    return Stored(
        entry.name,
        entry.pair,
        entry.state,
        public_key=_public_key(entry.certificate) if entry.certificate and candidate else b"",
        published=entry.published is not None,
        listed=listed,
        problems=tuple(problems),
    )


def _usable(stored: Collection[Stored], held: Mapping[str, StoredAuthority]) -> dict[str, StoredAuthority]:
    """Return the CAs that count, by name."""
    refused = unusable_authorities(stored)
    for name, problems in refused.items():
        logger.error("authority %s cannot be used: %s", name, "; ".join(problems), extra={"authority": name})
    metrics.AUTHORITIES_REFUSED.set(len(refused))
    return {entry.name: held[entry.name] for entry in stored if is_candidate(entry.state) and entry.name not in refused}


def _report_idle(state: SignerState, idle: Mapping[str, str]) -> None:
    """Log the imported CAs that are not used: once for each reason, as an admin may mean them to wait."""
    for name, why in idle.items() - state.idle_authorities.items():
        logger.warning("imported authority %s is not used: %s", name, why, extra={"authority": name})
    state.idle_authorities = idle


def _problems(state: SignerState, entry: StoredAuthority, latest: datetime, now: datetime) -> Iterator[str]:
    """Yield what is wrong with the certificate or key of a CA."""
    assert entry.authority is not None
    certificate, domain = entry.authority.certificate, state.settings.trust_domain
    if entry.state is State.BROUGHT:
        yield from check_brought(certificate, entry.authority.key, trust_domain=domain, now=now, latest=latest)
    elif certificates.trust_domain(certificate) != domain:
        yield f"it belongs to trust domain {certificates.trust_domain(certificate)}, and the signer's is {domain} now"


def _public_key(certificate: x509.Certificate) -> bytes:
    return certificates.encode_key(certificate.public_key())


def _listed(state: SignerState, policy: str, usable: Mapping[str, StoredAuthority]) -> frozenset[str]:
    """Return the names of the CAs in a policy's bundle."""
    return frozenset(name for name, entry in usable.items() if _is_listed(state, entry, policy))


def _is_listed(state: SignerState, entry: StoredAuthority, policy: str | None = None) -> bool:
    """Whether a CA is in a policy's bundle, in each form that exists; by default that of its own policy."""
    if entry.certificate is None:
        return False
    fingerprint, forms = certificates.fingerprint(entry.certificate), state.bundles_of(policy or entry.pair.policy)
    return bool(forms) and all(fingerprint in {anchor.fingerprint for anchor in seen.anchors} for seen in forms)


def _plan(
    state: SignerState,
    facts: Facts,
    windows: Mapping[Pair, TrustWindow],
    usable: Mapping[str, StoredAuthority],
) -> Plan:
    trusted = {name: tuple(spec.trusted_policies) for name, spec in facts.policies.items()}
    existing = [
        KnownAuthority(
            name,
            entry.pair,
            entry.certificate.not_valid_before_utc,
            entry.certificate.not_valid_after_utc,
            entry.published,
            state.settings.propagation,
            _is_listed(state, entry),
        )
        for name, entry in usable.items()
        if entry.certificate
    ]
    listed = {policy: _listed(state, policy, usable) for policy in facts.unread.policies}
    undecided = UndecidedPairs(partial(leaves_open, facts), listed)
    return plan(windows, trusted, existing, facts.now, undecided)


def _signing(
    planned: Plan, usable: Mapping[str, StoredAuthority], windows: Mapping[Pair, TrustWindow]
) -> dict[Pair, SigningAuthority]:
    signing = {}
    for pair, name in planned.signing.items():
        authority = usable[name].authority
        assert authority is not None
        signing[pair] = SigningAuthority(
            name, authority, signing_time(authority.certificate.not_valid_after_utc, windows[pair])
        )
    return signing


def _writes(
    state: SignerState,
    store: KeyStore,
    planned: Plan,
    changes: KeyChanges,
    *,
    now: datetime,
    held: Mapping[str, StoredAuthority],
    usable: Mapping[str, StoredAuthority],
    addresses: Collection[str],
) -> Iterator[Awaitable[None]]:
    """Yield the writes: bundles first, so that a failure of another write does not keep a withdrawn CA trusted."""
    nobody = held.get(NOBODY_NAME)
    if nobody is None or nobody.certificate is None:
        yield store.create_nobody(now)
    if state.trust and SERVING_NAME not in held:
        yield store.create_serving(names.signer_hosts(state.settings.replica.namespace), now)
    for policy in sorted({*planned.bundles, *(seen.policy for seen in state.all_bundles())}):
        yield from write_bundle(
            state, policy, [usable[name] for name in planned.bundles.get(policy, ())], nobody, addresses
        )
    for name in changes.publish:
        yield store.publish(usable[name], now)
    for name in changes.destroy:
        yield store.retire(usable[name])
    for wanted in changes.create:
        yield store.create(wanted, held, now)


def _show_ends(state: SignerState) -> None:
    metrics.AUTHORITY_END.clear()
    for (policy, datacentre), signing in state.signing_authorities.items():
        metrics.AUTHORITY_END.labels(policy, datacentre).set(signing.time.last.timestamp())
