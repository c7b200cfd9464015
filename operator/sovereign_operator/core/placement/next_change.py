"""When to judge again: at the next instant at which time alone changes a verdict."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec
from sovereign_operator.api.v1alpha1.sovereignty_policy import SovereigntyPolicySpec
from sovereign_operator.core.placement.calendar import end_instant, first_instant, seconds_past
from sovereign_operator.core.placement.facts import Facts
from sovereign_operator.core.placement.site import judge_sites


def next_change(facts: Facts) -> datetime | None:
    """Return the first instant after now at which a verdict changes by itself, or None.

    Verdicts change only where a validity begins or ends, so it is enough to look at those
    instants. Where a node stands does not depend on time.
    """
    today = judge_sites(facts)
    for instant in sorted(set(_boundaries(facts))):
        if instant > facts.now and judge_sites(replace(facts, now=instant)) != today:
            return instant
    return None


def seconds_to_next_change(facts: Facts, now: datetime, longest: float) -> float:
    """Return in how many seconds to look again: past the next change by time alone, but not later than ``longest``."""
    change = next_change(facts)
    return longest if change is None else min(seconds_past(change, now), longest)


def ends(services: Iterable[CloudServiceSpec], policies: Iterable[SovereigntyPolicySpec]) -> Iterator[datetime]:
    """Yield the instants at which time alone can end an acceptance."""
    for service in services:
        for qualification in service.qualifications:
            if qualification.valid_until:
                yield end_instant(qualification.valid_until)
    for policy in policies:
        for derogation in policy.derogations:
            yield end_instant(derogation.until)


def _boundaries(facts: Facts) -> Iterator[datetime]:
    for service in facts.services.values():
        for qualification in service.qualifications:
            if qualification.valid_from:
                yield first_instant(qualification.valid_from)
    yield from ends(facts.services.values(), facts.policies.values())
