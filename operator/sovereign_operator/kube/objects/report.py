"""What the controller keeps of the reports that it wrote."""

from dataclasses import dataclass

from sovereign_operator.core import names
from sovereign_operator.core.workload.namespace_report import digest_of
from sovereign_operator.kube.client.api import Json


@dataclass(frozen=True)
class ObservedReport:
    """A Report or PolicyReport of a namespace."""

    uid: str
    digest: str
    """What stands for all that it says."""


def see_report(obj: Json) -> ObservedReport | None:
    """Read one; None if the name differs: before there was a guard, anyone could put the label on a Report."""
    metadata = obj["metadata"]
    return ObservedReport(metadata["uid"], digest_of(obj)) if metadata["name"] == names.REPORT else None
