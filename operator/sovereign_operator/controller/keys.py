"""The kinds of things that can be looked at."""

from dataclasses import dataclass

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind


@dataclass(frozen=True)
class Cluster:
    """Verdicts and host roles."""


@dataclass(frozen=True)
class Node:
    """What is said on one node of the last verdicts."""

    name: str


@dataclass(frozen=True)
class Statuses:
    """What is said of the last verdicts in the statuses of the cluster-scoped kinds."""


@dataclass(frozen=True)
class Sovereign:
    """One SovereignWorkload and the workload it speaks of."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Labelled:
    """One workload that carries our label: does a SovereignWorkload still speak of it?"""

    kind: WorkloadKind
    namespace: str
    name: str


@dataclass(frozen=True)
class PodMarks:
    """The audit annotations of one pod."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Encryption:
    """How far a policy's encryption has come, and what its sidecars are told."""

    policy: str


@dataclass(frozen=True)
class Guarded:
    """Are our admission policies what the chart installed?"""


@dataclass(frozen=True)
class PodCounts:
    """How many pods in scope are where."""


@dataclass(frozen=True)
class Left:
    """A namespace that has left a policy, which people are told once."""

    policy: str
    namespace: str


def tenant_of(key: "Key") -> str:
    """Return the namespace that a key belongs to; empty if it is the cluster's.

    Statuses have turns of their own, which no other key of the cluster takes.
    """
    if isinstance(key, Statuses):
        return "Statuses"
    return "" if isinstance(key, Cluster | Encryption | Guarded | PodCounts | Left) else key.namespace


Key = Cluster | Statuses | Sovereign | Labelled | PodMarks | Encryption | Guarded | PodCounts | Left
