"""What is known of a workload, and what can be done with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.api.v1alpha1.sovereign_workload import (
    SovereignWorkloadSpec,
    WorkloadKind,
    WorkloadTemplate,
)
from sovereign_operator.core.reasons import ConditionReason
from sovereign_operator.core.verdict import NodeVerdict


@dataclass(frozen=True)
class Workload:
    """What matters of a Deployment, StatefulSet, DaemonSet, Job or CronJob."""

    kind: WorkloadKind
    name: str
    uid: str
    policy: str | None
    """Our label on the object."""
    template_policy: str | None
    """Our label on its pod template."""
    owner_uid: str | None
    """The uid of the object that controls it, if any."""
    ours: bool = False
    """Whether we wrote any part of it."""
    generation: int = 0
    """Grows with each change of its spec. One that we own may have been changed by somebody else."""


@dataclass(frozen=True)
class Pod:
    """What matters of a Pod that has not ended."""

    name: str
    uid: str
    node: str | None
    waiting: str = ""
    """What the scheduler says, if it waits for a node."""
    placed_for: frozenset[str] = frozenset()
    """The policies whose node label it selects on."""
    certificate_volumes: int = 0
    """How many of its volumes ask for a certificate of our signer."""
    certificate: str = ""
    """The certificate that it got last, in words: until 2027-01-31T12:00:00Z, ..."""


@dataclass(frozen=True)
class WorkloadEncryption:
    """What is known of the sidecars of a workload's pods."""

    mode: EncryptionMode
    """What sidecars are told now."""
    wanted: EncryptionMode
    """What the policy asks for."""
    sidecars: frozenset[str]
    """The pods that have one, by name."""
    loaded: frozenset[str]
    """The pods whose sidecar has loaded the mode, by name."""
    bypassed: frozenset[str] = frozenset()
    """The pods with a container whose traffic goes past the sidecar, by name."""


@dataclass(frozen=True)
class WorkloadFacts:
    """All that the decision about one SovereignWorkload depends on."""

    namespace: str
    name: str
    uid: str
    spec: SovereignWorkloadSpec
    enforced: str | None
    """The namespace's enforce label: a policy's name, or None without the label."""
    in_system_namespace: bool
    policies: frozenset[str]
    target: Workload | None
    """The workload that the spec speaks of, if it exists."""
    taken_by: str | None
    """An older SovereignWorkload that speaks of the same workload."""
    pods: tuple[Pod, ...]
    verdicts: Mapping[str, NodeVerdict]
    """Keyed by node: what the policy in effect says of it."""
    accepted_nodes: int
    as_rendered: bool
    """Whether all that we would write into an owned workload is there already."""
    guards_broken: tuple[str, ...]
    """What is wrong with admission policies of ours, in words."""
    authorities: frozenset[str] | None
    """What stands for the authorities that the policy's pods trust; None where no signer is installed."""
    encryption: WorkloadEncryption | None
    """What is known of the pods' sidecars; None where the policy asks for no encryption."""
    now: datetime

    @property
    def kind(self) -> WorkloadKind:
        """The kind of the workload."""
        return workload_of(self.name, self.spec)[0]

    @property
    def workload_name(self) -> str:
        """The workload's name."""
        return workload_of(self.name, self.spec)[1]

    @property
    def policy(self) -> str | None:
        """The policy in effect."""
        return effective_policy(self.enforced, self.spec.policy_ref.name if self.spec.policy_ref else None)


def effective_policy(enforced: str | None, named: str | None) -> str | None:
    """Return the policy in effect: the one that the namespace enforces, else the one that the spec names."""
    return named if enforced is None else enforced


def workload_of(name: str, spec: SovereignWorkloadSpec) -> tuple[WorkloadKind, str]:
    """Return kind and name of the workload that a SovereignWorkload of this name speaks of.

    One that is owned is called like its SovereignWorkload.
    """
    if spec.workload_ref:
        return spec.workload_ref.kind, spec.workload_ref.name
    assert spec.template is not None
    return spec.template.kind, name


@dataclass(frozen=True)
class Adopt:
    """Put our label on a workload of others and on its pod template."""

    target: Workload
    policy: str


@dataclass(frozen=True)
class Own:
    """Create or update the workload that the template describes."""

    template: WorkloadTemplate
    policy: str


@dataclass(frozen=True)
class Watch:
    """Write nothing: the workload is as it should be."""


@dataclass(frozen=True)
class Refuse:
    """Write nothing: the SovereignWorkload cannot be carried out."""

    reason: ConditionReason
    message: str


Action = Adopt | Own | Watch | Refuse
