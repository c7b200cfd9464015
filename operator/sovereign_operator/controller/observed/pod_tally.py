"""Counts of the pods that policies judge, kept up to date as pods and verdicts change."""

from collections.abc import Iterable, Mapping

from sovereign_operator.controller.observed.judged_pods import CountedPod, JudgedPods
from sovereign_operator.controller.observed.multimap import Multimap
from sovereign_operator.core.workload.scope import Judge
from sovereign_operator.kube.mirror import ObjectKey


class PodTally:
    """The counts, and the pods that have to be counted again."""

    def __init__(self) -> None:
        self.outdated: set[ObjectKey] = set()
        self.judged = JudgedPods()
        self.outdated_policies: set[str] = set()
        """The policies whose status may say something else of their pods now."""
        self._pods: dict[ObjectKey, CountedPod] = {}
        self._mounting: Multimap[tuple[str, str], str] = Multimap()

    def note(self, keys: Iterable[ObjectKey]) -> None:
        """Have pods counted again."""
        self.outdated.update(keys)

    def update(self, pods: Mapping[ObjectKey, CountedPod | None]) -> set[tuple[str, Judge]]:
        """Count pods as they are now; None: not to be counted. Return the namespaces and policies of what changed."""
        changed = set()
        for key, now in pods.items():
            before = self._pods.pop(key, None)
            if now:
                self._pods[key] = now
            if before == now:
                continue
            self._mounting.move(key[1], _mounted(key[0], before), _mounted(key[0], now))
            changed |= {(key[0], judge) for judge in self.judged.move(key, before, now)}
        return changed

    @property
    def mounting(self) -> Mapping[tuple[str, str], Iterable[str]]:
        """By policy and namespace, the names of the pods that mount the policy's certificates."""
        return self._mounting.all()


def _mounted(namespace: str, pod: CountedPod | None) -> set[tuple[str, str]]:
    """Return policy and namespace if a pod mounts certificates of the policy that it is held to."""
    return {(pod.policy, namespace)} if pod and pod.mounts_certificates and pod.policy else set()
