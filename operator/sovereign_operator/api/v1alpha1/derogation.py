"""Derogation: one qualification that a policy waives for a service, as one person asked and another approved."""

from pydantic import Field

from sovereign_operator.api.v1alpha1.cloud_service import SchemeName
from sovereign_operator.api.v1alpha1.datacentre import CloudServiceRef
from sovereign_operator.api.v1alpha1.kind import (
    AGE,
    Column,
    Day,
    Kind,
    Model,
    Scope,
    Status,
    condition_column,
)
from sovereign_operator.api.v1alpha1.sovereign_workload import PolicyRef


class DerogationSpec(Model):
    """What is asked for: that a policy accepts a service without one qualification, for a while.

    It waives the qualification only: never country, foreign law, technology or evidence.
    """

    policy_ref: PolicyRef = Field(description="The policy that is to accept the service.")
    service_ref: CloudServiceRef = Field(description="The service that is to be accepted.")
    scheme: SchemeName = Field(description="The demanded scheme that is waived. Example: SecNumCloud.")
    reason: str = Field(
        description="Why, for the approver and the auditor. Example: pilot before qualification, decision 2026-12.",
        min_length=1,
        max_length=1024,
    )
    until: Day = Field(
        description="Last day, YYYY-MM-DD, inclusive, until midnight in Europe/Paris. Example: 2027-03-31."
    )


class DerogationStatus(Status):
    """Who approved it, and what follows."""

    approved_by: str | None = Field(
        default=None,
        description="The user name of the approver, who writes it: the API server accepts only the user's own name, "
        "from a user with the verb approve on this Derogation who did not write its spec. Absent: not approved.",
        min_length=1,
        max_length=1024,
    )
    approved_generation: int | None = Field(
        default=None,
        description="The metadata.generation that was approved; the approver writes it, too. A later change of the "
        "spec has another generation, and needs an approval of its own.",
        ge=1,
    )
    approved_uid: str | None = Field(
        default=None,
        alias="approvedUID",
        description="The metadata.uid of what was approved; the approver writes it, too. A Derogation that is deleted "
        "and created again under the same name has another uid.",
        min_length=1,
        max_length=63,
    )
    datacentres: int | None = Field(
        default=None, description="How many datacentres the policy accepts only because of it.", ge=0
    )


DEROGATION = Kind(
    name="Derogation",
    plural="derogations",
    short_names=("derog",),
    scope=Scope.CLUSTER,
    description="A service that a policy accepts without one qualification, up to a last day. It is asked for in spec, "
    "and in force once another person has approved it in status.",
    spec=DerogationSpec,
    status=DerogationStatus,
    columns=(
        Column("Policy", ".spec.policyRef.name", "The policy that accepts the service."),
        Column("Service", ".spec.serviceRef.name", "The service that is accepted."),
        Column("Scheme", ".spec.scheme", "The scheme that is waived."),
        Column("Until", ".spec.until", "The last day."),
        Column(
            "Asked by",
            r".metadata.annotations.audit\.sovereignty\.dev/requested-by",
            "Who last wrote its spec.",
            priority=1,
        ),
        Column("Approved by", ".status.approvedBy", "Who approved it."),
        Column("Datacentres", ".status.datacentres", "How many are accepted only because of it.", type="integer"),
        condition_column("In force", "InForce", "Whether it waives the qualification now."),
        condition_column("Reason", "InForce", "Why, in a word.", field="reason"),
        condition_column("Message", "InForce", "Why, in a sentence.", field="message", priority=1),
        AGE,
    ),
    status_of_people=frozenset({"approvedBy", "approvedGeneration", "approvedUID"}),
)
