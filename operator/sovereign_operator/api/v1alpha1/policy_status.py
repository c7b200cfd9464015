"""The status of a SovereigntyPolicy."""

from datetime import datetime

from pydantic import Field

from sovereign_operator.api.v1alpha1.encryption import EncryptionMode
from sovereign_operator.api.v1alpha1.kind import LIST_SET, Model, Status, list_map


class DatacentreVerdict(Model):
    """What this policy says of one datacentre."""

    datacentre: str = Field(description="Name of the Datacentre.")
    reasons: tuple[str, ...] = Field(default=(), description="Why not, as CamelCase words to match on.")
    message: str = Field(description="Why, as sentences.", max_length=32768)


class TrustedAuthority(Model):
    """A certificate authority in the policy's trust bundle."""

    fingerprint: str = Field(description="SHA-256 of its certificate, in hexadecimal.", max_length=64)
    policy: str = Field(description="The policy whose pods it signs for: this one, or one of trustedPolicies.")
    datacentre: str = Field(description="The datacentre in which these pods run.")
    not_after: datetime = Field(description="When it ends, RFC 3339, UTC.")


class EncryptionStatus(Model):
    """How far encryption in transit has come."""

    mode: EncryptionMode = Field(description="What sidecars are told now. It follows spec step by step.")
    pods: int = Field(description="How many pods in scope run.", ge=0)
    sidecars: int = Field(description="How many of these have a sidecar.", ge=0)
    loaded: int = Field(description="How many of these have loaded the mode.", ge=0)


class JudgedPodsStatus(Model):
    """Pods in all namespaces, as a policy judges them."""

    held: int = Field(description="How many are held to it.", ge=0)
    inside: int = Field(description="How many of these run on nodes that it accepts.", ge=0)
    outside: int = Field(description="How many of these run on other nodes.", ge=0)
    pending: int = Field(description="How many of these wait for a node.", ge=0)
    older: int = Field(description="How many of these are older than the label: admission did not place them.", ge=0)
    without_sidecar: int = Field(description="How many of these have no sidecar, if the policy encrypts.", ge=0)
    tried: int = Field(description="How many others are in namespaces that only try it (warn, audit).", ge=0)
    tried_outside: int = Field(description="How many of those run on nodes that it does not accept.", ge=0)


class OwnerExample(Model):
    """Pods of one owner, and what is to be done about them."""

    namespace: str = Field(description="Their namespace.")
    owner: str = Field(
        description="Kind and name of what creates them, or of the pod that nothing creates. Example: Deployment/app."
    )
    mode: str = Field(description="Why the policy judges them: enforce, if they are held to it; warn or audit.")
    message: str = Field(description="What is the case, and what to do about it.", max_length=1024)


class SovereigntyPolicyStatus(Status):
    """What follows from the demands today."""

    datacentres_accepted: int | None = Field(
        default=None, description="How many it accepts that have a node which may host its pods.", ge=0
    )
    datacentres_without_node: int | None = Field(
        default=None, description="How many it would accept, but that have no such node.", ge=0
    )
    datacentres_refused: int | None = Field(default=None, description="How many it refuses.", ge=0)
    datacentres: str | None = Field(
        default=None, description="Accepted datacentres with a node out of all, as text. Example: 2 of 5."
    )
    derogated: int | None = Field(
        default=None, description="How many datacentres it accepts only because of a Derogation in force.", ge=0
    )
    nodes: int | None = Field(default=None, description="How many nodes may host its pods.", ge=0)
    accepted: tuple[str, ...] = Field(default=(), description="Names of at most ten accepted datacentres with a node.")
    refused: tuple[DatacentreVerdict, ...] = Field(
        default=(),
        description="At most ten refused datacentres, and why.",
        json_schema_extra=list_map("datacentre"),
    )
    authorities: tuple[TrustedAuthority, ...] = Field(
        default=(),
        description="At most ten certificate authorities that its pods trust, the first to end first.",
        json_schema_extra=list_map("fingerprint"),
    )
    namespaces_granted: int | None = Field(
        default=None, description="How many namespaces there are whose pods get certificates of it.", ge=0
    )
    granted_namespaces: tuple[str, ...] | None = Field(
        default=None, description="At most fifty of them, by name.", json_schema_extra=LIST_SET
    )
    pods: JudgedPodsStatus | None = Field(
        default=None, description="How many pods it judges in all namespaces, and how. At most half a minute old."
    )
    pod_examples: tuple[OwnerExample, ...] | None = Field(
        default=None,
        description="At most ten owners of pods about which there is something to do, the worst first.",
        json_schema_extra=list_map("namespace", "owner", "mode"),
    )
    encryption: EncryptionStatus | None = Field(
        default=None, description="How far encryption in transit has come, where it is installed and asked for."
    )
    authority_end: str | None = Field(
        default=None, description="Day, YYYY-MM-DD in UTC, when the first of them ends, as text."
    )
    next_end: str | None = Field(
        default=None,
        description="Last day, YYYY-MM-DD, of the first qualification or derogation in use to end, as text.",
    )
