"""Counts of the pods in scope, kept up to date as pods and verdicts change."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sovereign_operator.controller.observed.multimap import Multimap
from sovereign_operator.core.placement.verdict import Place
from sovereign_operator.kube.mirror import ObjectKey


@dataclass(frozen=True)
class CountedPod:
    """What the counts need of one pod that runs or waits."""

    policy: str
    """The policy that it is held to."""
    place: Place | None
    """Where it is for that policy; None: there is no such policy."""
    mounts_certificates: bool


class PodTally:
    """The counts, and the pods that have to be counted again."""

    def __init__(self) -> None:
        self.outdated: set[ObjectKey] = set()
        self.places: Counter[tuple[str, str, Place]] = Counter()
        """How many pods are where, by namespace and policy."""
        self._pods: dict[ObjectKey, CountedPod] = {}
        self._mounting: Multimap[tuple[str, str], str] = Multimap()

    def note(self, keys: Iterable[ObjectKey]) -> None:
        """Have pods counted again."""
        self.outdated.update(keys)

    def update(self, pods: Mapping[ObjectKey, CountedPod | None]) -> set[tuple[str, str]]:
        """Count pods as they are now; None: not to be counted. Return where numbers changed."""
        changed = set()
        for key, now in pods.items():
            before = self._pods.pop(key, None)
            if now:
                self._pods[key] = now
            for pod, number in ((before, -1), (now, 1)):
                if pod and pod.place:
                    self.places[key[0], pod.policy, pod.place] += number
            if before and before.mounts_certificates:
                self._mounting.discard((before.policy, key[0]), key[1])
            if now and now.mounts_certificates:
                self._mounting.add((now.policy, key[0]), key[1])
            if before != now:
                changed |= {(key[0], pod.policy) for pod in (before, now) if pod and pod.place}
        return changed

    @property
    def mounting(self) -> Mapping[tuple[str, str], Iterable[str]]:
        """By policy and namespace, the names of the pods that mount the policy's certificates."""
        return self._mounting.all()
