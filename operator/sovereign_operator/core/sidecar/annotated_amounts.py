"""The annotations by which people set the resources of sidecars, for a pod or for all pods of a namespace."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sovereign_operator.core import names
from sovereign_operator.core.kubernetes.quantity import parse, render
from sovereign_operator.core.sidecar.contract import LEAST_MEMORY
from sovereign_operator.core.sidecar.probes import CannotInjectError

LEAST_LIMIT: Final = {"cpu": Decimal("0.01"), "memory": Decimal(LEAST_MEMORY)}
"""The lowest limits, in cores and bytes. A kubelet gives no container less CPU than this, whatever its limit."""


@dataclass(frozen=True)
class AnnotatedAmount:
    """An amount that an annotation sets."""

    amount: Decimal
    source: str
    """The annotation and where it stands, in words."""


def annotated_amounts(pod: Mapping[str, str], namespace: Mapping[str, str]) -> dict[tuple[str, str], AnnotatedAmount]:
    """Return what the annotations of a pod set, or else those of its namespace, by kind and resource.

    Raises CannotInjectError for a value that no sidecar can have.
    """
    found = {}
    for key, (kind, resource) in names.SIDECAR_ANNOTATIONS.items():
        text = pod.get(key, namespace.get(key))
        if text is None:
            continue
        source = f"annotation {key} of the {'pod' if key in pod else 'namespace'}"
        try:
            amount = parse(text)
        except ValueError as error:
            raise CannotInjectError(f"{source} is {error}: write it as 250m or 512Mi") from error
        least = LEAST_LIMIT[resource] if kind == "limits" else Decimal(0)
        if amount < least:
            raise CannotInjectError(f"{source} is {text}, and a sidecar needs {in_words(least)} or more: raise it")
        found[kind, resource] = AnnotatedAmount(amount, f"{source} is {text}")
    return found


def in_words(amount: Decimal) -> str:
    """Return an amount as people write it."""
    for suffix, size in (("Gi", 1024**3), ("Mi", 1024**2)):
        if amount and amount % size == 0:
            return f"{int(amount / size)}{suffix}"
    return render(amount)
