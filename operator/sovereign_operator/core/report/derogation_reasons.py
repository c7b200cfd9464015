"""Why a Derogation is in force or not."""

from sovereign_operator.core.report.reason import DEROGATION, Reason


class DerogationReason(Reason):
    """Why a Derogation is in force or not."""

    APPROVED = (
        "Approved",
        DEROGATION(
            "InForce True",
            "somebody who did not write its spec approved the spec as it is, and its last day has not passed",
        ),
    )
    AWAITING_APPROVAL = (
        "AwaitingApproval",
        DEROGATION(
            "InForce False",
            "nobody has approved it yet, or the approval was taken back",
            "have somebody with the verb `approve` [approve it](#approve)",
        ),
    )
    CHANGED_SINCE_APPROVAL = (
        "ChangedSinceApproval",
        DEROGATION(
            "InForce False",
            "its spec was changed after the approval, which counts for the former spec only, or it was created again",
            "have it approved again; to change one that is in force, [write another one](#change-or-extend)",
        ),
    )
    SELF_APPROVED = (
        "SelfApproved",
        DEROGATION(
            "InForce False",
            "the user who last wrote the spec approved it; the API server refuses this while its guard is installed",
            "have somebody else approve it; find out why the guard `sovereignty-guard-derogations` was missing",
        ),
    )
    NOT_STAMPED = (
        "NotStamped",
        DEROGATION(
            "InForce False",
            "it was written while nothing recorded who asks, so that nobody can know that two persons were involved",
            "check the chart's guards, delete it, and create it again",
        ),
    )
    ENDED = (
        "Ended",
        DEROGATION("InForce False", "its last day has passed", "delete it; if it is still needed, ask for another one"),
    )
    NOT_DEMANDED = (
        "NotDemanded",
        DEROGATION(
            "InForce False",
            "the policy does not demand the scheme, so that there is nothing to waive",
            "correct `spec.scheme`, or delete the Derogation",
        ),
    )
