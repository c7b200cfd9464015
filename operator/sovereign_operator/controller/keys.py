"""The kinds of things that can be looked at."""

from dataclasses import dataclass

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind


@dataclass(frozen=True)
class ClusterKey:
    """Verdicts and host roles."""


@dataclass(frozen=True)
class NodeKey:
    """What is said on one node of the last verdicts."""

    name: str


@dataclass(frozen=True)
class StatusesKey:
    """What is said of the last verdicts in the statuses of the cluster-scoped kinds."""


@dataclass(frozen=True)
class SovereignWorkloadKey:
    """One SovereignWorkload and the workload it speaks of."""

    namespace: str
    name: str


@dataclass(frozen=True)
class LabelledWorkloadKey:
    """One workload that carries our label: does a SovereignWorkload still speak of it?"""

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
    """How far a policy's encryption has come, and what its sidecars are told."""

    policy: str


@dataclass(frozen=True)
class GuardsKey:
    """Are our admission policies what the chart installed?"""


@dataclass(frozen=True)
class PodCountsKey:
    """How many pods in scope are where."""


@dataclass(frozen=True)
class NamespaceLeftKey:
    """A namespace that has left a policy, which people are told once."""

    policy: str
    namespace: str


def tenant_of(key: "ControllerKey") -> str:
    """Return the namespace that a key belongs to; empty if it is the cluster's.

    Statuses have turns of their own, which no other key of the cluster takes.
    """
    if isinstance(key, StatusesKey):
        return "StatusesKey"
    return (
        ""
        if isinstance(key, ClusterKey | EncryptionKey | GuardsKey | PodCountsKey | NamespaceLeftKey)
        else key.namespace
    )


ControllerKey = (
    ClusterKey
    | StatusesKey
    | SovereignWorkloadKey
    | LabelledWorkloadKey
    | PodAnnotationsKey
    | EncryptionKey
    | GuardsKey
    | PodCountsKey
    | NamespaceLeftKey
)
