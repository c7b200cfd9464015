"""When open connections have to be ended: as soon as a certificate authority (CA) is no longer trusted.

TLS checks the peer's certificate once, when a connection begins. So when a CA leaves a policy's trust bundle, the
sidecars end their open connections. They cannot tell which CA vouched for which connection, and end all of them; peers
that are still trusted connect again.

This holds even if another CA of the same datacentre replaces it, as its key may have been stolen. Only if all of its
certificates have ended, as after a renewal, no connection is ended.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Self

from sovereign_operator.core.identity.authorities import LEAF_LIFETIME
from sovereign_operator.core.report.conditions import timestamp

SETTLE_SECONDS: Final = 10.0
"""How long a changed trust bundle takes to reach every pod, whose kubelet is notified by an annotation."""

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class TrustedAnchor:
    """A CA in a policy's trust bundle."""

    pair: str
    """Policy and datacentre, with a slash between them."""
    digits: str
    """The digits of its fingerprint; empty if an earlier version wrote this, which recorded pairs only."""
    over: datetime
    """When its last certificate ends, in whole seconds. If it leaves after that and the pair stays, nothing is lost."""

    def __str__(self) -> str:
        return f"{self.pair}/{self.digits}/{timestamp(self.over)}" if self.digits else self.pair

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text form; other text is taken for a pair."""
        pair, *rest = text.rsplit("/", 2)
        try:
            digits, over = rest
            return cls(pair, digits, datetime.fromisoformat(over).astimezone(UTC))
        except (ValueError, OverflowError):
            return cls(text, "", _LONG_AGO)


@dataclass(frozen=True)
class Disconnects:
    """How often open connections were ended, and which CAs were trusted then."""

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
    """Return the CAs that are no longer trusted, but may still have open connections."""
    digits, pairs = {one.digits for one in trusted}, {one.pair for one in trusted}
    return frozenset(
        one for one in before.trusted if one.digits not in digits and not (one.pair in pairs and one.over <= now)
    )


def settled(gone_for: Mapping[TrustedAnchor, float]) -> frozenset[TrustedAnchor]:
    """Return the CAs that left so long ago that all sidecars know. ``gone_for``: seconds since each left."""
    return frozenset(one for one, seconds in gone_for.items() if seconds >= SETTLE_SECONDS)


def next_disconnects(
    before: Disconnects,
    trusted: frozenset[TrustedAnchor],
    gone: frozenset[TrustedAnchor],
    settled: frozenset[TrustedAnchor],
) -> Disconnects:
    """Return one disconnect more if some of the ``gone`` CAs are ``settled``: all sidecars know that they left.

    An earlier disconnect would let their peers connect again. So the other gone CAs cause another disconnect later.
    """
    return Disconnects(before.number + bool(settled), trusted | (gone - settled))
