"""What a policy says of one pod, whether the pod is held to it or the policy is only tried on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sovereign_operator.core.placement.verdict import NodeVerdict, Place, place_of
from sovereign_operator.core.workload.facts import WorkloadPod
from sovereign_operator.core.workload.scope import Judge, Mode


class Count(StrEnum):
    """What pods are counted by."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    PENDING = "pending"
    UNKNOWN = "unknown"
    """There is no such policy."""
    OLDER = "older"
    BARE = "bare"


PLACES: Final = (Count.INSIDE, Count.OUTSIDE, Count.PENDING, Count.UNKNOWN)
"""Those of which each pod is exactly one."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a policy says of a pod. Most pods of a policy have the same one."""

    place: Place | None
    """Where the pod is for the policy; None: there is no such policy."""
    why: str = ""
    """Of a pod outside, its node, empty if the pod cannot be read. Of one that waits, what the scheduler says."""
    older: bool = False
    """Whether the pod is held to the policy, but is older than the label, so that admission did not place it."""
    bare: bool = False
    """Whether the pod is held to the policy, needs a sidecar by it, and has none of this policy."""

    def counts(self) -> Iterator[Count]:
        """Yield all that the pod counts as."""
        yield Count.UNKNOWN if self.place is None else Count(self.place.value)
        if self.older:
            yield Count.OLDER
        if self.bare:
            yield Count.BARE

    @property
    def all_is_well(self) -> bool:
        """Whether there is nothing to tell people about the pod."""
        return self.place is Place.INSIDE and not self.older and not self.bare


def judge_pod(
    judge: Judge,
    pod: WorkloadPod,
    verdict: NodeVerdict | None,
    *,
    known: bool,
    placed_for: str | None,
    static: bool,
    bare: bool,
) -> Judgement:
    """Judge a pod.

    ``verdict``: the policy's on the pod's node. ``known``: whether there is such a policy. ``placed_for``: the policy
    for which admission placed the pod. ``static``: whether it is a mirror pod, which nothing places. ``bare``: whether
    it has no sidecar that the policy demands.
    """
    if not known:
        return Judgement(None)
    held = judge.mode is Mode.ENFORCE
    place = place_of(pod.node, verdict, unreadable=pod.unreadable)
    why = {Place.OUTSIDE: "" if pod.unreadable else pod.node or "", Place.PENDING: pod.waiting}.get(place, "")
    return Judgement(place, why, older=held and not static and placed_for != judge.policy, bare=held and bare)
