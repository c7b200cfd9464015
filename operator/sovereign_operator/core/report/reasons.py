"""Why a node or a datacentre is refused."""

from dataclasses import dataclass
from typing import Final

from sovereign_operator.core.report.reason import CLOUD_SERVICE, DATACENTRE, NODE, POLICY, WORKLOAD, Reason

CORRECT_IT: Final = "[correct it](operations.md#objects-that-cannot-be-read); the message names the field"


class NodeReason(Reason):
    """Why a node or a datacentre is refused."""

    # About the datacentre's claim
    SERVICE_NOT_FOUND = (
        "ServiceNotFound",
        DATACENTRE(
            "Ready False", "the CloudService that it refers to does not exist", "create it or correct `spec.serviceRef`"
        ),
        NODE("the Datacentre refers to a CloudService that does not exist", "create it or correct `spec.serviceRef`"),
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
        NODE("the service has no qualification of a demanded scheme", "use another service, or grant a derogation"),
    )
    QUALIFICATION_IN_PROCESS = (
        "QualificationInProcess",
        NODE("the qualification is applied for, not granted", "wait for the decision, or grant a derogation"),
    )
    QUALIFICATION_NOT_YET_VALID = (
        "QualificationNotYetValid",
        NODE("the first day of the qualification has not come", "wait"),
    )
    QUALIFICATION_EXPIRED = (
        "QualificationExpired",
        NODE("the last day of the qualification has passed", "record the renewal, if there is one"),
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
        NODE("the version of the referential is lower than demanded", "use another service"),
    )
    VERSION_UNKNOWN = (
        "VersionUnknown",
        NODE("the policy demands a version, and none is recorded", "read the decision and record it"),
    )
    ACTIVITY_NOT_COVERED = (
        "ActivityNotCovered",
        NODE(
            "an HDS activity is demanded that the certificate does not cover, or is not known to",
            "read the certificate and record its activities",
        ),
    )
    TECHNOLOGY_NOT_ACCEPTED = (
        "TechnologyNotAccepted",
        NODE("the service's technology comes from where the policy does not accept it", "use another service"),
    )
    TECHNOLOGY_UNKNOWN = (
        "TechnologyUnknown",
        NODE("the policy demands an origin of technology, and none is recorded", "find out and record it"),
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
            "it is not recorded which foreign laws can reach the service", "find out; `foreignLaws: []` says none known"
        ),
    )
    # About any object that a place rests on, and of any object about itself
    UNREADABLE = (
        "Unreadable",
        CLOUD_SERVICE("Qualified False", "the operator cannot read the object", CORRECT_IT),
        POLICY("Ready False", "the operator cannot read the object", CORRECT_IT),
        WORKLOAD("Ready False", "the operator cannot read the object; its workload stays as it is", CORRECT_IT),
        DATACENTRE(
            "Ready False",
            "the operator cannot read the object, or its CloudService",
            CORRECT_IT,
        ),
        NODE(
            "the CloudService, or a Datacentre that claims the node or may claim it, cannot be read",
            "correct the object: its own condition names the field",
        ),
    )
    # About the node
    NOT_IN_DATACENTRE = (
        "NotInDatacentre",
        NODE("no Datacentre claims the node", "name it in `spec.nodes` of the one where it stands"),
    )
    NODE_REPLACED = (
        "NodeReplaced",
        NODE(
            "a Datacentre names the node, but with the uid of an earlier registration",
            "look at the machine, then correct the uid",
        ),
    )
    CLAIMED_TWICE = (
        "ClaimedTwice",
        NODE("two Datacentres claim the node, readable or not, so it is in neither", "correct one of them"),
    )
    NODE_CONTRADICTED = (
        "NodeContradicted",
        DATACENTRE(
            "Ready False",
            "a node's region, zone or providerID is not one that the service's nodes have",
            "find out where the node really is",
        ),
        NODE(
            "the node's region, zone or providerID is not one that the service's nodes have",
            "find out where the node really is",
        ),
    )
    WEAK_EVIDENCE = (
        "WeakEvidence",
        NODE("the node is in its datacentre only by labels that its kubelet may set", "name it with its uid"),
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
