"""A report: a status, and the observations that become its conditions."""

from dataclasses import dataclass
from typing import Any

from sovereign_operator.core.report.conditions import Observation


@dataclass(frozen=True)
class Report:
    """A status without its conditions, and the observations that become them."""

    status: dict[str, Any]
    observations: tuple[Observation, ...]

    def __add__(self, other: "Report") -> "Report":
        """Say both."""
        return Report(self.status | other.status, self.observations + other.observations)
