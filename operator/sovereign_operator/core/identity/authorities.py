"""Which certificate authorities (CAs) to create, trust, sign with and retire.

Each pair of policy and datacentre has a CA of its own, so a chain to it proves where a pod runs. A policy's
trust bundle holds the CAs of its own pairs and of the policies that it trusts. The plan follows from the
existing CAs, the trust windows and the time alone, so every replica comes to the same plan.

A successor is published first and signs later, because pods see a changed bundle with a delay. The newest
CA that has been published for long enough signs; an older one never signs again while that one lives. So the
successor determines when its predecessor signed last, and until when its certificates may live.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from sovereign_operator.core.identity.trust_window import TrustWindow
from sovereign_operator.core.placement.calendar import NEVER
from sovereign_operator.core.placement.facts import Pair

CA_LIFETIME: Final = timedelta(days=365)
"""The longest time that an authority lives, however long its trust window lasts."""

LEAF_LIFETIME: Final = timedelta(hours=24)
"""The longest time that a pod's certificate lives."""

SHORTEST_LEAF: Final = timedelta(hours=1)
"""The API server takes no certificate for a shorter time, so an authority that lives shorter is of no use."""

PROPAGATION: Final = timedelta(minutes=5)
"""How long after a change of a bundle all pods have seen it, and all replicas sign by the new plan.

A kubelet takes up to 90 s; the rest is for a replica that looks late.
"""

SKEW: Final = timedelta(minutes=5)
"""How far in the future an authority may begin and yet count as begun: clocks of replicas differ."""

MOST: Final = 3
"""Authorities of one pair at a time: an old one whose certificates live, one that signs, one to come."""


@dataclass(frozen=True)
class KnownAuthority:
    """A CA that exists."""

    id: str
    pair: Pair
    not_before: datetime
    not_after: datetime
    published: datetime | None
    """When it was recorded that its own policy's bundle lists it. None: it never was."""
    propagation: timedelta = PROPAGATION
    """How long after a change of the bundle all pods have seen it."""
    listed: bool = True
    """Whether its own policy's bundle lists it now. One that was published may have left, with its key kept."""

    @property
    def follows_from(self) -> datetime:
        """When it could follow another. The CAs of a pair follow each other in this order, listed or not."""
        return NEVER if self.published is None else max(self.published + self.propagation, self.not_before)

    @property
    def signs_from(self) -> datetime:
        """When it may begin to sign in place of another."""
        return self.follows_from if self.listed else NEVER


@dataclass(frozen=True, order=True)
class NewAuthority:
    """A CA to create."""

    pair: Pair
    not_after: datetime


