"""Label selectors, as Kubernetes defines them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Selector:
    """A label selector. One that says nothing selects nothing here, as for a workload without one."""

    labels: Mapping[str, str]
    expressions: tuple[Mapping[str, Any], ...] = ()

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether all of its terms hold."""
        if not self.labels and not self.expressions:
            return False
        return all(labels.get(key) == value for key, value in self.labels.items()) and all(
            _holds(expression, labels) for expression in self.expressions
        )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise ValueError(f"unknown selector operator {other}")
