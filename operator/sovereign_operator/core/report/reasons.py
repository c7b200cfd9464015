"""Why: the words that users match on. They are API; each is described on a page in crds/."""

from dataclasses import dataclass
from enum import StrEnum


class NodeReason(StrEnum):
    """Why a place is refused."""

    # About the datacentre's claim
    SERVICE_NOT_FOUND = "ServiceNotFound"
    COUNTRY_CONTRADICTED = "CountryContradicted"
    # About the policy's demands on the service and the site
    COUNTRY_NOT_ACCEPTED = "CountryNotAccepted"
    QUALIFICATION_MISSING = "QualificationMissing"
    QUALIFICATION_IN_PROCESS = "QualificationInProcess"
    QUALIFICATION_NOT_YET_VALID = "QualificationNotYetValid"
    QUALIFICATION_EXPIRED = "QualificationExpired"
    QUALIFICATION_SUSPENDED = "QualificationSuspended"
    QUALIFICATION_WITHDRAWN = "QualificationWithdrawn"
    VERSION_TOO_LOW = "VersionTooLow"
    VERSION_UNKNOWN = "VersionUnknown"
    ACTIVITY_NOT_COVERED = "ActivityNotCovered"
    TECHNOLOGY_NOT_ACCEPTED = "TechnologyNotAccepted"
    TECHNOLOGY_UNKNOWN = "TechnologyUnknown"
    FOREIGN_LAW = "ForeignLaw"
    FOREIGN_LAW_UNKNOWN = "ForeignLawUnknown"
    # About any object that a place rests on, and of any object about itself
    UNREADABLE = "Unreadable"
    # About the node
    NOT_IN_DATACENTRE = "NotInDatacentre"
    NODE_REPLACED = "NodeReplaced"
    CLAIMED_TWICE = "ClaimedTwice"
    NODE_CONTRADICTED = "NodeContradicted"
    WEAK_EVIDENCE = "WeakEvidence"


class ConditionReason(StrEnum):
    """Why a condition of one of our objects has its status."""

    # CloudService, condition Qualified
    IN_FORCE = "InForce"
    NONE_IN_FORCE = "NoneInForce"
    # Datacentre, condition Ready
    NODES_PRESENT = "NodesPresent"
    NO_NODES = "NoNodes"
    # SovereigntyPolicy, condition Ready
    NODES_ACCEPTED = "NodesAccepted"
    NO_NODE_ACCEPTED = "NoNodeAccepted"
    # SovereigntyPolicy, condition CertificatesGranted
    ALL_GRANTED = "AllGranted"
    NAMESPACE_NOT_TRUSTED = "NamespaceNotTrusted"
    # SovereigntyPolicy and SovereignWorkload, condition Encrypted
    ALL_ENCRYPTED = "AllEncrypted"
    PLAINTEXT_ACCEPTED = "PlaintextAccepted"
    STEP_PENDING = "StepPending"
    NOT_ENCRYPTED = "NotEncrypted"
    PODS_WITHOUT_SIDECAR = "PodsWithoutSidecar"
    STATIC_PODS = "StaticPods"
    ADDRESS_CLAIMED = "AddressClaimed"
    SIDECAR_BYPASSED = "SidecarBypassed"
    NETWORKS_MISSING = "NetworksMissing"
    PLAINTEXT_OPEN = "PlaintextOpen"
    AGENTS_SILENT = "AgentsSilent"
    CERTIFICATES_NOT_TRUSTED = "CertificatesNotTrusted"
    ENCRYPTION_NOT_INSTALLED = "EncryptionNotInstalled"
    # SovereignWorkload, condition Accepted
    ACCEPTED = "Accepted"
    NO_POLICY = "NoPolicy"
    POLICY_CONFLICT = "PolicyConflict"
    UNKNOWN_POLICY = "UnknownPolicy"
    SYSTEM_NAMESPACE = "SystemNamespace"
    WORKLOAD_NOT_FOUND = "WorkloadNotFound"
    ALREADY_TAKEN = "AlreadyTaken"
    NAME_TAKEN = "NameTaken"
    TEMPLATE_TOO_LARGE = "TemplateTooLarge"
    WORKLOAD_TOO_LARGE = "WorkloadTooLarge"
    JOB_IMMUTABLE = "JobImmutable"
    WOULD_STOP = "WouldStop"
    CONTESTED = "Contested"
    REFUSED_BY_SERVER = "RefusedByServer"
    # SovereignWorkload, condition Placed
    ALL_INSIDE = "AllInside"
    PODS_OUTSIDE = "PodsOutside"
    PODS_PENDING = "PodsPending"
    NO_PODS = "NoPods"
    NOT_IN_SCOPE = "NotInScope"
    # SovereignWorkload, condition Ready
    WORKLOAD_IN_PROGRESS = "WorkloadInProgress"
    WORKLOAD_FAILED = "WorkloadFailed"
    WORKLOAD_CURRENT = "WorkloadCurrent"
    JOB_COMPLETE = "JobComplete"
    JOB_FAILED = "JobFailed"
    JOB_GONE = "JobGone"
    # SovereignWorkload, condition Enforced
    NAMESPACE_ENFORCES = "NamespaceEnforces"
    NAMESPACE_NOT_LABELLED = "NamespaceNotLabelled"
    GUARDS_BROKEN = "GuardsBroken"
    # An Event beside that, about the controller's Deployment
    GUARDS_DRIFTED = "GuardsDrifted"
    # SovereignWorkload, condition Identity
    CERTIFICATES_IN_FORCE = "CertificatesInForce"
    CERTIFICATES_PENDING = "CertificatesPending"
    NO_CERTIFICATES = "NoCertificates"
    SIGNER_NOT_INSTALLED = "SignerNotInstalled"


MAX_LINE = 1024
"""Characters of one sentence."""


def line(text: str, longest: int = MAX_LINE) -> str:
    """Return text as one line that a terminal shows as it is.

    Messages quote what others wrote, a kubelet its node's providerID among them: line breaks and control
    characters become spaces, and what is too long for a status or an annotation is cut.
    """
    if not text.isprintable() or text != text.strip():
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


@dataclass(frozen=True, order=True)
class NodeFinding:
    """One failed check: the word to match on and the sentence that a person reads."""

    reason: NodeReason
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", line(self.message))


MAX_SENTENCES = 10
"""A line is for a person to read. All reasons are in the list of words beside it."""


def sentences(findings: tuple[NodeFinding, ...]) -> str:
    """Return findings as one line: the first ten, and how many more there are."""
    left = len(findings) - MAX_SENTENCES
    shown = "; ".join(finding.message for finding in findings[:MAX_SENTENCES])
    return f"{shown}; and {left} more" if left > 0 else shown


def words(findings: tuple[NodeFinding, ...]) -> tuple[str, ...]:
    """Return the reasons, each once, in order."""
    return tuple(dict.fromkeys(finding.reason.value for finding in findings))
