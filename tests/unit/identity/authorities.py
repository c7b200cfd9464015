"""Authorities and trust windows of one pair, and the plan for them."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sovereign_operator.core.identity.authorities import KnownAuthority, NewAuthority, Plan, plan
from sovereign_operator.core.identity.trust_window import TrustWindow
from sovereign_operator.core.placement.facts import Pair
from tests.builders import NOW

A_SECOND = timedelta(seconds=1)
AN_HOUR = timedelta(hours=1)
A_DAY = timedelta(days=1)
LONG_AGO = NOW - 30 * A_DAY
PAIR = Pair("demo", "gra-1")

Until = timedelta | None


def accepting(until: Until = None) -> TrustWindow:
    """Return the trust window of an accepted pair that ends this long after NOW."""
    return TrustWindow(accepting=True, until=None if until is None else NOW + until)


def on_grace(until: timedelta) -> TrustWindow:
    return TrustWindow(accepting=False, until=NOW + until)


def authority(
    name: str = "old",
    *,
    policy: str = "demo",
    datacentre: str = "gra-1",
    begins: datetime = LONG_AGO,
    left: timedelta = 335 * A_DAY,
    published: datetime | None = LONG_AGO,
) -> KnownAuthority:
    """Build an authority in the middle of its life that was published long ago."""
    return KnownAuthority(name, Pair(policy, datacentre), begins, NOW + left, published)


def ask(
    window: TrustWindow | None,
    *authorities: KnownAuthority,
    trusted: Mapping[str, tuple[str, ...]] | None = None,
    now: datetime = NOW,
) -> Plan:
    """Plan for this one pair."""
    return plan({} if window is None else {PAIR: window}, trusted or {"demo": ()}, authorities, now)


def new(left: timedelta, now: datetime = NOW) -> tuple[NewAuthority, ...]:
    return (NewAuthority(PAIR, now + left),)


OLD = authority("old")
