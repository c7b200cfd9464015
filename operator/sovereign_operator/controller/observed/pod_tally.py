"""Counts of the pods that policies judge, kept up to date as pods and verdicts change."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sovereign_operator.controller.observed.judged_pods import CountedPod, JudgedPods, add_to
from sovereign_operator.controller.observed.multimap import Multimap
from sovereign_operator.core.workload.scope import Judge
from sovereign_operator.kube.mirror import ObjectKey


class Recounted(NamedTuple):
    """What changed when pods were counted again."""

    judged: set[tuple[str, Judge]]
    """The namespaces and policies whose numbers or reasons differ."""
    nodes: set[str]
    """The nodes on which another number of pods rests."""


class PodTally:
    """The counts, and the pods that have to be counted again."""

    def __init__(self) -> None:
        self.outdated: set[ObjectKey] = set()
        self.judged = JudgedPods()
        self.resting: Counter[str] = Counter()
        """By node, how many pods run there that are held to a policy which accepts it; none is 0."""
        self.outdated_statuses: set[tuple[str, str]] = set()
        """Plural and name of the objects whose status may say something else of pods now."""
        self._pods: dict[ObjectKey, CountedPod] = {}
        self._mounting: Multimap[tuple[str, str], str] = Multimap()

    def note(self, keys: Iterable[ObjectKey]) -> None:
        """Have pods counted again."""
        self.outdated.update(keys)

    def update(self, pods: Mapping[ObjectKey, CountedPod | None]) -> Recounted:
        """Count pods as they are now; None: not to be counted."""
        changed = Recounted(set(), set())
        for key, now in pods.items():
            before = self._pods.pop(key, None)
            if now:
                self._pods[key] = now
            if before == now:
                continue
            self._mounting.move(key[1], _mounted(key[0], before), _mounted(key[0], now))
            changed.judged.update((key[0], judge) for judge in self.judged.move(key, before, now))
            changed.nodes.update(self._rest(before.rests_on if before else "", now.rests_on if now else ""))
        return changed

    def _rest(self, before: str, now: str) -> set[str]:
        """Have a pod rest on another node. Return the nodes whose number changes."""
        moved = {before, now} - {""} if before != now else set()
        for node in moved:
            add_to(self.resting, node, 1 if node == now else -1)
        return moved

    @property
    def mounting(self) -> Mapping[tuple[str, str], Iterable[str]]:
        """By policy and namespace, the names of the pods that mount the policy's certificates."""
        return self._mounting.all()


def _mounted(namespace: str, pod: CountedPod | None) -> set[tuple[str, str]]:
    """Return policy and namespace if a pod mounts certificates of the policy that it is held to."""
    return {(pod.policy, namespace)} if pod and pod.mounts_certificates and pod.policy else set()
