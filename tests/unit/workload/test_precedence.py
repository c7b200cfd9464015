"""Which of several SovereignWorkloads has the workload that they name."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from sovereign_operator.core.workload.precedence import Claim, older_rival

POLICIES = frozenset({"hds", "secnumcloud"})
MONDAY, TUESDAY = "2030-06-10T08:00:00Z", "2030-06-11T08:00:00Z"
THIS = Claim(TUESDAY, "this", "hds")

# All that name the workload, what the namespace enforces, and which one has it before "this".
CASES: dict[str, tuple[Sequence[Claim], str | None, str | None]] = {
    "no other": ((THIS,), None, None),
    "an older one": ((THIS, Claim(MONDAY, "other", "hds")), None, "other"),
    "an older one by another policy": ((THIS, Claim(MONDAY, "other", "secnumcloud")), None, "other"),
    "a younger one": ((Claim(MONDAY, "this", "hds"), Claim(TUESDAY, "other", "hds")), None, None),
    "one of the same second, first by name": ((THIS, Claim(TUESDAY, "other", "hds")), None, "other"),
    "one of the same second, later by name": ((THIS, Claim(TUESDAY, "zebra", "hds")), None, None),
    "the oldest of two": ((THIS, Claim(MONDAY, "b", "hds"), Claim("2030-06-09T08:00:00Z", "c", "hds")), None, "c"),
    "an older one without a policy": ((THIS, Claim(MONDAY, "other")), None, None),
    "an older one without a policy, where the namespace enforces one": ((THIS, Claim(MONDAY, "other")), "hds", "other"),
    "an older one of an unknown policy": ((THIS, Claim(MONDAY, "other", "gone")), None, None),
    "an older one of another policy than its namespace's": (
        (THIS, Claim(MONDAY, "other", "secnumcloud")),
        "hds",
        None,
    ),
    "an older one that is refused, and one that is not": (
        (THIS, Claim("2030-06-09T08:00:00Z", "a", "gone"), Claim(MONDAY, "b", "hds")),
        None,
        "b",
    ),
    "it is not among them": ((Claim(MONDAY, "other", "hds"),), None, "other"),
    "none names it": ((), None, None),
}


@pytest.mark.parametrize(("claims", "enforced", "has_it"), CASES.values(), ids=CASES)
def test_the_oldest_that_can_be_carried_out_has_it(
    claims: Sequence[Claim], enforced: str | None, has_it: str | None
) -> None:
    for order in permutations(claims):
        assert older_rival("this", order, namespace="ns", enforced=enforced, policies=POLICIES) == has_it
