"""Connections are ended when an authority is no longer trusted, and never because it is renewed."""

from datetime import UTC, datetime, timedelta

import pytest

from sovereign_operator.core.encryption.disconnects import (
    SETTLE_SECONDS,
    Disconnects,
    TrustedAnchor,
    lost,
    next_disconnects,
    settled,
    trusted_now,
)
from sovereign_operator.core.identity.authorities import LEAF_LIFETIME, PROPAGATION

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
YEAR, DAY, HOUR = timedelta(days=365), timedelta(days=1), timedelta(hours=1)


def anchor(pair: str, digits: str, end: timedelta = YEAR) -> TrustedAnchor:
    return TrustedAnchor(pair, digits, NOW + end)


BREST, LYON = anchor("snc/brest", "b1"), anchor("snc/lyon", "f1")
LYON_2, LYON_3 = anchor("snc/lyon", "f2", 2 * YEAR), anchor("snc/lyon", "f3", 2 * YEAR)
OTHERS = anchor("hds/lyon", "c1")
BRIEF = anchor("snc/lyon", "f0", 2 * HOUR)
FORMER = [TrustedAnchor.parse("snc/brest"), TrustedAnchor.parse("snc/lyon")]
"""Anchors as an earlier version wrote them."""

NEVER_CUT = Disconnects()
Bundle = list[TrustedAnchor]


def cuts_after(*seen: tuple[timedelta, Bundle], before: Disconnects = NEVER_CUT) -> int:
    """Return how often connections are ended if these bundles are observed, in this order."""
    for when, bundle in seen:
        now = NOW + when
        trusted = trusted_now(before, bundle, now)
        gone = lost(before, trusted, now)
        before = next_disconnects(before, trusted, gone, gone)
    return before.number


START, OVER = timedelta(), LEAF_LIFETIME + 2 * PROPAGATION
"""A successor is published at START, and its predecessor leaves at OVER."""

FOLLOWS: dict[str, tuple[int, tuple[tuple[timedelta, Bundle], ...]]] = {
    "nothing changes": (0, ((START, [BREST, LYON]), (YEAR / 2, [BREST, LYON]))),
    "a datacentre more": (0, ((START, [BREST]), (HOUR, [BREST, LYON]))),
    "a datacentre less": (1, ((START, [BREST, LYON]), (HOUR, [BREST]))),
    "the last datacentre": (1, ((START, [LYON]), (HOUR, []))),
    "another policy that was trusted": (1, ((START, [LYON, OTHERS]), (HOUR, [LYON]))),
    "retired, and another in its place at once": (1, ((START, [BREST, LYON]), (HOUR, [BREST, LYON_2]))),
    "retired, nobody for a moment, then another": (1, ((START, [LYON]), (HOUR, []), (HOUR, [LYON_2]))),
    "a renewal": (0, ((START, [LYON]), (HOUR, [LYON, LYON_2]), (HOUR + OVER, [LYON_2]))),
    "a renewal while two are there already": (
        0,
        (
            (START, [LYON]),
            (HOUR, [LYON, LYON_2]),
            (2 * HOUR, [LYON, LYON_2, LYON_3]),
            (HOUR + OVER, [LYON_2, LYON_3]),
            (2 * HOUR + OVER, [LYON_3]),
        ),
    ),
    "a renewal that was seen on its way alone": (0, ((START, [LYON, LYON_2]), (OVER, [LYON_2]))),
    "a renewal of one that ended before the day": (
        0,
        ((START, [BRIEF]), (HOUR, [BRIEF, LYON_2]), (3 * HOUR, [LYON_2])),
    ),
    "the old one retired within the day of a renewal": (
        1,
        ((START, [LYON]), (HOUR, [LYON, LYON_2]), (4 * HOUR, [LYON_2])),
    ),
    "the new one retired within the day of a renewal": (
        1,
        ((START, [LYON]), (HOUR, [LYON, LYON_2]), (4 * HOUR, [LYON])),
    ),
    "the new one retired long after a renewal": (
        1,
        ((START, [LYON]), (HOUR, [LYON, LYON_2]), (HOUR + OVER, [LYON_2]), (YEAR / 2, [LYON_3])),
    ),
    "the new one retired, and long after that the old one": (
        2,
        ((START, [LYON]), (HOUR, [LYON, LYON_2]), (4 * HOUR, [LYON]), (YEAR / 4, [LYON_3])),
    ),
    "both retired within the day": (1, ((START, [LYON, LYON_2]), (HOUR, [LYON_3]))),
    "ended by its date, and nobody in its place": (1, ((START, [BRIEF]), (3 * HOUR, []))),
    "retired, and its successor with it, while nobody looked": (1, ((START, [LYON]), (3 * DAY, [LYON_3]))),
}


@pytest.mark.parametrize(("number", "seen"), FOLLOWS.values(), ids=FOLLOWS.keys())
def test_connections_end_with_the_trust_in_an_authority(
    number: int, seen: tuple[tuple[timedelta, Bundle], ...]
) -> None:
    assert cuts_after(*seen) == number


@pytest.mark.parametrize(("bundle", "number"), [([BREST, LYON], 0), ([BREST, LYON, LYON_2], 0), ([BREST], 1), ([], 1)])
def test_an_upgrade_ends_nothing_but_what_is_withdrawn(bundle: Bundle, number: int) -> None:
    assert cuts_after((START, bundle), before=Disconnects(0, frozenset(FORMER))) == number


def test_a_cut_waits_until_all_sidecars_know_and_each_who_goes_has_one() -> None:
    before = Disconnects(2, frozenset([BREST, LYON]))
    waiting = next_disconnects(before, frozenset([BREST]), frozenset([LYON]), frozenset())
    assert waiting == before
    # Brest is withdrawn while Lyon's disconnect is due: pods in Brest could reconnect after it, so Brest has one of its
    # own.
    first = next_disconnects(waiting, frozenset(), frozenset([BREST, LYON]), frozenset([LYON]))
    assert first == Disconnects(3, frozenset([BREST]))
    assert next_disconnects(first, frozenset(), frozenset([BREST]), frozenset([BREST])) == Disconnects(4)


def test_all_sidecars_know_some_time_after_an_authority_has_gone() -> None:
    gone_for = {BREST: SETTLE_SECONDS, LYON: SETTLE_SECONDS - 0.1, BRIEF: 0.0, OTHERS: 3600.0}
    assert settled(gone_for) == {BREST, OTHERS}
    assert settled({}) == frozenset()


NONSENSE = ("", "x", "a/b/c", "a/b/c/d", "a/b/c/2026-13-01T00:00:00Z", "a/b/c/0001-01-01T00:00:00+14:00")


@pytest.mark.parametrize("text", NONSENSE)
def test_nonsense_counts_as_somebody_who_is_gone(text: str) -> None:
    assert cuts_after((START, [BREST, LYON]), before=Disconnects(0, frozenset([TrustedAnchor.parse(text)]))) == 1