@dataclass(frozen=True)
class UndecidedPairs:
    """Pairs about which nothing is known, as objects cannot be read: they stay as they are, and sign nothing new."""

    pair: Callable[[Pair], bool] = lambda _: False
    """Whether nothing is known about a pair."""
    bundles: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The authorities in the bundles of policies that cannot be read. Whom else these trust is not known."""


@dataclass(frozen=True)
class Plan:
    """What to do about authorities, and what follows for bundles and signatures from now on."""

    create: tuple[NewAuthority, ...]
    retire: tuple[str, ...]
    """The CAs to destroy with their keys. They are in no bundle from now on."""
    bundles: Mapping[str, tuple[str, ...]]
    """The authorities that pods of each policy trust."""
    signing: Mapping[Pair, str]
    """The CA that signs for each pair. For a pair without an entry nothing is signed."""


@dataclass(frozen=True)
class _Decision:
    """The decision about the CAs of one pair."""

    kept: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    """Kept as well, but in no bundle."""
    signs: str | None = None
    new_end: datetime | None = None


def plan(
    windows: Mapping[Pair, TrustWindow],
    trusted: Mapping[str, tuple[str, ...]],
    authorities: Iterable[KnownAuthority],
    now: datetime,
    undecided: UndecidedPairs = UndecidedPairs(),
) -> Plan:
    """Decide what becomes of all authorities. ``trusted`` has an entry for every policy that can be read."""
    existing: dict[Pair, list[KnownAuthority]] = {pair: [] for pair in windows}
    for authority in authorities:
        existing.setdefault(authority.pair, []).append(authority)
    decisions = {
        pair: _leave(found, now) if undecided.pair(pair) else _decide(windows.get(pair), found, now)
        for pair, found in sorted(existing.items())
    }
    named = {*trusted, *undecided.bundles, *(pair.policy for pair in windows)}
    own: dict[str, set[str]] = {policy: set() for policy in sorted(named)}
    for pair, decision in decisions.items():
        if decision.kept:
            own[pair.policy].update(decision.kept)
    kept = {authority for ids in own.values() for authority in ids}
    spared = {authority for decision in decisions.values() for authority in decision.spared}
    return Plan(
        create=tuple(NewAuthority(pair, made.new_end) for pair, made in decisions.items() if made.new_end),
        retire=tuple(sorted({authority.id for found in existing.values() for authority in found} - kept - spared)),
        bundles={
            policy: tuple(
                sorted(
                    ids.union(
                        kept.intersection(undecided.bundles.get(policy, ())),
                        *(own.get(name, ()) for name in trusted.get(policy, ())),
                    )
                )
            )
            for policy, ids in own.items()
        },
        signing={pair: made.signs for pair, made in decisions.items() if made.signs},
    )


def _leave(authorities: list[KnownAuthority], now: datetime) -> _Decision:
    """Keep the CAs of a pair, except those that have ended."""
    living = [authority for authority in authorities if authority.not_after > now]
    kept = tuple(authority.id for authority in living if authority.published and authority.listed)
    return _Decision(kept, spared=tuple(authority.id for authority in living if authority.id not in kept))


def _decide(window: TrustWindow | None, authorities: list[KnownAuthority], now: datetime) -> _Decision:
    if window is None or (window.until is not None and window.until <= now):
        return _Decision()
    living = sorted(
        (authority for authority in authorities if authority.not_after > now),
        key=lambda authority: (authority.follows_from, authority.not_before, authority.id),
    )
    if not window.accepting:
        return _Decision(kept=tuple(authority.id for authority in living))
    outlived = {
        old.id
        for old, successor in pairwise(living)
        if now - successor.signs_from >= LEAF_LIFETIME + successor.propagation
    }
    kept = [authority for authority in living if authority.id not in outlived]
    line = [authority for authority in kept if authority.not_before <= now + SKEW]
    published = [authority for authority in line if authority.signs_from <= now]
    # The first CA of a pair signs at once, as no other can: its pods wait for the bundle instead.
    signing = published[-1:] or line[:1]
    return _Decision(
        kept=tuple(authority.id for authority in kept),
        signs=signing[0].id if signing else None,
        new_end=_new_end(window, line, now),
    )


def _new_end(window: TrustWindow, line: list[KnownAuthority], now: datetime) -> datetime | None:
    """Return when an authority that has to be created ends, or None if there is nothing to create.

    One that is in the last third of its life is replaced if that makes what is left half as long again.
    The less is left, the less has to be gained: no extension is missed, small ones are taken together,
    and an authority that ends with its trust window is never replaced by its like.
    """
    longest = now + CA_LIFETIME
    end = longest if window.until is None else min(window.until, longest)
    end = end.astimezone(UTC).replace(microsecond=0)
    if end - now < SHORTEST_LEAF:
        return None
    if not line:
        return end
    newest = line[-1]
    if newest.signs_from > now or len(line) >= MOST:
        return None
    left = newest.not_after - now
    too_long = window.until is not None and newest.not_after > window.until
    ageing = 3 * left < newest.not_after - newest.not_before
    return end if too_long or (ageing and 2 * (end - now) >= 3 * left) else None
