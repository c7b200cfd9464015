"""Adds the keys of many objects to the queue: of those that something else concerns."""

from collections.abc import Collection, Iterable
from typing import Final, Protocol

from sovereign_operator.api.v1alpha1 import SOVEREIGN_WORKLOAD
from sovereign_operator.controller.keys import (
    ControllerKey,
    PodAnnotationsKey,
    PodCountsKey,
    ReportKey,
    SovereignWorkloadKey,
)
from sovereign_operator.controller.observed.cluster_view import ClusterView
from sovereign_operator.kube.mirror import ObjectKey
from sovereign_operator.kube.objects.pod import ObservedPod

COUNT_SECONDS: Final = 5.0
"""Changes within this time cause one count of pods."""


class Queue(Protocol):
    """The controller's queue."""

    def add(self, key: ControllerKey, delay: float = 0.0) -> None:
        """Reconcile a key in ``delay`` seconds."""


class AddsKeys:
    """Adds keys to the queue. Who inherits from it sets the view."""

    view: ClusterView

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def _add_those_under(self, policies: Collection[str]) -> None:
        """Add all SovereignWorkloads whose policy in effect is one of these."""
        named = self.view.references.named_policies
        self._add(key for key in named if self.view.policy_in_effect(key[0], named[key]) in policies)

    def _add_sovereign_workloads(self, namespace: str) -> None:
        self._add(self.view.references.within(namespace))

    def _add_all_sovereign_workloads(self) -> None:
        self._add(self.view.keys(SOVEREIGN_WORKLOAD.plural))

    def _add(self, sovereign_workloads: Iterable[ObjectKey], delay: float = 0.0) -> None:
        for key in sovereign_workloads:
            self._queue.add(SovereignWorkloadKey(*key), delay)

    def _add_pods(self, namespace: str | None = None) -> None:
        for pod in self.view.pods(namespace):
            self._queue.add(PodAnnotationsKey(pod.namespace, pod.pod.name))

    def _count_again(self, pods: Iterable[ObservedPod]) -> None:
        self.view.tally.note((pod.namespace, pod.pod.name) for pod in pods)

    def add_reports(self, namespaces: Iterable[str], delay: float = 0.0) -> None:
        """Bring the reports of these namespaces up to date, if the operator writes any."""
        for namespace in namespaces if self.view.reports else ():
            self._queue.add(ReportKey(namespace), delay)

    def _count_pods(self) -> None:
        """Bring the counts of pods up to date, once for all changes within COUNT_SECONDS."""
        self._queue.add(PodCountsKey(), COUNT_SECONDS)
