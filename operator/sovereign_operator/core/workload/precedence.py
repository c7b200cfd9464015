"""Which of several SovereignWorkloads holds a workload: the oldest one that can be carried out."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sovereign_operator.core.workload.decision import refuse_policy


@dataclass(frozen=True, order=True)
class WorkloadClaim:
    """A SovereignWorkload that names a workload."""

    created: str
    """When it was created, as the API server writes it: RFC 3339 in UTC, whole seconds."""
    name: str
    """Decides between two of the same second."""
    policy: str | None = field(default=None, compare=False)
    """The policy that its spec names."""


def older_rival(
    name: str, claims: Iterable[WorkloadClaim], *, namespace: str, enforced: str | None, policies: frozenset[str]
) -> str | None:
    """Return the SovereignWorkload that has the workload before the one of this name; None if none has.

    One whose policy is refused holds nothing, so that it does not block the others.
    """
    for claim in sorted(claims):
        if claim.name == name:
            return None
        if refuse_policy(namespace, enforced, claim.policy, policies) is None:
            return claim.name
    return None
