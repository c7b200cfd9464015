"""Datacentre: one site of one service, and which of my nodes stand there."""

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from sovereign_operator.api.v1alpha1.kind import (
    AGE,
    LIST_SET,
    NAME_FITS_A_LABEL,
    NAME_PATTERN,
    Column,
    CountryCode,
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


class CloudServiceRef(Model):
    """A CloudService by name."""

    name: ObjectName = Field(description="Name of the CloudService. Example: ovhcloud-snc.")


class DeclaredNode(Model):
    """A node that somebody vouches for, pinned to one registration of it."""

    name: str = Field(description="metadata.name of the Node. Example: worker-1.", min_length=1, max_length=253)
    uid: str = Field(
        description="metadata.uid of the Node, which changes when it registers again. Find it with: "
        "kubectl get node worker-1 -o jsonpath={.metadata.uid}",
        min_length=1,
        max_length=63,
    )


PROVIDER_ID_FORM: Final = "^[A-Za-z][A-Za-z0-9+-]*(://([^/ ]*/([^ ]*[^A-Za-z0-9 ])?)?|[.]([^ ]*[.])?)$"
"""A form of a pool's providerIDs: a scheme, whole parts, and a beginning of the last part up to a separator."""


class NodePool(Model):
    """Nodes that an autoscaler or a provider adds and replaces, and that nobody declares one by one."""

    model_config = rules(
        (
            (
                "self.nodeSelector.all(key, key.startsWith('node-restriction.kubernetes.io/') "
                "|| key.contains('.node-restriction.kubernetes.io/'))"
            ),
            (
                "nodeSelector of a pool uses a label that a kubelet may write on its own node, so any node could join "
                "the pool: have its owner set a label whose prefix ends in node-restriction.kubernetes.io, such as "
                "pool.node-restriction.kubernetes.io/name"
            ),
        ),
        (
            "!self.nodeSelector.exists(key, key.contains('sovereignty.node-restriction.kubernetes.io/'))",
            (
                "nodeSelector of a pool uses a label that the operator writes itself, which would prove nothing: "
                "choose a label of your own, such as pool.node-restriction.kubernetes.io/name"
            ),
        ),
        (
            f"self.providerIDs.all(form, form.matches('{PROVIDER_ID_FORM}'))",
            (
                "each of providerIDs must begin with the provider's scheme, and end with a separator, so that it does "
                "not match an account, zone or pool whose name only begins alike: write gce://my-project/ and not "
                "gce://my-project"
            ),
        ),
    )

    name: str = Field(
        description="What to call it in messages. Example: general.", min_length=1, max_length=63, pattern=NAME_PATTERN
    )
    node_selector: LabelMap = Field(
        description="Labels that the nodes of the pool carry, all of them. Each key has a prefix that ends in "
        "node-restriction.kubernetes.io, so that a kubelet cannot write it. "
        "Example: {pool.node-restriction.kubernetes.io/name: general}.",
        min_length=1,
        max_length=8,
    )
    provider_ids: tuple[Annotated[str, Field(min_length=1, max_length=512)], ...] = Field(
        alias="providerIDs",
        description="Beginnings of spec.providerID, one of which each node of the pool has, up to a separator, in "
        'capital or small letters. A node without a providerID is not in the pool. Example: "openstack:///".',
        json_schema_extra=LIST_SET,
        min_length=1,
        max_length=16,
    )


class DatacentreSpec(Model):
    """One site of one service, and which nodes of this cluster stand there."""

    model_config = rules(
        (
            (
                "has(self.nodes) && size(self.nodes) > 0 || has(self.nodeSelector) "
                "|| has(self.nodePools) && size(self.nodePools) > 0"
            ),
            (
                "say which nodes stand here: list them in spec.nodes (name and uid), or give spec.nodePools or "
                "spec.nodeSelector"
            ),
        ),
        (
            (
                "!has(self.nodeSelector) || "
                "!self.nodeSelector.exists(key, key.contains('sovereignty.node-restriction.kubernetes.io/'))"
            ),
            (
                "spec.nodeSelector uses a label that the operator writes itself, which would prove nothing: "
                "choose a label of your own, such as site.node-restriction.kubernetes.io/name"
            ),
        ),
    )

    service_ref: CloudServiceRef = Field(description="The service that this site belongs to.")
    country: CountryCode = Field(
        description="Where the site stands, ISO 3166-1 alpha-2, two capital letters. Example: FR."
    )
    city: str | None = Field(
        default=None, description="The town, for people to read. Example: Roubaix.", max_length=253
    )
    nodes: tuple[DeclaredNode, ...] = Field(
        default=(),
        description="Nodes that stand here, by name and uid: evidence of strength Declared. A node that "
        "registers again gets another uid and no longer counts.",
        json_schema_extra=list_map("name"),
        max_length=5000,
    )
    node_selector: LabelMap | None = Field(
        default=None,
        description="Labels that nodes here carry, all of them. Evidence of strength Declared if each key "
        "has a prefix that ends in node-restriction.kubernetes.io, which a kubelet cannot write; else "
        "SelfAsserted, as a kubelet may set other labels on its own node. "
        "Example: {site.node-restriction.kubernetes.io/name: rbx}.",
        min_length=1,
        max_length=16,
    )
    node_pools: tuple[NodePool, ...] = Field(
        default=(),
        description="Pools whose nodes stand here, whatever their uids: evidence of strength PoolDeclared. A node of "
        "a pool that is replaced counts at once.",
        json_schema_extra=list_map("name"),
        max_length=32,
    )

    @model_validator(mode="after")
    def _names_nodes(self) -> Self:
        if not (self.nodes or self.node_selector or self.node_pools):
            raise ValueError("say which nodes stand here: spec.nodes, spec.nodePools or spec.nodeSelector")
        return self


class PolicyVerdict(Model):
    """What one policy says of this datacentre."""

    policy: str = Field(description="Name of the SovereigntyPolicy.")
    accepted: bool = Field(description="Whether pods in its scope may start on nodes here.")
    reasons: tuple[str, ...] = Field(
        default=(), description="Why not, as CamelCase words to match on. Empty if accepted."
    )
    message: str = Field(description="Why, as sentences.", max_length=32768)


class ReplacedNode(Model):
    """A node that registered again."""

    node: str = Field(description="Its name.")
    uid: str = Field(description="metadata.uid of the Node now.")


class NodeClaimedTwice(Model):
    """A node that other Datacentres claim, too."""

    node: str = Field(description="Its name.")
    message: str = Field(description="Which Datacentres claim it, as a sentence.", max_length=1024)


class DatacentreStatus(Status):
    """What follows from the claim today."""

    nodes: int | None = Field(default=None, description="How many nodes stand here.", ge=0)
    pods: int | None = Field(
        default=None,
        description="How many pods run here that are held to a policy which accepts their node. At most half a minute "
        "old.",
        ge=0,
    )
    nodes_of_pools: int | None = Field(
        default=None,
        description="How many of them stand here only by the evidence PoolDeclared, which not all policies accept.",
        ge=0,
    )
    node_examples: tuple[str, ...] = Field(default=(), description="Names of at most ten of them.")
    nodes_lost: int | None = Field(default=None, description="How many of spec.nodes are gone.", ge=0)
    lost: tuple[str, ...] = Field(default=(), description="Names of at most ten of these.")
    nodes_replaced: int | None = Field(
        default=None, description="How many of spec.nodes registered again, with another uid, and do not count.", ge=0
    )
    replaced: tuple[ReplacedNode, ...] = Field(
        default=(),
        description="At most ten of these.",
        json_schema_extra=list_map("node"),
    )
    nodes_claimed_twice: int | None = Field(
        default=None,
        description="How many nodes other Datacentres claim, too, so that they stand in none of them.",
        ge=0,
    )
    claimed_twice: tuple[NodeClaimedTwice, ...] = Field(
        default=(),
        description="At most ten of these.",
        json_schema_extra=list_map("node"),
    )
    accepted_by: str | None = Field(
        default=None, description="Policies that accept it, at most ten names, as text. none: no policy does."
    )
    derogated: str | None = Field(
        default=None,
        description="Policies that accept it only because of a Derogation in force, at most ten names, as text. none: "
        "no policy does.",
    )
    policies: tuple[PolicyVerdict, ...] = Field(
        default=(),
        description="What policies say of it, refusals first, at most ten.",
        json_schema_extra=list_map("policy"),
    )


DATACENTRE = Kind(
    name="Datacentre",
    plural="datacentres",
    short_names=("dctr", "datacenter"),
    scope=Scope.CLUSTER,
    description="One site of one cloud service, and which nodes of this cluster stand there.",
    spec=DatacentreSpec,
    status=DatacentreStatus,
    columns=(
        Column("Service", ".spec.serviceRef.name", "The service that it belongs to."),
        Column("Country", ".spec.country", "Where it stands."),
        Column("City", ".spec.city", "The town.", priority=1),
        Column("Nodes", ".status.nodes", "How many nodes stand here.", type="integer"),
        Column("Pods", ".status.pods", "How many pods run here that a policy holds here.", type="integer"),
        Column("Lost", ".status.nodesLost", "How many of spec.nodes are gone.", type="integer", priority=1),
        Column("Replaced", ".status.nodesReplaced", "How many registered again.", type="integer", priority=1),
        Column(
            *("Claimed twice", ".status.nodesClaimedTwice", "How many nodes others claim, too."),
            type="integer",
            priority=1,
        ),
        Column("Accepted by", ".status.acceptedBy", "Policies that accept it."),
        Column("Derogated", ".status.derogated", "Policies that accept it only because of a Derogation."),
        condition_column("Ready", "Ready", "Whether its claim is complete and has nodes."),
        condition_column("Reason", "Ready", "Why, in a word.", field="reason"),
        condition_column("Message", "Ready", "Why, in a sentence.", field="message", priority=1),
        AGE,
    ),
    rules=(NAME_FITS_A_LABEL,),
)
