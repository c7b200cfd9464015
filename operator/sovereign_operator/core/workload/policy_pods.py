"""What the status of a policy says of the pods that it judges, in all namespaces."""

from collections.abc import Iterable, Mapping
from heapq import nsmallest

from sovereign_operator.core.report.conditions import MAX_EXAMPLES
from sovereign_operator.core.report.report import Report
from sovereign_operator.core.workload.judged_owner import JudgedOwner, PolicyAnswers, message_of, needs_action, rank
from sovereign_operator.core.workload.judgement import PLACES, Count


def report_pods(
    held: Mapping[Count, int], tried: Mapping[Count, int], troubled: Iterable[JudgedOwner], answers: PolicyAnswers
) -> Report:
    """Report how many pods a policy judges, and the owners of those about which there is something to do.

    ``held``, ``tried``: how many pods count as what, of those that are held to it, and of those on which it is tried.
    ``troubled``: the owners of all pods of which not all is well.
    """
    # Two owners may have the same kind and name in different API groups: the worse of them is named.
    examples: dict[tuple[str, str, str], dict[str, str]] = {}
    for owned in nsmallest(MAX_EXAMPLES, filter(needs_action, troubled), key=rank):
        key = owned.namespace, str(owned.owner), owned.judge.mode.value
        if key not in examples:
            named = dict(zip(("namespace", "owner", "mode"), key, strict=True))
            examples[key] = named | {"message": message_of(owned, answers)}
    status = {
        "pods": {
            "held": sum(held[place] for place in PLACES),
            "inside": held[Count.INSIDE],
            "outside": held[Count.OUTSIDE],
            "pending": held[Count.PENDING],
            "older": held[Count.OLDER],
            "withoutSidecar": held[Count.BARE],
            "tried": sum(tried[place] for place in PLACES),
            "triedOutside": tried[Count.OUTSIDE],
        },
        "podExamples": [*examples.values()],
    }
    return Report(status, ())
