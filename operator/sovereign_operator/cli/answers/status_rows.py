"""The rows of ``status``."""

from dataclasses import dataclass
from datetime import date

from sovereign_operator.cli.answers.endings import Ending
from sovereign_operator.core.report.derogation_reasons import DerogationReason


@dataclass(frozen=True)
class PolicyRow:
    """One policy."""

    policy: str
    ready: str
    """True, False or Unknown, as the condition Ready."""
    reason: str
    message: str
    datacentres: str
    """Accepted with a node, out of all: ``2 of 4``. Empty: not known."""
    nodes: int | None
    """None, as for the other numbers: not known."""
    next_end: date | None
    end_known: bool
    """Whether it is known what ends next, if anything does."""
    days: int | None
    """How many days are left until the last day of what ends next; negative: it has passed. None: it has no end."""
    used_by: int | None
    """How many namespaces enforce it."""
    tried_by: int | None
    """How many namespaces only try it: their labels warn or audit name it."""
    endings: tuple[Ending, ...]
    """The qualifications that it rests on and that end within 30 days."""


@dataclass(frozen=True)
class DatacentreRow:
    """One datacentre."""

    datacentre: str
    service: str
    country: str
    ready: str
    reason: str
    message: str
    nodes: int | None
    """None: not known."""
    accepted_by: str
    """Empty: not known."""
    next_end: date | None
    end_known: bool
    """Whether it is known what ends next, if anything does."""
    days: int | None
    missing: tuple[str, ...]
    """What is wrong with nodes that it claims and that do not stand there, as sentences."""


@dataclass(frozen=True)
class DerogationRow:
    """One Derogation."""

    name: str
    policy: str
    service: str
    scheme: str
    standing: str
    """Approved, if it is in force; else why it is not, as a CamelCase word."""
    asked_by: str
    approved_by: str
    until: date
    days: int
    reason: str

    @property
    def in_force(self) -> bool:
        """Whether it waives a qualification today."""
        return self.standing == DerogationReason.APPROVED.value


@dataclass(frozen=True)
class NamespaceRow:
    """The pods of one namespace that have not ended, as one policy judges them."""

    namespace: str
    policy: str
    mode: str
    """enforce: they are held to the policy. warn, audit: it is only tried on them."""
    known: bool
    """Whether there is such a policy, as far as the caller may know."""
    pods: int
    inside: int
    outside: int
    pending: int
    unknown: int
    """Pods on nodes that the caller may not judge, and of which the operator has recorded nothing."""
    first_outside: str
    """The name of the first pod outside; empty if there is none."""


@dataclass(frozen=True)
class WorkloadRow:
    """One SovereignWorkload, as the operator reports it."""

    namespace: str
    name: str
    workload: str
    policy: str
    pods: int
    inside: int
    outside: int
    pending: int
    ready: str
    reason: str
    message: str
