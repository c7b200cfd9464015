"""SovereignWorkload: one workload that must run where its policy accepts."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from sovereign_operator.api.v1alpha1.kind import (
    AGE,
    NAME_PATTERN,
    Column,
    Kind,
    LabelMap,
    Model,
    ObjectName,
    Scope,
    Status,
    condition_column,
    list_map,
    rules,
)
from sovereign_operator.api.v1alpha1.pod_selector import PodSelector


class WorkloadKind(StrEnum):
    """The kinds of workload that can be sovereign."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    JOB = "Job"
    CRON_JOB = "CronJob"


class PolicyRef(Model):
    """A SovereigntyPolicy by name."""

    name: ObjectName = Field(description="Name of the SovereigntyPolicy. Example: secnumcloud.")


class WorkloadRef(Model):
    """An existing workload in the same namespace."""

    kind: WorkloadKind = Field(description="Deployment, StatefulSet, DaemonSet, Job or CronJob.")
    name: str = Field(
        description="metadata.name of the workload. Example: billing.",
        min_length=1,
        max_length=253,
        pattern=NAME_PATTERN,
    )


class TemplateMetadata(Model):
    """What the owned workload carries besides our own label."""

    labels: LabelMap = Field(default={}, description="Labels of the workload object.")
    annotations: LabelMap = Field(default={}, description="Annotations of the workload object.")


