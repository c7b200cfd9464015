"""Why a node or a datacentre is refused."""

from dataclasses import dataclass
from typing import Final

from sovereign_operator.core.report.reason import (
    CLOUD_SERVICE,
    DATACENTRE,
    DEROGATION,
    NODE,
    POLICY,
    WORKLOAD,
    Reason,
)

CORRECT_IT: Final = "[correct it](operations.md#objects-that-cannot-be-read); the message names the field"


class NodeReason(Reason):
    """Why a node or a datacentre is refused."""

    # About the datacentre's claim
    SERVICE_NOT_FOUND = (
        "ServiceNotFound",
        DATACENTRE(
            "Ready False", "the CloudService of the Datacentre does not exist", "create it or correct `spec.serviceRef`"
        ),
        DEROGATION("InForce False", "the CloudService does not exist", "create it or correct `spec.serviceRef`"),
        NODE("the CloudService of the Datacentre does not exist", "create it or correct `spec.serviceRef`"),
    )
    COUNTRY_CONTRADICTED = (
        "CountryContradicted",
        NODE(
            "the Datacentre is in a country in which its service has no site",
            "correct the Datacentre or the CloudService",
        ),
    )
    # About the policy's demands on the service and the site
    COUNTRY_NOT_ACCEPTED = (
        "CountryNotAccepted",
        NODE("the policy does not accept the site's country", "use another site"),
    )
    QUALIFICATION_MISSING = (
        "QualificationMissing",
        NODE(
            "the service has no qualification of a demanded scheme",
            "use another service, or ask for a Derogation",
        ),
    )
    QUALIFICATION_IN_PROCESS = (
        "QualificationInProcess",
        NODE(
            "the provider applied for the qualification, which is not granted yet",
            "wait for the decision, or ask for a Derogation",
        ),
    )
    QUALIFICATION_NOT_YET_VALID = (
        "QualificationNotYetValid",
        NODE("the first day of the qualification is in the future", "wait"),
    )
    QUALIFICATION_EXPIRED = (
        "QualificationExpired",
        NODE("the last day of the qualification has passed", "record the renewal if it is published"),
    )
    QUALIFICATION_SUSPENDED = (
        "QualificationSuspended",
        NODE(
            "ANSSI, or the certification body, suspended it",
            "move the workloads, or follow the decision that suspended it",
        ),
    )
    QUALIFICATION_WITHDRAWN = (
        "QualificationWithdrawn",
        NODE("ANSSI, or the certification body, withdrew it", "move the workloads"),
    )
    VERSION_TOO_LOW = (
        "VersionTooLow",
        NODE(
            "the qualification is to a lower version of the referential than the policy demands", "use another service"
        ),
    )
    VERSION_UNKNOWN = (
        "VersionUnknown",
        NODE(
            "the policy demands a version of the referential, and the qualification records none",
            "read the decision and record its version",
        ),
    )
    ACTIVITY_NOT_COVERED = (
        "ActivityNotCovered",
        NODE(
            "the policy demands an HDS activity that the recorded certificate does not cover or does not list",
            "read the certificate and record its activities",
        ),
    )
    TECHNOLOGY_NOT_ACCEPTED = (
        "TechnologyNotAccepted",
        NODE("the policy does not accept the origin of the service's technology", "use another service"),
    )
    TECHNOLOGY_UNKNOWN = (
        "TechnologyUnknown",
        NODE(
            "the policy demands an origin of technology, and the service records none",
            "find out the origin and record it",
        ),
    )
    FOREIGN_LAW = (
        "ForeignLaw",
        NODE(
            "the law of a country outside the EU can reach the service",
            "use another service, or accept that law in the policy",
        ),
    )
    FOREIGN_LAW_UNKNOWN = (
        "ForeignLawUnknown",
        NODE(
            "the service does not record which foreign laws can reach it",
            "find out and record them; `foreignLaws: []` means that none is known",
        ),
    )
    # About any object that a place rests on, and of any object about itself
    UNREADABLE = (
        "Unreadable",
        CLOUD_SERVICE("Qualified False", "the operator cannot read the object", CORRECT_IT),
        POLICY("Ready False", "the operator cannot read the object", CORRECT_IT),
        DEROGATION("InForce False", "the operator cannot read the object", CORRECT_IT),
        WORKLOAD("Ready False", "the operator cannot read the object; its workload stays as it is", CORRECT_IT),
        DATACENTRE(
            "Ready False",
            "the operator cannot read the Datacentre or its CloudService",
            CORRECT_IT,
        ),
        NODE(
            "the operator cannot read the CloudService, or a Datacentre that claims the node or may claim it",
            "correct that object: its condition names the field",
        ),
    )
    # About the node
    NOT_IN_DATACENTRE = (
        "NotInDatacentre",
        NODE(
            "no Datacentre claims the node",
            "name it in `spec.nodes` of its Datacentre; if it is of a pool, look for the pool's label",
        ),
    )
    NOT_IN_POOL = (
        "NotInPool",
        NODE(
            "the node has the labels of a Datacentre's pool, and no providerID that the pool's nodes have",
            "find out which machine it is; correct `providerIDs` of the pool if it belongs there",
        ),
    )
    NODE_REPLACED = (
        "NodeReplaced",
        NODE(
            "a Datacentre names the node, but with the uid of an earlier registration",
            "check that it is the same machine, then correct the uid: `kubectl sovereign nodes` prints the command",
        ),
    )
    CLAIMED_TWICE = (
        "ClaimedTwice",
        DATACENTRE(
            "Ready False",
            "no node of this cluster is in the datacentre, and other Datacentres claim nodes that this one claims",
            "have only one of them claim each node; the message names node and Datacentres",
        ),
        NODE(
            "two Datacentres, readable or not, claim the node, so it is in neither",
            "have only one of these Datacentres claim it",
        ),
    )
    NODE_CONTRADICTED = (
        "NodeContradicted",
        DATACENTRE(
            "Ready False",
            "the region, zone or providerID of a node does not match `spec.nodeForm` of the CloudService",
            "find out where the node really is",
        ),
        NODE(
            "the region, zone or providerID of the node does not match `spec.nodeForm` of the CloudService",
            "find out where the node really is",
        ),
    )
    WEAK_EVIDENCE = (
        "WeakEvidence",
        NODE(
            "the node is in its datacentre by weaker evidence than the policy's `nodeEvidence`: by a pool, or by "
            "labels that its kubelet may set",
            "name the node and its uid in `spec.nodes`",
        ),
    )


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
