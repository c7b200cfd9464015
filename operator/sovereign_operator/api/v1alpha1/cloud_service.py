"""CloudService: a provider's service, as ANSSI or a certification body lists it."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from sovereign_operator.api.v1alpha1.kind import (
    AGE,
    LIST_SET,
    NAME_PATTERN,
    Column,
    CountryCode,
    Day,
    Kind,
    Model,
    Scope,
    Status,
    list_map,
    rules,
)

SchemeName = Annotated[str, Field(min_length=1, max_length=63, pattern="^[A-Za-z][A-Za-z0-9.-]*$")]
"""A scheme's usual name: SecNumCloud, HDS, C5."""

VersionText = Annotated[str, Field(max_length=20, pattern=r"^[0-9]+(\.[0-9]+)*$")]
"""Numbers and dots, compared number by number: 3.2 is below 3.10."""

Activity = Annotated[int, Field(ge=1, le=6)]
"""One of the six activities of health-data hosting (HDS), 1 (physical sites) to 6 (backup)."""


class ServiceType(StrEnum):
    """What is sold: the categories of the SecNumCloud referential."""

    IAAS = "IaaS"
    CAAS = "CaaS"
    PAAS = "PaaS"
    SAAS = "SaaS"


class QualificationStatus(StrEnum):
    """The status of the last decision. Expiry is not a status: it follows from the dates."""

    QUALIFIED = "Qualified"
    IN_PROCESS = "InProcess"
    SUSPENDED = "Suspended"
    WITHDRAWN = "Withdrawn"


class TechnologyOrigin(StrEnum):
    """Under whose control the technology of a service is."""

    EU = "EU"
    LICENSED_NON_EU = "LicensedNonEU"
    NON_EU = "NonEU"


class Evidence(Model):
    """Where a person read a claim, so that another can read it again."""

    url: str = Field(description="URL of the document. Example: ANSSI's catalogue.", max_length=2048)
    sha256: str | None = Field(
        default=None,
        description="SHA-256 of the document as read, 64 hexadecimal digits, so that a change shows.",
        pattern="^[0-9a-f]{64}$",
    )
    read_on: Day | None = Field(default=None, description="The day it was read, YYYY-MM-DD.")
    read_by: str | None = Field(default=None, description="Who read it. Example: a name or team.", max_length=253)


class Qualification(Model):
    """One decision about this service, by ANSSI or a certification body.

    A decision and its renewal are two entries: both may be recorded long before the first one ends.
    """

    model_config = rules(
        (
            "!has(self.validFrom) || !has(self.validUntil) || self.validFrom <= self.validUntil",
            "validFrom is after validUntil: correct one of the two dates (the last day is inclusive)",
        )
    )

    id: str = Field(
        description="Name of this entry within the service. Example: secnumcloud-3393.",
        min_length=1,
        max_length=63,
        pattern=NAME_PATTERN,
    )
    scheme: SchemeName = Field(description="The scheme, spelt as in the demands of policies. Example: SecNumCloud.")
    version: VersionText | None = Field(
        default=None,
        description='Version of the referential, numbers and dots. Example: "3.2". Absent means not known.',
    )
    status: QualificationStatus = Field(
        description="The status of the last decision: Qualified, InProcess (applied for, not granted), Suspended "
        "or Withdrawn. Only Qualified counts, and only between the two dates."
    )
    decision: str | None = Field(
        default=None, description='Number of the authority\'s decision. Example: "3393".', max_length=253
    )
    valid_from: Day | None = Field(
        default=None,
        description="First day, YYYY-MM-DD, from midnight in Europe/Paris. Absent means not known: "
        "the start is then not checked.",
    )
    valid_until: Day | None = Field(
        default=None,
        description="Last day, YYYY-MM-DD, inclusive: it holds until midnight in Europe/Paris at the end "
        "of that day. Absent means no end is recorded: it then holds until its status changes.",
    )
    activities: tuple[Activity, ...] | None = Field(
        default=None,
        description="Activities of health-data hosting (HDS) that the certificate covers, numbers 1 to 6. "
        "Absent means not known.",
        json_schema_extra=LIST_SET,
        max_length=6,
    )
    evidence: Evidence | None = Field(default=None, description="Where this was read, when and by whom.")
    notes: str | None = Field(
        default=None,
        description="Anything a reader should know. Example: renewal not known.",
        max_length=4096,
    )

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        if self.valid_from and self.valid_until and self.valid_from > self.valid_until:
            raise ValueError("validFrom is after validUntil: correct one of the two dates")
        return self


