"""Selectors of labels, as Kubernetes defines them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sovereign_operator.api.v1alpha1.pod_selector import PodSelector
from sovereign_operator.api.v1alpha1.sovereignty_policy import NamespaceSelector


@dataclass(frozen=True)
class Selector:
    """A label selector. One that says nothing selects nothing here, as for a workload without one."""

    labels: Mapping[str, str]
    expressions: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, spec: NamespaceSelector | PodSelector) -> Self:
        """Return the selector that one of our objects holds."""
        return cls(spec.match_labels, tuple(term.model_dump() for term in spec.match_expressions))

    def __str__(self) -> str:
        """Return it as kubectl takes it with -l."""
        terms = [f"{key}={value}" for key, value in sorted(self.labels.items())]
        return ",".join([*terms, *map(_term, self.expressions)])

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether all of its terms hold."""
        if not self.labels and not self.expressions:
            return False
        return all(labels.get(key) == value for key, value in self.labels.items()) and all(
            holds(expression, labels) for expression in self.expressions
        )


def _term(expression: Mapping[str, Any]) -> str:
    key, values = expression["key"], ",".join(expression.get("values") or ())
    match expression["operator"]:
        case "In" | "NotIn" as operator:
            return f"{key} {operator.lower()} ({values})"
        case "Exists":
            return str(key)
        case "DoesNotExist":
            return f"!{key}"
        case other:
            return f"{key} {other} {values}"


def holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether labels meet one expression. Gt and Lt are for node selectors, and compare whole numbers."""
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
        case "Gt" | "Lt" as operator:
            return _compares(labels.get(key), operator, values)
        case other:
            raise ValueError(f"unknown selector operator {other}")


def _compares(found: str | None, operator: str, values: Sequence[str]) -> bool:
    try:
        label, (bound,) = int(found or ""), map(int, values)
    except ValueError:
        # What is no number is neither greater nor less.
        return False
    return label > bound if operator == "Gt" else label < bound
