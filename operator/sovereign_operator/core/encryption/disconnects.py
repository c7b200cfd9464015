"""When open connections have to end: as soon as an authority is trusted no more.

Who is trusted is asked for once, when a connection begins. So when an authority leaves a policy's trust, the sidecars
let go of what is open. They cannot tell whose it is, and end all of it; who is still trusted connects again.

That another authority of the same datacentre takes its place does not matter: somebody may know its key. Nothing ends
only where all that it has signed has ended before, as after a renewal.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Self

from sovereign_operator.core.identity.authorities import LEAF_LIFETIME
from sovereign_operator.core.report.conditions import timestamp

SETTLE_SECONDS: Final = 10.0
"""In which a trust bundle reaches every pod, as their kubelets are told of it at once."""

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class TrustedAnchor:
    """An authority that is trusted."""

    pair: str
    """Policy and datacentre, with a slash between them."""
    digits: str
    """What stands for its certificate; empty where an earlier version wrote this, which knew pairs alone."""
    over: datetime
    """When all that it signed has ended, in whole seconds. Who leaves after that is no loss if the pair stays."""

    def __str__(self) -> str:
        return f"{self.pair}/{self.digits}/{timestamp(self.over)}" if self.digits else self.pair

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what was written; what cannot be read is taken for a pair."""
        pair, *rest = text.rsplit("/", 2)
        try:
            digits, over = rest
            return cls(pair, digits, datetime.fromisoformat(over).astimezone(UTC))
        except (ValueError, OverflowError):
            return cls(text, "", _LONG_AGO)


@dataclass(frozen=True)
class Disconnects:
    """How often open connections were ended, and who was trusted then."""

    number: int = 0
    trusted: frozenset[TrustedAnchor] = frozenset()


def trusted_now(before: Disconnects, anchors: Sequence[TrustedAnchor], now: datetime) -> frozenset[TrustedAnchor]:
    """Return the authorities in a bundle, given from old to new, each with when all that it signed has ended.

    The newest of each pair signs, so that all it signed ends as it does. Once a successor is in the bundle, an
    authority signs for a short time yet, and what it signed ends a day later: the signer keeps it for that day and that
    time. Should the successor be retired, its predecessor signs again.
    """
    known = {one.digits: one.over for one in before.trusted}
    newest = {one.pair: one.digits for one in anchors}
    replaced = now.replace(microsecond=0) + LEAF_LIFETIME
    return frozenset(
        one
        if newest[one.pair] == one.digits
        else replace(one, over=min(one.over, replaced, known.get(one.digits, replaced)))
        for one in anchors
    )


def lost(before: Disconnects, trusted: Collection[TrustedAnchor], now: datetime) -> frozenset[TrustedAnchor]:
    """Return whom somebody may still talk to, though they are trusted no more."""
    digits, pairs = {one.digits for one in trusted}, {one.pair for one in trusted}
    return frozenset(
        one for one in before.trusted if one.digits not in digits and not (one.pair in pairs and one.over <= now)
    )


def settled(gone_for: Mapping[TrustedAnchor, float]) -> frozenset[TrustedAnchor]:
    """Return those who have been gone for so long that all sidecars know; given are the seconds since each has been."""
    return frozenset(one for one, seconds in gone_for.items() if seconds >= SETTLE_SECONDS)


def next_disconnects(
    before: Disconnects,
    trusted: frozenset[TrustedAnchor],
    gone: frozenset[TrustedAnchor],
    settled: frozenset[TrustedAnchor],
) -> Disconnects:
    """Return one cut more if some of those who are ``gone`` have been for so long that all sidecars know.

    A cut before would let those be connected again who must not be. So others who are gone have a cut to come.
    """
    return Disconnects(before.number + bool(settled), trusted | (gone - settled))
