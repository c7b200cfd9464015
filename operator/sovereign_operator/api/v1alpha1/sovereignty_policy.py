"""SovereigntyPolicy: what is demanded of a place before a pod may start there."""

from enum import StrEnum

from pydantic import Field

from sovereign_operator.api.v1alpha1.cloud_service import (
    Activity,
    SchemeName,
    TechnologyOrigin,
    VersionText,
)
from sovereign_operator.api.v1alpha1.encryption import EncryptionInTransit
from sovereign_operator.api.v1alpha1.kind import (
    AGE,
    LIST_SET,
    NAME_FITS_A_LABEL,
    Column,
    CountryCode,
    Kind,
    LabelMap,
    Model,
    ObjectName,
    Scope,
    condition_column,
    list_map,
    rules,
)
from sovereign_operator.api.v1alpha1.policy_status import SovereigntyPolicyStatus


class NodeEvidence(StrEnum):
    """How strongly it is known that a node stands in a datacentre, weakest first."""

    SELF_ASSERTED = "SelfAsserted"
    POOL_DECLARED = "PoolDeclared"
    DECLARED = "Declared"


class QualificationDemand(Model):
    """A scheme in which the service must be qualified."""

    scheme: SchemeName = Field(description="The scheme, spelt as in CloudServices. Example: SecNumCloud.")
    minimum_version: VersionText | None = Field(
        default=None,
        description='Lowest version that counts. Example: "3.2", as 3.1 gives no protection against '
        "foreign law. A qualification whose version is not recorded is then refused.",
    )
    activities: tuple[Activity, ...] = Field(
        default=(),
        description="Activities of health-data hosting (HDS) that must be covered, numbers 1 to 6. "
        "Example: [1, 2, 3, 4]. Empty: none in particular.",
        json_schema_extra=LIST_SET,
        max_length=6,
    )


class LabelOperator(StrEnum):
    """How a label is compared. Trust is granted by a label that is there, never by one that is missing."""

    IN = "In"
    EXISTS = "Exists"


class LabelRequirement(Model):
    """What one label must be, as in a label selector of Kubernetes."""

    model_config = rules(
        (
            "self.key != 'kubernetes.io/metadata.name' || self.operator == 'Exists'",
            "name namespaces in certificateNamespaces.names",
        ),
    )

    key: str = Field(description="The label's key. Example: team.", min_length=1, max_length=317)
    operator: LabelOperator = Field(description="In or Exists: a label that is missing grants nothing.")
    values: tuple[str, ...] = Field(
        default=(), description="For In: the values.", json_schema_extra=LIST_SET, max_length=64
    )


class NamespaceSelector(Model):
    """Which namespaces, by their labels: all terms must hold."""

    model_config = rules(
        (
            "size(self.?matchLabels.orValue({})) + size(self.?matchExpressions.orValue([])) > 0",
            "an empty selector would be every namespace: give matchLabels or matchExpressions",
        ),
        (
            "!has(self.matchLabels) || !('kubernetes.io/metadata.name' in self.matchLabels)",
            "name namespaces in certificateNamespaces.names",
        ),
    )

    match_labels: LabelMap = Field(
        default_factory=dict, description="Labels, all of them. Example: {team: cardiology}.", max_length=16
    )
    match_expressions: tuple[LabelRequirement, ...] = Field(
        default=(),
        description="More terms, all of which must hold.",
        json_schema_extra=list_map("key", "operator"),
        max_length=16,
    )


class CertificateNamespaces(Model):
    """The namespaces whose pods get certificates: those that are named, and those that are selected."""

    names: tuple[ObjectName, ...] = Field(
        default=(),
        description="By name; they need not be there yet. Example: [records, ward].",
        json_schema_extra=LIST_SET,
        max_length=1024,
    )
    selector: NamespaceSelector | None = Field(
        default=None,
        description="By label. A user who sets such a label on a namespace needs the verb use on this policy.",
    )