class NodeForm(Model):
    """Properties that nodes of a service have. They can contradict a claim, and never prove one."""

    regions: tuple[str, ...] = Field(
        default=(),
        description="Values of topology.kubernetes.io/region on its nodes. Example: eu-west-rbx-snc. "
        "Empty means not known.",
        json_schema_extra=LIST_SET,
        max_length=64,
    )
    zones: tuple[str, ...] = Field(
        default=(),
        description="Values of topology.kubernetes.io/zone on its nodes. Example: cloudgouv-eu-west-1a. "
        "Empty means not known.",
        json_schema_extra=LIST_SET,
        max_length=64,
    )
    provider_ids: tuple[str, ...] = Field(
        default=(),
        alias="providerIDs",
        description="Beginnings of spec.providerID on its nodes, as scheme://authority/path. "
        'Example: "aws:///cloudgouv-eu-west-1". An empty part says nothing. Empty means not known.',
        json_schema_extra=LIST_SET,
        max_length=64,
    )


class CloudServiceSpec(Model):
    """A provider's service, as ANSSI or a certification body lists it.

    A qualification belongs to one service: not to a company, a region or a building.
    """

    provider: str = Field(description="The provider's name. Example: OVHcloud.", min_length=1, max_length=253)
    legal_entity: str | None = Field(
        default=None, description="The company that the decision names. Example: OVH SAS.", max_length=253
    )
    service: str = Field(
        description="The service's name, as ANSSI lists it. Example: SNC Cloud Platform.",
        min_length=1,
        max_length=253,
    )
    service_types: tuple[ServiceType, ...] = Field(
        default=(),
        description="What is sold: IaaS, CaaS, PaaS or SaaS. Example: [IaaS].",
        json_schema_extra=LIST_SET,
        max_length=4,
    )
    countries: tuple[CountryCode, ...] = Field(
        default=(),
        description="The countries of its datacentres, as ISO 3166-1 alpha-2 codes. Example: [FR]. A Datacentre "
        "of this service in another country is refused. Empty means not known.",
        json_schema_extra=LIST_SET,
        max_length=64,
    )
    qualifications: tuple[Qualification, ...] = Field(
        default=(),
        description="Decisions about this service, of any scheme, past ones included. Empty: none.",
        json_schema_extra=list_map("id"),
        max_length=64,
    )
    technology_origin: TechnologyOrigin | None = Field(
        default=None,
        description="Who controls its technology: EU, LicensedNonEU (foreign technology run under licence "
        "by a European operator) or NonEU. Absent means not known, which no demand accepts.",
    )
    foreign_laws: tuple[CountryCode, ...] | None = Field(
        default=None,
        description="Countries outside the EU whose law can reach the data, through the provider or a company that "
        "controls it, as ISO 3166-1 alpha-2 codes. Example: [US]. [] means none known; absent means not "
        "known, which every policy refuses.",
        json_schema_extra=LIST_SET,
        max_length=64,
    )
    node_form: NodeForm = Field(
        default=NodeForm(), description="Properties of its nodes: they can contradict a claim, and never prove one."
    )
    sources: tuple[str, ...] = Field(
        default=(),
        description="Where the rest was read, as addresses or short references.",
        json_schema_extra=LIST_SET,
        max_length=64,
    )
    notes: str | None = Field(default=None, description="Anything a reader should know.", max_length=4096)


class CloudServiceStatus(Status):
    """What follows from the entries today."""

    qualified: str | None = Field(
        default=None,
        description="Schemes in force now, each with its version. Example: SecNumCloud 3.2.",
    )
    until: str | None = Field(default=None, description="The earliest last day of these schemes, YYYY-MM-DD, as text.")
    datacentres: int | None = Field(default=None, description="How many Datacentres refer to it.", ge=0)
    nodes: int | None = Field(default=None, description="How many nodes stand in these.", ge=0)
    pods: int | None = Field(
        default=None,
        description="How many pods run on these that are held to a policy which accepts their node. At most half a "
        "minute old.",
        ge=0,
    )


CLOUD_SERVICE = Kind(
    name="CloudService",
    plural="cloudservices",
    short_names=("csvc",),
    scope=Scope.CLUSTER,
    description="A cloud service: who provides it, which qualifications it holds according to ANSSI's catalogue, "
    "which laws reach it.",
    spec=CloudServiceSpec,
    status=CloudServiceStatus,
    columns=(
        Column("Provider", ".spec.provider", "Who provides it."),
        Column("Service", ".spec.service", "The service as the authority lists it."),
        Column("Qualified", ".status.qualified", "Schemes in force now."),
        Column("Until", ".status.until", "The earliest last day of these schemes."),
        Column("Technology", ".spec.technologyOrigin", "Who controls its technology."),
        Column("Foreign laws", ".spec.foreignLaws", "Laws outside the EU that reach it.", priority=1),
        Column("Datacentres", ".status.datacentres", "How many Datacentres refer to it.", type="integer"),
        Column("Nodes", ".status.nodes", "How many nodes stand in these.", type="integer", priority=1),
        Column("Pods", ".status.pods", "How many pods run on accepted ones of these.", type="integer", priority=1),
        AGE,
    ),
)
