"""The pods that policies judge, by namespace, policy and owner, kept up to date as pods and verdicts change."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeVar

from sovereign_operator.controller.observed.multimap import Multimap
from sovereign_operator.core.placement.verdict import Place
from sovereign_operator.core.workload.judgement import Count, Judgement
from sovereign_operator.core.workload.owner import Owner
from sovereign_operator.core.workload.scope import Judge, Mode
from sovereign_operator.kube.mirror import ObjectKey

T = TypeVar("T")

Judged = tuple[tuple[Judge, Judgement], ...]
"""What policies say of one pod."""


@dataclass(frozen=True, slots=True)
class CountedPod:
    """What the counts need of one pod that runs or waits."""

    owner: Owner
    judged: Judged
    mounts_certificates: bool
    rests_on: str = ""
    """The node that it runs on, if the policy that it is held to accepts that node."""

    @property
    def policy(self) -> str | None:
        """The policy that it is held to."""
        return next((judge.policy for judge, _ in self.judged if judge.mode is Mode.ENFORCE), None)


@lru_cache(maxsize=4096)
def shared(judged: Judged) -> Judged:
    """Return an equal value that others hold already: most pods of a namespace are judged alike."""
    return judged


class OwnedBy(NamedTuple):
    """Which pods: those of one owner, as one policy judges them."""

    namespace: str
    judge: Judge
    owner: Owner


class OwnedPods:
    """The pods of one owner, as one policy judges them."""

    def __init__(self) -> None:
        self.pods: dict[str, Judgement] = {}
        """By name of the pod."""
        self.numbers: Counter[Judgement] = Counter()
        """How many of them have each judgement; none is 0."""

    def remove(self, pod: str) -> None:
        """Remove a pod."""
        add_to(self.numbers, self.pods.pop(pod), -1)

    def add(self, pod: str, judgement: Judgement) -> None:
        """Add a pod."""
        self.pods[pod] = judgement
        add_to(self.numbers, judgement, 1)

    @property
    def all_is_well(self) -> bool:
        """Whether there is nothing to tell people about any of them."""
        return all(judgement.all_is_well for judgement in self.numbers)


class JudgedPods:
    """All pods that a policy judges."""

    def __init__(self) -> None:
        self.numbers: Counter[tuple[str, Judge, Count]] = Counter()
        """How many pods count as what, by namespace and policy; none is 0."""
        self.totals: Counter[tuple[str, bool, Count]] = Counter()
        """The same of all namespaces, by policy and whether the pods are held to it."""
        self.outside: dict[tuple[str, Judge], Counter[str]] = {}
        """How many pods run outside on each node, by namespace and policy; "" for pods that cannot be read."""
        self.groups: dict[OwnedBy, OwnedPods] = {}
        """The pods of each owner, if there are any."""
        self._within: Multimap[str, OwnedBy] = Multimap()
        self._troubled: Multimap[str, OwnedBy] = Multimap()

    def move(self, key: ObjectKey, before: CountedPod | None, now: CountedPod | None) -> set[Judge]:
        """Judge a pod differently; None: not at all. Return the policies whose numbers or reasons change."""
        gone, new = _by_group(key, before), _by_group(key, now)
        for group, judgement in gone.items() - new.items():
            self._count(group, judgement, key[1], -1)
        for group, judgement in new.items() - gone.items():
            self._count(group, judgement, key[1], 1)
        return {group.judge for group, _ in gone.items() ^ new.items()}

    def _count(self, group: OwnedBy, judgement: Judgement, pod: str, number: int) -> None:
        namespace, judge, _ = group
        owned = self.groups.get(group)
        if owned is None:
            owned = self.groups[group] = OwnedPods()
            self._within.add(namespace, group)
        if number > 0:
            owned.add(pod, judgement)
        else:
            owned.remove(pod)
        for count in judgement.counts():
            add_to(self.numbers, (namespace, judge, count), number)
            add_to(self.totals, (judge.policy, judge.mode is Mode.ENFORCE, count), number)
        if judgement.place is Place.OUTSIDE:
            nodes = self.outside.setdefault((namespace, judge), Counter())
            add_to(nodes, judgement.why, number)
            if not nodes:
                del self.outside[namespace, judge]
        (self._troubled.discard if owned.all_is_well else self._troubled.add)(judge.policy, group)
        if not owned.pods:
            del self.groups[group]
            self._within.discard(namespace, group)

    def within(self, namespace: str) -> Collection[OwnedBy]:
        """Return the groups of a namespace, in no order."""
        return self._within.of(namespace)

    @property
    def namespaces(self) -> Collection[str]:
        """The namespaces in which policies judge pods."""
        return self._within.all().keys()

    def troubled(self, policy: str) -> Collection[OwnedBy]:
        """Return the groups about which a policy has something to tell people, in no order."""
        return self._troubled.of(policy)


def add_to(numbers: Counter[T], key: T, number: int) -> None:
    """Add to a number. One that becomes 0 takes no memory."""
    numbers[key] += number
    if not numbers[key]:
        del numbers[key]


def _by_group(key: ObjectKey, pod: CountedPod | None) -> dict[OwnedBy, Judgement]:
    return {OwnedBy(key[0], judge, pod.owner): judgement for judge, judgement in pod.judged} if pod else {}
