"""What properties of plans share: pairs, lengths of time, and the authorities after a plan was carried out."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sovereign_operator.core.identity.authorities import CA_LIFETIME, LEAF_LIFETIME, PROPAGATION, KnownAuthority, Plan
from sovereign_operator.core.identity.trust_window import TrustWindow
from sovereign_operator.core.placement.facts import Pair
from tests.unit.identity.authorities import A_DAY

PAIRS: Final = (Pair("demo", "gra-1"), Pair("demo", "rbx-1"), Pair("hds", "gra-1"))
LENGTHS: Final = (
    timedelta(0),
    timedelta(seconds=1),
    timedelta(minutes=1),
    PROPAGATION,
    timedelta(hours=1),
    timedelta(hours=9),
    LEAF_LIFETIME,
    LEAF_LIFETIME + 2 * PROPAGATION,
    3 * A_DAY,
    7 * A_DAY,
    130 * A_DAY,
    CA_LIFETIME,
    3 * CA_LIFETIME,
)
TrustWindows = Mapping[Pair, TrustWindow]

NUMBERS: Final = itertools.count()
"""Numbers for unique ids, also for two authorities of a pair that are created at the same moment."""


def applied(
    said: Plan, authorities: list[KnownAuthority], now: datetime, *, publish: bool = True
) -> list[KnownAuthority]:
    """Return the authorities after a plan was carried out. New authorities are published one step later."""
    published = {id_ for policy in said.bundles for id_ in said.bundles[policy]} if publish else set()
    kept = [
        replace(authority, published=authority.published or now) if authority.id in published else authority
        for authority in authorities
        if authority.id not in said.retire
    ]
    created = [
        KnownAuthority(
            f"{made.pair.policy}-{made.pair.datacentre}-{next(NUMBERS):09}",
            made.pair,
            now,
            made.not_after,
            published=None,
        )
        for made in said.create
    ]
    return kept + created
