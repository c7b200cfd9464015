"""Which authorities of the key store count, which keys are destroyed, and when everything stays as it is.

A destroyed key cannot be restored. So no key is destroyed because of what may be a fault: an incomplete list, a wrong
clock, or an object that cannot be read.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sovereign_operator.core import names
from sovereign_operator.core.identity.authorities import NewAuthority, Plan
from sovereign_operator.core.identity.trust_window import TrustWindow
from sovereign_operator.core.placement.calendar import NEVER
from sovereign_operator.core.placement.facts import Facts, Pair


class State(StrEnum):
    """What becomes of an authority: the value of the Secret's label."""

    ACTIVE = "active"
    """Created by the operator."""
    RETIRED = "retired"
    """Created by the operator, and no longer trusted: its key is destroyed."""
    BROUGHT = "brought"
    """Imported by an admin."""
    WITHDRAWN = "withdrawn"
    """Imported by an admin, and no longer trusted until an admin labels it again."""
    NOBODY = "nobody"
    """No CA: the certificate in a bundle that trusts none, whose key does not exist."""
    SERVING = "serving"
    """The authority of the signer's own serving certificates, for sidecars that ask with a token. No pod trusts it."""
    LOST = "lost"
    """No authority: with this Secret an admin says that the keys which were here before it are lost for good."""


_CANDIDATES: Final = frozenset({State.ACTIVE, State.BROUGHT, None})
"""The states of a CA that counts, unless something is wrong with it."""


@dataclass(frozen=True)
class Stored:
    """What the store holds of an authority, as far as decisions need it."""

    name: str
    pair: Pair
    state: State | None
    """None: the label has no valid value."""
    public_key: bytes = b""
    """Empty if its certificate cannot be read."""
    published: bool = False
    """Whether it is known to have been in its policy's bundle."""
    listed: bool = False
    """Whether it is in its policy's bundle."""
    problems: tuple[str, ...] = ()
    """What is wrong with it, as sentences that say what to do."""


@dataclass(frozen=True)
class KeyChanges:
    """What to do in the store."""

    publish: tuple[str, ...]
    """The CAs to record as published in their policies' bundles."""
    destroy: tuple[str, ...]
    """The CAs whose keys to destroy; an imported CA is marked instead, and its key is kept."""
    create: tuple[NewAuthority, ...]


def is_candidate(state: State | None) -> bool:
    """Whether an authority in this state counts unless something is wrong with it."""
    return state in _CANDIDATES


def unusable_authorities(stored: Collection[Stored]) -> dict[str, tuple[str, ...]]:
    """Return the candidates that do not count, by name, and why. One with problems still spoils others of its key."""
    candidates = [one for one in stored if is_candidate(one.state)]
    keys = Counter(one.public_key for one in candidates if one.public_key)
    found = {}
    for one in candidates:
        shared = keys[one.public_key] > 1
        twice = ("another Secret holds the same key: each policy and datacentre needs an authority with its own key",)
        if problems := (*one.problems, *(twice if shared else ())):
            found[one.name] = problems
    return found


def idle_authorities(stored: Iterable[Stored], accepted: Collection[Pair]) -> dict[str, str]:
    """Return the imported CAs that no pod trusts although they could be used, by name, and why.

    ``accepted``: the pairs that have certificates now.
    """
    found = {}
    for one in stored:
        if one.state is State.WITHDRAWN:
            found[one.name] = (
                f"it was withdrawn: label its Secret {names.AUTHORITY_LABEL}={State.BROUGHT} to use it again"
            )
        elif one.state is State.BROUGHT and not one.problems and one.pair not in accepted:
            found[one.name] = (
                f"there is no SovereigntyPolicy {one.pair.policy} that accepts Datacentre {one.pair.datacentre} now: "
                "correct the annotations of its Secret, or the policy"
            )
    return found


def latest_end(window: TrustWindow | None, *, listed: bool) -> datetime:
    """Return the latest end that an imported CA may have to count.

    A CA that counts already is replaced in time if its trust window ends earlier than expected.
    """
    return NEVER if listed or not window or not window.until else window.until


def why_frozen(
    facts: Facts,
    states: Mapping[str, State | None],
    *,
    awaited: frozenset[str],
    gone: Collection[str],
    trusted_since: datetime | None,
    told: Mapping[str, datetime],
    keys_namespace: str,
) -> str:
    """Say why nothing may follow from what is seen, or nothing. What is withdrawn loses its key for good.

    ``states`` are those of all that the store holds, ``awaited`` the authorities that were moved there, ``gone`` the
    CRDs that are missing or being deleted. ``trusted_since``: when the newest authority of the operator began that pods
    trust; None if they trust none. ``told``: by Secret, when an admin said that the keys are lost.

    An empty store ends this once an admin says in the store itself that the keys are lost. Whoever may write that may
    also import authorities, so it gives nobody more than they have. It says nothing of authorities that are newer: the
    Secret may have been forgotten there.
    """
    if missing := awaited - states.keys():
        return f"authorities that were moved and are not seen yet: {', '.join(sorted(missing))}"
    if gone:
        return f"CRDs missing or being deleted: {', '.join(gone)}"
    lost = trusted_since is not None and any(when > trusted_since for when in told.values())
    if trusted_since and not lost and not {*states.values()} - {State.SERVING, State.LOST}:
        former = f" (delete {', '.join(sorted(told))} first, which says so of keys before these)" if told else ""
        return (
            f"namespace {keys_namespace} holds no key at all, but pods trust some: restore the Secrets, "
            "or have those of a former version moved (identity.moveKeys); if they are lost for good, create a Secret "
            f"there with the label {names.AUTHORITY_LABEL}={State.LOST}{former}, and the signer makes new ones"
        )
    kinds = {
        "CloudService": {*facts.services, *facts.unread.services},
        "Datacentre": {*facts.datacentres, *facts.unread.datacentres},
        "SovereigntyPolicy": {*facts.policies, *facts.unread.policies},
    }
    empty = [kind for kind, found in kinds.items() if not found]
    if empty and State.ACTIVE in states.values():
        return f"there is no {' and no '.join(empty)} at all, which nobody may have meant"
    return ""


def plan_key_changes(planned: Plan, careful: Plan, stored: Iterable[Stored], usable: Collection[str]) -> KeyChanges:
    """Decide what to do in the store.

    ``careful`` is the plan by the clock of this process, if that is behind the API server's. What time alone ends can
    be restored if a clock was wrong; a destroyed key cannot. So both clocks have to agree.
    """
    stored = tuple(stored)
    counting = [one for one in stored if one.name in usable]
    retired = {*planned.retire} & {*careful.retire}
    # For a pair with an imported CA no other is created.
    brought = {one.pair for one in stored if one.state in {State.BROUGHT, State.WITHDRAWN}}
    return KeyChanges(
        publish=tuple(one.name for one in counting if one.listed and not one.published),
        # A CA that was imported before its datacentre is accepted waits for that; it was never trusted.
        destroy=tuple(
            one.name
            for one in counting
            if one.name in retired and (one.state is State.ACTIVE or one.published or one.listed)
        ),
        create=tuple(wanted for wanted in planned.create if wanted.pair not in brought),
    )
