"""The facts about one SovereignWorkload and its workload, and the actions that may follow."""

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
from sovereign_operator.core.kubernetes.selector import Selector
from sovereign_operator.core.placement.verdict import NodeVerdict
from sovereign_operator.core.report.condition_reasons import ConditionReason
from sovereign_operator.core.report.reasons import line
from sovereign_operator.core.workload.readiness import CURRENT, Readiness
from sovereign_operator.core.workload.scope import effective_policy


@dataclass(frozen=True)
class Workload:
    """The fields of a Deployment, StatefulSet, DaemonSet, Job or CronJob that decisions depend on."""

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
    """Whether the operator applied any field of it."""
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
    """What it has too many of to be written in time, such as labels; empty if nothing."""


@dataclass(frozen=True)
class WorkloadPod:
    """The fields of a Pod that decisions depend on. The pod has not ended."""

    name: str
    uid: str
    node: str | None
    waiting: str = ""
    """The scheduler's message, if the pod waits for a node."""
    placed_for: frozenset[str] = frozenset()
    """The policies whose node label it selects on."""
    certificate_volumes: int = 0
    """How many of its volumes ask for a certificate of our signer."""
    certificate: CertificateNote | None = None
    """The note about its last certificate; None without one."""
    ready: bool = False
    """Whether its kubelet reports it as ready."""
    unreadable: bool = False
    """Whether it cannot be read. It counts as outside then, wherever it seems to run."""


@dataclass(frozen=True)
class WorkloadEncryption:
    """The state of the sidecars of a workload's pods."""

    mode: EncryptionMode
    """The mode in the transit config."""
    wanted: EncryptionMode
    """The mode in the policy."""
    sidecars: frozenset[str]
    """The pods that have one, by name."""
    loaded: frozenset[str]
    """The pods whose sidecar has loaded the mode, by name."""
    bypassed: frozenset[str] = frozenset()
    """The pods with a container that bypasses the sidecar, by name."""
    talking: frozenset[str] = frozenset()
    """The pods with open plaintext connections that the policy does not allow, by name."""
    silence: SilentAgents = field(default=NO_SILENT_AGENTS, kw_only=True)
    """The pods whose agents have not reported their rules as loaded."""
    claimed: frozenset[str] = field(default=frozenset(), kw_only=True)
    """The pods whose address a Service claims, each with the Service."""
    static: frozenset[str] = field(default=frozenset(), kw_only=True)
    """The static pods among all, by name, which have no sidecar."""


@dataclass(frozen=True)
class JobRun:
    """The one run of the Job that a template describes. The Job itself may be gone."""

    template: str
    """The digest of that template."""
    asked: datetime
    """When the operator decided to create the Job."""
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
    """How often the same content was written, because another client reverted it."""
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
    """The workload that the spec refers to, if it exists."""
    taken_by: str | None
    """An older SovereignWorkload that refers to the same workload."""
    pods: tuple[WorkloadPod, ...]
    verdicts: Mapping[str, NodeVerdict]
    """By node, the verdict under the policy in effect."""
    accepted_nodes: int
    wanted: Mapping[str, Any] | None
    """The workload that the template describes, as it is to be applied; None without template or policy."""
    as_rendered: bool
    """Whether all that we would write into an owned workload is there already."""
    guards_broken: tuple[str, ...]
    """The names of the guards that are broken."""
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
    def kind(self) -> WorkloadKind | None:
        """The kind of the workload; None if the spec selects pods."""
        workload = workload_of(self.name, self.spec)
        return workload[0] if workload else None

    @property
    def called(self) -> str:
        """The workload as messages call it."""
        if workload := workload_of(self.name, self.spec):
            return f"{workload[0].value} {workload[1]}"
        return line(f"the pods with {selector_of_pods(self.spec)}")

    @property
    def policy(self) -> str | None:
        """The policy in effect."""
        return effective_policy(self.enforced, self.spec.policy_ref.name if self.spec.policy_ref else None)


def workload_of(name: str, spec: SovereignWorkloadSpec) -> tuple[WorkloadKind, str] | None:
    """Return kind and name of the workload that a SovereignWorkload refers to; None if it selects pods.

    A workload made from a template has the name of its SovereignWorkload.
    """
    if spec.workload_ref:
        return spec.workload_ref.kind, spec.workload_ref.name
    return (spec.template.kind, name) if spec.template else None


def selector_of_pods(spec: SovereignWorkloadSpec) -> Selector | None:
    """Return what selects the pods of a SovereignWorkload; None if it refers to a workload."""
    return Selector.of(spec.pod_selector) if spec.pod_selector else None


@dataclass(frozen=True)
class AdoptWorkload:
    """Write the policy label to a workload that users own, and to its pod template."""

    target: Workload
    policy: str


@dataclass(frozen=True)
class OwnWorkload:
    """Create or update the workload that the template describes."""

    wanted: Mapping[str, Any]


@dataclass(frozen=True)
class ObserveWorkload:
    """Write nothing: the workload needs no change."""


@dataclass(frozen=True)
class RefuseWorkload:
    """Write nothing: the SovereignWorkload cannot be carried out."""

    reason: ConditionReason
    message: str


Action = AdoptWorkload | OwnWorkload | ObserveWorkload | RefuseWorkload


@dataclass(frozen=True)
class Outcome:
    """The result of an action."""

    refused: str | None = None
    """The API server's message, if it refused the write."""
    last_write: LastWrite | None = None
    """The write that was made, if one was."""


NOTHING_DONE: Final = Outcome()
"""The result of an action that writes nothing."""
