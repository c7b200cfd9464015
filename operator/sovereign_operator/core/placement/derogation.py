"""Which derogations waive a qualification? One counts if somebody else than the user who asked for it approved it.

Admission stamps who last wrote the spec, and lets nobody but an approver write who approved it
(``guard-derogations.yaml`` of the chart). What it writes is judged here once more, as guards can be deleted.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sovereign_operator.api.v1alpha1.derogation import DerogationSpec
from sovereign_operator.core.placement.calendar import end_instant
from sovereign_operator.core.report.derogation_reasons import DerogationReason


@dataclass(frozen=True)
class Approval:
    """Who asked for a derogation, and who approved which version of it."""

    generation: int
    """metadata.generation: each change of the spec has another one."""
    asked_by: str = ""
    """The user who last wrote the spec, as admission stamped it; empty: it did not."""
    approved_by: str = ""
    """Empty: not approved."""
    approved_generation: int | None = None
    uid: str = ""
    """metadata.uid: one that is created again under the same name has another one."""
    approved_uid: str = ""

    @property
    def standing(self) -> DerogationReason:
        """Whether it counts: APPROVED, or why it does not."""
        if not self.asked_by:
            return DerogationReason.NOT_STAMPED
        if not self.approved_by:
            return DerogationReason.AWAITING_APPROVAL
        if (self.approved_generation, self.approved_uid) != (self.generation, self.uid):
            return DerogationReason.CHANGED_SINCE_APPROVAL
        if self.approved_by == self.asked_by:
            return DerogationReason.SELF_APPROVED
        return DerogationReason.APPROVED

    @property
    def counts(self) -> bool:
        """Whether somebody else than the user who asked approved what is asked for."""
        return self.standing is DerogationReason.APPROVED


@dataclass(frozen=True)
class Derogation:
    """A Derogation as it was read."""

    name: str
    spec: DerogationSpec
    approval: Approval

    def has_ended(self, now: datetime) -> bool:
        """Whether its last day has passed."""
        return now >= end_instant(self.spec.until)

    def is_in_force(self, now: datetime) -> bool:
        """Whether it waives a qualification at this instant."""
        return self.approval.counts and not self.has_ended(now)


class Derogations(Mapping[str, Derogation]):
    """All derogations by name, in force or not. It never changes."""

    def __init__(self, found: Mapping[str, Derogation] | None = None) -> None:
        self._found = dict(found or {})
        approved: dict[tuple[str, str], list[Derogation]] = defaultdict(list)
        for name in sorted(self._found):
            spec = self._found[name].spec
            if self._found[name].approval.counts:
                approved[spec.policy_ref.name, spec.service_ref.name].append(self._found[name])
        self._approved = {key: tuple(those) for key, those in approved.items()}

    def __getitem__(self, name: str) -> Derogation:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def approved(self, policy: str, service: str) -> tuple[Derogation, ...]:
        """Return those that waive something of this policy for this service until their last day, by name."""
        return self._approved.get((policy, service), ())

    def next_end(self, now: datetime) -> datetime | None:
        """Return the first instant after now at which one of them ends, approved or not; None: none does."""
        return min((end for one in self.values() if (end := end_instant(one.spec.until)) > now), default=None)


def waiver(approved: tuple[Derogation, ...], scheme: str, now: datetime) -> Derogation | None:
    """Return the one of these that waives a scheme at this instant; of several, the one that lasts longest."""
    waiving = [one for one in approved if one.spec.scheme == scheme and one.is_in_force(now)]
    return max(waiving, key=lambda one: (one.spec.until, one.name), default=None)