class WorkloadTemplate(Model):
    """A whole workload. It gets this SovereignWorkload's name, and goes when it goes."""

    kind: WorkloadKind = Field(description="Deployment, StatefulSet, DaemonSet, Job or CronJob.")
    metadata: TemplateMetadata = Field(
        default=TemplateMetadata(), description="Labels and annotations of the workload object."
    )
    spec: dict[str, Any] = Field(
        description="The workload's own spec, as that kind has it. The API server checks it when the "
        "workload is written; what it says is then in the condition Accepted.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )


class Adoption(StrEnum):
    """What to do where taking a workload into scope would stop its pods."""

    SAFE = "Safe"
    FORCE = "Force"


class SovereignWorkloadSpec(Model):
    """One workload, existing or owned, or pods of other origin, and the policy that says where they may run."""

    model_config = rules(
        (
            "[has(self.workloadRef), has(self.template), has(self.podSelector)].exists_one(given, given)",
            (
                "give one of spec.workloadRef (a workload that exists), spec.template (one to own) and "
                "spec.podSelector (pods to report on)"
            ),
        ),
        (
            (
                "has(self.workloadRef) == has(oldSelf.workloadRef) && "
                "(!has(self.workloadRef) || self.workloadRef == oldSelf.workloadRef)"
            ),
            "spec.workloadRef cannot change: delete this SovereignWorkload and create one for the other workload",
        ),
        (
            "has(self.podSelector) == has(oldSelf.podSelector)",
            (
                "spec.podSelector can neither replace another field nor be replaced: delete this SovereignWorkload "
                "and create another one"
            ),
        ),
        (
            "!has(self.template) || !has(oldSelf.template) || self.template.kind == oldSelf.template.kind",
            "spec.template.kind cannot change: delete this SovereignWorkload and create one of the other kind",
        ),
    )

    policy_ref: PolicyRef | None = Field(
        default=None,
        description="The policy. May be left out where the namespace's label sovereignty.dev/enforce names "
        "one, and may not name another there.",
    )
    workload_ref: WorkloadRef | None = Field(
        default=None,
        description="An existing workload to take into scope. Its pod template gets one label, which rolls "
        "its pods out again; nothing else of it is written.",
    )
    template: WorkloadTemplate | None = Field(
        default=None,
        description="A whole workload, created, kept up to date and owned by this object. A Job runs once for "
        "each template: one that is gone is not created again until the template changes.",
    )
    pod_selector: PodSelector | None = Field(
        default=None,
        description="Pods to report on, by their labels, where none of these kinds owns them, as those of "
        "CloudNativePG or Strimzi. Nothing is written to them: a label of the namespace, or their own, puts them in "
        "scope.",
    )
    adoption: Adoption = Field(
        default=Adoption.SAFE,
        description="What to do with a workload whose pods would stop because no accepted node can run their "
        "successors. Safe: leave it alone and say why (reason WouldStop). Force: take it into scope all the same.",
    )

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if sum(given is not None for given in (self.workload_ref, self.template, self.pod_selector)) != 1:
            raise ValueError("give one of spec.workloadRef, spec.template and spec.podSelector")
        return self


class PodExample(Model):
    """A pod that is not where it should be, and what to do."""

    pod: str = Field(description="Name of the pod.")
    node: str | None = Field(default=None, description="The node that it runs on, if any.")
    datacentre: str | None = Field(default=None, description="The datacentre of that node, if known.")
    message: str = Field(description="Why, and what to do next.", max_length=32768)


class PlaceCount(Model):
    """How many pods run in one datacentre."""

    datacentre: str = Field(description="Name of the Datacentre; unknown for nodes in none.")
    pods: int = Field(description="How many of the workload's pods run there.", ge=0)


class JobRunStatus(Model):
    """The one run of the Job that spec.template describes. It stays when the Job is gone."""

    template: str = Field(description="The digest of the template, as 16 hexadecimal digits.", max_length=16)
    asked: datetime = Field(description="When the Job's creation was asked for, RFC 3339, UTC.")
    uid: str | None = Field(default=None, description="The Job's uid, once it was seen.", max_length=63)
    outcome: Literal["Complete", "Failed"] | None = Field(
        default=None, description="How the Job ended, if its end was seen."
    )


class LastWriteStatus(Model):
    """The operator's last write into the workload."""

    uid: str = Field(description="The workload's uid.", max_length=63)
    content: str = Field(
        description="What stands for the content: the policy of a label, the digest of a template.", max_length=253
    )
    generation: int = Field(description="The workload's metadata.generation after it.", ge=0)
    times: int = Field(description="How often in a row the same was written.", ge=1)
    at: datetime = Field(description="When it last changed the workload, RFC 3339, UTC.")


class SovereignWorkloadStatus(Status):
    """Where the workload's pods are."""

    policy: str | None = Field(default=None, description="The policy in effect.")
    workload: str | None = Field(default=None, description="The workload, as Kind/name, or Pods/SELECTOR.")
    pods: int | None = Field(default=None, description="How many pods it has that have not ended.", ge=0)
    inside: int | None = Field(default=None, description="How many run where the policy accepts.", ge=0)
    outside: int | None = Field(default=None, description="How many run elsewhere.", ge=0)
    pending: int | None = Field(default=None, description="How many wait for a node.", ge=0)
    certificates: int | None = Field(default=None, description="How many pods have a certificate in force.", ge=0)
    certificates_pending: int | None = Field(default=None, description="How many pods wait for a certificate.", ge=0)
    places: tuple[PlaceCount, ...] = Field(
        default=(),
        description="Where they run, at most ten datacentres.",
        json_schema_extra=list_map("datacentre"),
    )
    outside_examples: tuple[PodExample, ...] = Field(
        default=(), description="At most ten pods outside, and why.", json_schema_extra=list_map("pod")
    )
    pending_examples: tuple[PodExample, ...] = Field(
        default=(), description="At most ten pods that wait, and why.", json_schema_extra=list_map("pod")
    )
    run: JobRunStatus | None = Field(
        default=None, description="The run of an owned Job, recorded so that it runs only once."
    )
    last_write: LastWriteStatus | None = Field(
        default=None, description="The operator's last write into the workload, recorded to detect reverts."
    )


SOVEREIGN_WORKLOAD = Kind(
    name="SovereignWorkload",
    plural="sovereignworkloads",
    short_names=("swl",),
    scope=Scope.NAMESPACED,
    description="One workload that must run only where its policy accepts.",
    spec=SovereignWorkloadSpec,
    status=SovereignWorkloadStatus,
    columns=(
        Column("Workload", ".status.workload", "The workload."),
        Column("Policy", ".status.policy", "The policy in effect."),
        Column("Pods", ".status.pods", "How many pods it has.", type="integer"),
        Column("Inside", ".status.inside", "How many run where the policy accepts.", type="integer"),
        Column("Outside", ".status.outside", "How many run elsewhere.", type="integer"),
        Column("Pending", ".status.pending", "How many wait for a node.", type="integer"),
        condition_column("Enforced", "Enforced", "Whether the API server guards every way to a node."),
        condition_column("Encrypted", "Encrypted", "Whether its pods take nothing but mutual TLS.", priority=1),
        condition_column("Identity", "Identity", "Whether each pod that asks for a certificate has one."),
        condition_column("Ready", "Ready", "Whether it is placed as it should be."),
        condition_column("Reason", "Ready", "Why, in a word.", field="reason"),
        condition_column("Message", "Ready", "Why, in a sentence.", field="message", priority=1),
        AGE,
    ),
)