class SovereigntyPolicySpec(Model):
    """What is demanded. Every demand that is present must be met; foreign law is always checked."""

    countries: tuple[CountryCode, ...] = Field(
        default=(),
        description="Countries in which the datacentre may stand, as ISO 3166-1 alpha-2 codes. "
        "Example: [FR]. Empty: any.",
        json_schema_extra=LIST_SET,
        max_length=64,
    )
    qualifications: tuple[QualificationDemand, ...] = Field(
        default=(),
        description="Schemes in which the service must be qualified, all of them. Empty: none.",
        json_schema_extra=list_map("scheme"),
        max_length=16,
    )
    technology_origins: tuple[TechnologyOrigin, ...] = Field(
        default=(),
        description="Accepted origins of technology: EU, LicensedNonEU, NonEU. Example: [EU]. Empty: any.",
        json_schema_extra=LIST_SET,
        max_length=3,
    )
    accepted_foreign_laws: tuple[CountryCode, ...] = Field(
        default=(),
        description="Countries outside the EU whose law may reach the service, as ISO 3166-1 alpha-2 codes. "
        "Example: [US]. Empty, the default: none. A service whose exposure is not known is always refused.",
        json_schema_extra=LIST_SET,
        max_length=64,
    )
    node_evidence: NodeEvidence = Field(
        default=NodeEvidence.DECLARED,
        description="How strongly it must be known that a node stands in its datacentre, at least: Declared (nodes "
        "named with their uid, or selected by labels that a kubelet cannot write), PoolDeclared (also nodes of a pool, "
        "for which its owner vouches) or SelfAsserted (any label).",
    )
    grace_period_seconds: int = Field(
        default=86400,
        description="How long, in seconds, certificates of a datacentre stay valid after the qualification or "
        "derogation behind its acceptance ends by its date. None is renewed then, each lasts at most a day, so that "
        "more than a day changes nothing. Default: 86400, a day, to record a late renewal. 0: not at all. What is "
        "suspended, withdrawn or deleted ends at once.",
        ge=0,
        le=31536000,
    )
    certificate_namespaces: CertificateNamespaces | None = Field(
        default=None,
        description="The namespaces whose pods get certificates of this policy, and so are trusted by its pods. "
        "Absent: those that carry the label sovereignty.dev/enforce with this policy. No names and no selector: none.",
    )
    trusted_policies: tuple[ObjectName, ...] = Field(
        default=(),
        description="Other SovereigntyPolicies whose pods the pods of this policy also trust, by name. Trust is "
        "neither mutual nor transitive. Example: [hds]. Empty, the default: none.",
        json_schema_extra=LIST_SET,
        max_length=64,
    )
    encryption_in_transit: EncryptionInTransit | None = Field(
        default=None,
        description="How sidecars encrypt the traffic of its pods, if the chart installs encryption. Absent: no.",
    )


SOVEREIGNTY_POLICY = Kind(
    name="SovereigntyPolicy",
    plural="sovereigntypolicies",
    short_names=("spol",),
    scope=Scope.CLUSTER,
    description="What is demanded of a place before a pod in scope may start there.",
    spec=SovereigntyPolicySpec,
    status=SovereigntyPolicyStatus,
    columns=(
        Column("Datacentres", ".status.datacentres", "Accepted with a node, out of all."),
        Column("Derogated", ".status.derogated", "Accepted only because of a Derogation.", type="integer"),
        Column("Nodes", ".status.nodes", "How many nodes may host its pods.", type="integer"),
        Column("Pods", ".status.pods.held", "How many pods are held to it.", type="integer"),
        Column("Outside", ".status.pods.outside", "How many of these run where it accepts no pod.", type="integer"),
        Column("Next end", ".status.nextEnd", "Last day of the first qualification or derogation in use to end."),
        Column("Pending", ".status.pods.pending", "How many pods wait for a node.", type="integer", priority=1),
        Column("Older", ".status.pods.older", "How many are older than the label.", type="integer", priority=1),
        Column("Tried", ".status.pods.tried", "On how many pods it is only tried.", type="integer", priority=1),
        Column("CA end", ".status.authorityEnd", "When the first certificate authority ends.", priority=1),
        Column("Encryption", ".status.encryption.mode", "How far encryption in transit has come.", priority=1),
        condition_column("Ready", "Ready", "Whether any node may host its pods."),
        condition_column("Reason", "Ready", "Why, in a word.", field="reason"),
        condition_column("Message", "Ready", "Why, in a sentence.", field="message", priority=1),
        AGE,
    ),
    rules=(NAME_FITS_A_LABEL,),
)
