"""What an explanation needs of a pod."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sovereign_operator.api.v1alpha1.sovereign_workload import WorkloadKind
from sovereign_operator.core.kubernetes.node_fit import PodDemands
from sovereign_operator.core.workload.facts import WorkloadPod
from sovereign_operator.core.workload.previewed import PreviewRow


class State(StrEnum):
    """Where a pod is, for its policy."""

    FREE = "not in scope"
    INSIDE = "inside"
    OUTSIDE = "outside"
    PENDING = "pending"
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Owner:
    """The object that creates a pod again: the top one, such as the Deployment of a ReplicaSet."""

    kind: str
    name: str

    @property
    def workload(self) -> WorkloadKind | None:
        """Its kind, if it is one that a SovereignWorkload can refer to."""
        return WorkloadKind(self.kind) if self.kind in {*WorkloadKind} else None


@dataclass(frozen=True)
class PodSeen:
    """What an explanation needs of a pod."""

    namespace: str
    pod: WorkloadPod
    labels: Mapping[str, str]
    rules: PodDemands
    """Its own."""
    recorded: Mapping[str, str]
    """Its audit annotations, by what they are about: ``verdict``, ``datacentre``."""
    owner: Owner | None = None
    static: bool = False
    ended: bool = False
    gates: tuple[str, ...] = ()
    """The scheduling gates that hold it back."""
    sidecar_awaited: datetime | None = None
    """Since when its containers have waited for its sidecar to start; None if they do not."""
    again: PreviewRow | None = None
    """What would become of its owner's pods if they were created again now; None: that was not looked at."""
