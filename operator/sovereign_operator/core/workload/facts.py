"""What is known of a workload, and what can be done with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.api.v1alpha1.sovereign_workload import (
    SovereignWorkloadSpec,
    WorkloadKind,
)
from sovereign_operator.core.encryption.agent_report import NO_SILENT_AGENTS, SilentAgents
from sovereign_operator.core.identity.certificate_note import CertificateNote
from sovereign_operator.core.placement.verdict import NodeVerdict
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.workload.readiness import CURRENT, Readiness
from sovereign_operator.core.workload.scope import effective_policy


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
    readiness: Readiness = CURRENT
    """How far it has come with its spec."""
    outcome: str = ""
    """Of a Job: how it ended, Complete or Failed; empty while it has not."""
    last_writer: str = ""
    """The field manager of the last write of its spec or metadata that was not ours."""
    scaled_by: str = ""
    """The field manager of an autoscaler that sets its replica count; empty if there is none."""
    crowd: str = ""
    """Of what it has more than can be written in time, in words; empty if it has not."""


@dataclass(frozen=True)
class WorkloadPod:
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
    certificate: CertificateNote | None = None
    """The certificate that it got last; None if it says of none."""
    ready: bool = False
    """Whether its kubelet says that it is ready."""
    unreadable: bool = False
    """Whether it cannot be read. It counts as outside then, wherever it seems to run."""


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
    talking: frozenset[str] = frozenset()
    """The pods with open connections in plaintext that no exception names, by name."""
    silence: SilentAgents = field(default=NO_SILENT_AGENTS, kw_only=True)
    """Those of them for which no agent has said that it has loaded the rules."""
    claimed: frozenset[str] = field(default=frozenset(), kw_only=True)
    """Those for whom somebody else may answer, each with the Service by which."""
    static: frozenset[str] = field(default=frozenset(), kw_only=True)
    """The static pods among all, by name, which have no sidecar."""


@dataclass(frozen=True)
class JobRun:
    """The one run of the Job that a template describes. The Job itself may be gone."""

    template: str
    """The digest of that template."""
    asked: datetime
    """When the Job's creation was asked for."""
    uid: str = ""
    """The Job's uid; empty as long as the Job was not seen."""
    outcome: str = ""
    """How it ended, Complete or Failed; empty if its end was not seen."""


@dataclass(frozen=True)
class LastWrite:
    """What was last written into a workload, and how often in a row it had to be written again."""

    uid: str
    """The workload's uid."""
    content: str
    """What stands for the content: the policy of a label, the digest of a rendered workload."""
    generation: int
    """The workload's generation after the write."""
    times: int
    """How often the same content was written, because somebody took it back."""
    at: datetime
    """When it last changed the workload."""


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
    pods: tuple[WorkloadPod, ...]
    verdicts: Mapping[str, NodeVerdict]
    """Keyed by node: what the policy in effect says of it."""
    accepted_nodes: int
    wanted: Mapping[str, Any] | None
    """The workload that the template describes, as it is to be applied; None without template or policy."""
    as_rendered: bool
    """Whether all that we would write into an owned workload is there already."""
    guards_broken: tuple[str, ...]
    """What is wrong with admission policies of ours, in words."""
    authorities: frozenset[str] | None
    """What stands for the authorities that the policy's pods trust; None where no signer is installed."""
    encryption: WorkloadEncryption | None
    """What is known of the pods' sidecars; None where the policy asks for no encryption."""
    now: datetime
    run: JobRun | None = None
    """The run of the Job that the template describes, as far as it was recorded."""
    last_write: LastWrite | None = None
    """The last write into the workload, as recorded."""
    template_problem: str = ""
    """Why the template is too large to be carried out; empty if it is not."""

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


def workload_of(name: str, spec: SovereignWorkloadSpec) -> tuple[WorkloadKind, str]:
    """Return kind and name of the workload that a SovereignWorkload of this name speaks of.

    One that is owned is called like its SovereignWorkload.
    """
    if spec.workload_ref:
        return spec.workload_ref.kind, spec.workload_ref.name
    assert spec.template is not None
    return spec.template.kind, name


@dataclass(frozen=True)
class AdoptWorkload:
    """Put our label on a workload of others and on its pod template."""

    target: Workload
    policy: str


@dataclass(frozen=True)
class OwnWorkload:
    """Create or update the workload that the template describes."""

    wanted: Mapping[str, Any]


@dataclass(frozen=True)
class ObserveWorkload:
    """Write nothing: the workload is as it should be."""


@dataclass(frozen=True)
class RefuseWorkload:
    """Write nothing: the SovereignWorkload cannot be carried out."""

    reason: ConditionReason
    message: str


Action = AdoptWorkload | OwnWorkload | ObserveWorkload | RefuseWorkload


@dataclass(frozen=True)
class Outcome:
    """What came of an action."""

    refused: str | None = None
    """What the API server said, if it refused."""
    last_write: LastWrite | None = None
    """The write that was made, if one was."""


NOTHING_DONE: Final = Outcome()
"""What comes of an action that writes nothing."""
