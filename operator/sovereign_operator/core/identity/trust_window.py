"""How long may certificates from a datacentre be trusted under a policy?

As long as the policy accepts the datacentre, and for its grace period after what this rests on has ended
by its date: a renewal is often recorded late. Whatever else ends an acceptance ends trust at once.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sovereign_operator.core.placement.calendar import NEVER, end_instant
from sovereign_operator.core.placement.facts import Facts, Pair
from sovereign_operator.core.placement.next_change import ends
from sovereign_operator.core.placement.site import SiteVerdict, judge_site, judge_sites


@dataclass(frozen=True)
class TrustWindow:
    """For how long certificates of a pair are trusted, and whether new ones are signed."""

    accepting: bool
    """Whether the policy accepts the datacentre now. If not, issued certificates count for a time; none are signed."""
    until: datetime | None
    """The first instant at which nothing counts any more, in UTC. None: no end is recorded."""
    accepted_until: datetime | None = None
    """The first instant at which nothing new is signed any more, in UTC. None: no end is recorded, or it has passed."""


@dataclass(frozen=True)
class SigningTime:
    """For how long an authority signs."""

    until: datetime
    """When what it signs has to end at the latest: its own end, or that of what it rests on."""
    last: datetime
    """When it signs no more, unless something is renewed before. What it has signed may count for a grace period."""


def signing_time(end: datetime, window: TrustWindow) -> SigningTime:
    """Return for how long a CA with this end signs, for an accepted pair."""
    return SigningTime(until=min(end, window.until or end), last=min(end, window.accepted_until or end))


def trust_windows(facts: Facts) -> dict[Pair, TrustWindow]:
    """Return the trust window of each pair. A pair that is not trusted has no entry."""
    found = {pair: _trust_window(verdict, facts) for pair, verdict in judge_sites(facts).items()}
    return {pair: window for pair, window in found.items() if window}


def _trust_window(verdict: SiteVerdict, facts: Facts) -> TrustWindow | None:
    grace = timedelta(seconds=facts.policies[verdict.policy].grace_period_seconds)
    if verdict.accepted:
        known = [end_instant(basis.until) for basis in verdict.basis if basis.until]
        if not known:
            return TrustWindow(accepting=True, until=None)
        end = min(known)
        return TrustWindow(accepting=True, until=_later(end, grace), accepted_until=end.astimezone(UTC))
    ended = _ended(verdict, facts, grace)
    return TrustWindow(accepting=False, until=_later(ended, grace)) if ended else None


def _ended(verdict: SiteVerdict, facts: Facts, grace: timedelta) -> datetime | None:
    """Return when time alone ended the acceptance of a site, if that is less than the grace period ago.

    The specs are judged as they stand today, so one that was suspended since was never accepted.
    """
    name = facts.datacentres[verdict.datacentre].service_ref.name
    service = facts.services.get(name)
    known = set(ends((service,) if service else (), facts.derogations.approved(verdict.policy, name)))
    for end in sorted((end for end in known if end <= facts.now and facts.now - end < grace), reverse=True):
        just_before = end.astimezone(UTC) - datetime.resolution
        if judge_site(verdict.datacentre, verdict.policy, replace(facts, now=just_before)).accepted:
            return end
    return None


def _later(end: datetime, grace: timedelta) -> datetime:
    """Add in UTC, as clocks in Paris change twice a year."""
    return end.astimezone(UTC) + grace if NEVER - end > grace else NEVER
