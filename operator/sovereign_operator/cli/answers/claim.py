"""What the operator reports of a SovereignWorkload, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sovereign_operator.api.v1alpha1 import SOVEREIGN_WORKLOAD
from sovereign_operator.cli.answers.answer import Answer
from sovereign_operator.core.report.condition_reasons import ConditionReason

NOTHING_TO_DO: Final = "nothing"
REMEDIES: Final[Mapping[tuple[str, str], str]] = {
    (row.condition, reason.value): row.remedy.replace("`", "")
    for reason in ConditionReason
    for row in reason.rows
    if row.table == SOVEREIGN_WORKLOAD.name and row.remedy
}
"""What to do about each condition and its reason, as the reference has it."""


@dataclass(frozen=True)
class Condition:
    """A condition of a SovereignWorkload."""

    type: str
    status: str
    reason: str
    message: str

    @property
    def remedy(self) -> str:
        """What to do about it; empty if the reference does not say."""
        return REMEDIES.get((f"{self.type} {self.status}", self.reason), "")


@dataclass(frozen=True)
class Claim:
    """A SovereignWorkload that refers to a workload, with what the operator reports of it."""

    name: str
    conditions: tuple[Condition, ...] = ()

    @property
    def refused(self) -> Condition | None:
        """Why the operator does not take its workload into scope; None if it does, or has not said."""
        return self._unmet("Accepted")

    @property
    def unready(self) -> Condition | None:
        """Why it is not ready; None if it is, or the operator has not said."""
        return self._unmet("Ready")

    def _unmet(self, which: str) -> Condition | None:
        return next((one for one in self.conditions if (one.type, one.status) == (which, "False")), None)


@dataclass(frozen=True)
class NoTarget:
    """Why a SovereignWorkload leads to no workload that could be explained."""

    why: str
    next: str = NOTHING_TO_DO
    wrong: bool = False
    """Whether somebody has to mend it."""


@dataclass(frozen=True, kw_only=True)
class ClaimExplanation(Answer):
    """The answer to ``explain sovereignworkload`` where the object puts no workload in scope."""

    namespace: str
    claim: Claim
    why: str
    next: str
    healthy: bool
    """Whether nothing is to be mended."""

    @property
    def findings(self) -> tuple[str, ...]:
        """The reason, if something is to be mended."""
        return () if self.healthy else (self.why,)


def explain_claim(namespace: str, claim: Claim, target: NoTarget | None) -> ClaimExplanation:
    """Explain a SovereignWorkload by itself. ``target``: None if it names a workload that it does not put in scope."""
    unmet = claim.refused or claim.unready
    said = f"{unmet.reason}: {unmet.message}" if unmet else ""
    if target and (target.wrong or not unmet):
        return ClaimExplanation(
            namespace=namespace, claim=claim, why=target.why, next=target.next, healthy=not target.wrong
        )
    why = f"{target.why}; {said}" if target else said
    return ClaimExplanation(namespace=namespace, claim=claim, why=why, next=_advice(unmet), healthy=False)


def _advice(unmet: Condition | None) -> str:
    return (unmet.remedy if unmet else "") or "do what the message says"
