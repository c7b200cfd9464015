"""Writes that another client reverts, for example a controller that replaces the whole workload.

Each write is a roll-out, so two clients that insist would roll out without end. After a few writes in a row the
operator reports which client reverts them, and tries again only after minutes.
"""

from datetime import datetime, timedelta
from typing import Final

from sovereign_operator.core import names
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.conditions import timestamp
from sovereign_operator.core.workload.facts import (
    Action,
    AdoptWorkload,
    LastWrite,
    OwnWorkload,
    RefuseWorkload,
    WorkloadFacts,
)
from sovereign_operator.core.workload.manifests import digest_of

FEW: Final = 3
"""So many writes of the same in a row are an accident; from then on it is a contest."""

FIRST_PAUSE: Final = timedelta(minutes=2)
LONGEST_PAUSE: Final = timedelta(minutes=30)

SETTLED: Final = timedelta(minutes=10)
"""What has stood for so long after its pause is taken back no more."""


def content_of(facts: WorkloadFacts) -> str:
    """Return what stands for all that the operator would write into the workload now."""
    return digest_of(facts.wanted) if facts.wanted else facts.policy or ""


def hold_back(facts: WorkloadFacts, action: Action) -> RefuseWorkload | None:
    """Keep from a write that would be taken back again, until its pause is over."""
    last = _in_a_row(facts)
    if not isinstance(action, AdoptWorkload | OwnWorkload) or last is None or facts.now >= last.at + _pause(last):
        return None
    return say_contested(facts)


def say_contested(facts: WorkloadFacts) -> RefuseWorkload | None:
    """Say who takes the operator's writes back, as long as that goes on."""
    last = _in_a_row(facts)
    if last is None or last.times < FEW:
        return None
    policy = facts.policy
    writer = (facts.target.last_writer if facts.target else "") or "an unknown writer"
    following = timestamp(last.at + _pause(last))
    if facts.spec.template:
        advice = f"have {writer} leave it alone, or change spec.template instead"
    else:
        label = f"{names.POLICY_LABEL}: {policy}"
        advice = (
            f"have {writer} write the label {label} on the object and on its pod template, or label the namespace "
            f"(kubectl label namespace {facts.namespace} {names.ENFORCE_LABEL}={policy}), so that the operator "
            "need not write into it"
        )
    message = (
        f"another client reverted the operator's writes to {facts.called} {last.times} times in a row, probably "
        f"{writer}, its last other field manager. Each write rolls the pods out; the next one is after "
        f"{following}: {advice}"
    )
    return RefuseWorkload(ConditionReason.CONTESTED, message)


def after_write(facts: WorkloadFacts, uid: str, generation: int, *, changed: bool) -> LastWrite:
    """Return what is to be recorded after a write. ``changed`` says whether it changed the workload."""
    last = _in_a_row(facts)
    if last is None:
        return LastWrite(uid, content_of(facts), generation, 1, facts.now)
    if not changed:
        return LastWrite(uid, last.content, generation, last.times, last.at)
    return LastWrite(uid, last.content, generation, last.times + 1, facts.now)


def _in_a_row(facts: WorkloadFacts) -> LastWrite | None:
    """Return the last write, if one of the same content now would be another in a row."""
    last = facts.last_write
    if last is None or facts.target is None or (last.uid, last.content) != (facts.target.uid, content_of(facts)):
        return None
    return last if facts.now < _settled(last) else None


def _settled(last: LastWrite) -> datetime:
    return last.at + _pause(last) + SETTLED


def _pause(last: LastWrite) -> timedelta:
    """Return for how long the same is not written again: not at all after a few times, then ever longer."""
    if last.times < FEW:
        return timedelta(0)
    return min(FIRST_PAUSE * (1 << min(last.times - FEW, 10)), LONGEST_PAUSE)
