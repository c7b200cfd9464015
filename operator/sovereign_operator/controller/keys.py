"""What the controller's queue holds: each key names one thing to reconcile.

``observed.triggers`` adds keys when something changes; ``__main__`` hands each key to its reconciler.
"""

from dataclasses import dataclass

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind


@dataclass(frozen=True)
class ClusterKey:
    """The verdict on every node, and the host roles that follow from the verdicts."""


@dataclass(frozen=True)
class NodeKey:
    """The labels, annotations and taint of one node, as the verdicts have them.

    It belongs to the queue of ``reconcile.nodes``, not to the controller's own.
    """

    name: str


@dataclass(frozen=True)
class StatusesKey:
    """The statuses of CloudServices, Datacentres and SovereigntyPolicies."""


@dataclass(frozen=True)
class SovereignWorkloadKey:
    """One SovereignWorkload and the workload that it refers to."""

    namespace: str
    name: str


@dataclass(frozen=True)
class LabelledWorkloadKey:
    """One workload with our policy label: it is released if no SovereignWorkload refers to it any more."""

    kind: WorkloadKind
    namespace: str
    name: str


@dataclass(frozen=True)
class PodAnnotationsKey:
    """The audit annotations of one pod."""

    namespace: str
    name: str


@dataclass(frozen=True)
class EncryptionKey:
    """The roll-out of one policy's encryption: its next step, and the transit configs of its namespaces."""

    policy: str


@dataclass(frozen=True)
class GuardsKey:
    """The chart's admission policies and webhooks, compared with what the chart installed."""


@dataclass(frozen=True)
class PodCountsKey:
    """The metrics that count pods."""


@dataclass(frozen=True)
class NamespaceLeftKey:
    """A namespace that no longer enforces a policy, which one Event on the policy reports."""

    policy: str
    namespace: str


@dataclass(frozen=True)
class NodeLacksKey:
    """What the agent of a node says that the node lacks, for the Event on the node."""

    node: str


@dataclass(frozen=True)
class ReportKey:
    """The report of a namespace: how policies judge its pods."""

    namespace: str


NamespacedKey = SovereignWorkloadKey | LabelledWorkloadKey | PodAnnotationsKey | ReportKey
"""The keys of what belongs to a namespace."""

EventKey = NamespaceLeftKey | NodeLacksKey
"""The keys of what people are told once."""

ControllerKey = ClusterKey | StatusesKey | EncryptionKey | GuardsKey | PodCountsKey | EventKey | NamespacedKey


def tenant_of(key: ControllerKey) -> str:
    """Return the tenant whose share of workers a key uses: its namespace, or "" for the cluster.

    Statuses are a tenant of their own, so that slow writes of statuses hold up no other key of the cluster.
    """
    if isinstance(key, StatusesKey):
        return "Statuses"
    return key.namespace if isinstance(key, NamespacedKey) else ""
