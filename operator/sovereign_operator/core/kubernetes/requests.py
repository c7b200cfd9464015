"""What a pod requests of its node, as the scheduler counts it."""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from sovereign_operator.core.kubernetes.quantity import LARGEST, parse

Json = Mapping[str, Any]

Amounts = Mapping[str, Decimal]
"""By resource name: cores of cpu, bytes of memory."""

ONE_POD: Final = {"pods": Decimal(1)}
"""What each pod takes of its node besides its requests: nodes hold a limited number."""


def requests_of(pod_spec: Json) -> dict[str, Decimal]:
    """Return what a pod requests, as the scheduler counts it, by resource name.

    The requests of the pod itself take precedence. Otherwise, per resource, the larger of two counts: the sum over all
    containers and sidecars, and the most that an init container needs together with the sidecars before it. Where only
    a limit is set, the API server makes it the request once a pod is created: templates do not show that yet.
    """
    running: defaultdict[str, Decimal] = defaultdict(Decimal)
    most: dict[str, Decimal] = {}
    for container in pod_spec.get("initContainers") or ():
        for name, more in _amounts(container).items():
            most[name] = max(most.get(name, Decimal(0)), running[name] + more)
            if container.get("restartPolicy") == "Always":
                running[name] += more
    for container in pod_spec.get("containers") or ():
        for name, more in _amounts(container).items():
            running[name] += more
    total = {name: max(most.get(name, Decimal(0)), running[name]) for name in most.keys() | running.keys()}
    whole = pod_spec.get("resources") or {}
    total |= {name: amount(text) for name, text in (whole.get("limits") or {}).items() if name not in total}
    total |= {name: amount(text) for name, text in (whole.get("requests") or {}).items()}
    for name, quantity in (pod_spec.get("overhead") or {}).items():
        total[name] = total.get(name, Decimal(0)) + amount(quantity)
    return total


def _amounts(container: Json) -> dict[str, Decimal]:
    resources = container.get("resources") or {}
    requested = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: amount(text) for name, text in requested.items()}


def amount(text: str | float) -> Decimal:
    """Return a quantity. One that cannot be parsed, which anyone may write into a pod, counts as the largest."""
    try:
        return parse(text)
    except ValueError:
        return LARGEST
