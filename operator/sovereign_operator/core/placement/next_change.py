"""When to judge again: at the next instant at which time alone changes a verdict."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec
from sovereign_operator.core.placement.calendar import end_instant, first_instant, seconds_past
from sovereign_operator.core.placement.derogation import Derogation
from sovereign_operator.core.placement.facts import Facts, Pair
from sovereign_operator.core.placement.site import SiteVerdict, judge_site


def next_change(facts: Facts) -> datetime | None:
    """Return the first instant after now at which a verdict changes by itself, or None.

    Where a node stands does not depend on time, so it is enough to look at sites.
    """
    pairs = (Pair(policy, datacentre) for datacentre in facts.datacentres for policy in facts.policies)
    changes = (next_change_of(pair, judge_site(pair.datacentre, pair.policy, facts), facts) for pair in pairs)
    return min(filter(None, changes), default=None)


def next_change_of(pair: Pair, today: SiteVerdict, facts: Facts) -> datetime | None:
    """Return the first instant after now at which the verdict on a site changes by itself, or None.

    ``today``: the verdict now. It changes only where a validity begins or ends, so only those instants are looked at.
    """
    for instant in sorted(_instants(pair, facts)):
        if instant > facts.now and judge_site(pair.datacentre, pair.policy, replace(facts, now=instant)) != today:
            return instant
    return None


def last_change_of(pair: Pair, facts: Facts) -> datetime | None:
    """Return the last instant until now at which the verdict on a site may have changed by itself, or None."""
    return max((instant for instant in _instants(pair, facts) if instant <= facts.now), default=None)


def seconds_to_next_change(facts: Facts, now: datetime, longest: float) -> float:
    """Return in how many seconds to look again: past the next change by time alone, but not later than ``longest``."""
    return seconds_to(next_change(facts), now, longest)


def seconds_to(change: datetime | None, now: datetime, longest: float) -> float:
    """Return in how many seconds to look again after ``now``: past a change, but not later than ``longest``."""
    return longest if change is None else min(seconds_past(change, now), longest)


def ends(services: Iterable[CloudServiceSpec], derogations: Iterable[Derogation]) -> Iterator[datetime]:
    """Yield the instants at which time alone can end an acceptance."""
    for service in services:
        for qualification in service.qualifications:
            if qualification.valid_until:
                yield end_instant(qualification.valid_until)
    for derogation in derogations:
        yield end_instant(derogation.spec.until)


def _instants(pair: Pair, facts: Facts) -> set[datetime]:
    name = facts.datacentres[pair.datacentre].service_ref.name
    service = facts.services.get(name)
    return {*_boundaries(service, facts.derogations.approved(pair.policy, name))} if service else set()


def _boundaries(service: CloudServiceSpec, approved: Iterable[Derogation]) -> Iterator[datetime]:
    for qualification in service.qualifications:
        if qualification.valid_from:
            yield first_instant(qualification.valid_from)
    yield from ends((service,), approved)
