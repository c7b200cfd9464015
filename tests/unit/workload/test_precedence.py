"""Which of several SovereignWorkloads takes effect for the workload that they name."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from sovereign_operator.core.workload.precedence import WorkloadClaim, older_rival

POLICIES = frozenset({"hds", "secnumcloud"})
MONDAY, TUESDAY = "2030-06-10T08:00:00Z", "2030-06-11T08:00:00Z"
THIS = WorkloadClaim(TUESDAY, "this", "hds")

# All SovereignWorkloads that name the workload, the policy that the namespace enforces, and the one that precedes
# "this".
CASES: dict[str, tuple[Sequence[WorkloadClaim], str | None, str | None]] = {
    "no other": ((THIS,), None, None),
    "an older one": ((THIS, WorkloadClaim(MONDAY, "other", "hds")), None, "other"),
    "an older one by another policy": ((THIS, WorkloadClaim(MONDAY, "other", "secnumcloud")), None, "other"),
    "a younger one": ((WorkloadClaim(MONDAY, "this", "hds"), WorkloadClaim(TUESDAY, "other", "hds")), None, None),
    "one of the same second, first by name": ((THIS, WorkloadClaim(TUESDAY, "other", "hds")), None, "other"),
    "one of the same second, later by name": ((THIS, WorkloadClaim(TUESDAY, "zebra", "hds")), None, None),
    "the oldest of two": (
        (THIS, WorkloadClaim(MONDAY, "b", "hds"), WorkloadClaim("2030-06-09T08:00:00Z", "c", "hds")),
        None,
        "c",
    ),
    "an older one without a policy": ((THIS, WorkloadClaim(MONDAY, "other")), None, None),
    "an older one without a policy, where the namespace enforces one": (
        (THIS, WorkloadClaim(MONDAY, "other")),
        "hds",
        "other",
    ),
    "an older one of an unknown policy": ((THIS, WorkloadClaim(MONDAY, "other", "gone")), None, None),
    "an older one of another policy than its namespace's": (
        (THIS, WorkloadClaim(MONDAY, "other", "secnumcloud")),
        "hds",
        None,
    ),
    "an older one that is refused, and one that is not": (
        (THIS, WorkloadClaim("2030-06-09T08:00:00Z", "a", "gone"), WorkloadClaim(MONDAY, "b", "hds")),
        None,
        "b",
    ),
    "it is not among them": ((WorkloadClaim(MONDAY, "other", "hds"),), None, "other"),
    "none names it": ((), None, None),
}


@pytest.mark.parametrize(("claims", "enforced", "has_it"), CASES.values(), ids=CASES)
def test_the_oldest_that_can_be_carried_out_has_it(
    claims: Sequence[WorkloadClaim], enforced: str | None, has_it: str | None
) -> None:
    for order in permutations(claims):
        assert older_rival("this", order, namespace="ns", enforced=enforced, policies=POLICIES) == has_it
