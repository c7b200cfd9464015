"""The quality of service of a pod: https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/."""

from collections.abc import Mapping
from typing import Any

from sovereign_operator.core.kubernetes.limit_range import JUDGED
from sovereign_operator.core.kubernetes.quantity import parse

Json = Mapping[str, Any]


def is_guaranteed(spec: Json) -> bool:
    """Whether a pod is of the class Guaranteed by the resources of all its containers.

    Where it has resources of its own, its class depends on those alone, and this is False.
    """
    if spec.get("resources"):
        return False
    containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
    return bool(containers) and all(_is_reserved(each.get("resources") or {}) for each in containers)


def _is_reserved(resources: Mapping[str, Any]) -> bool:
    limits = resources.get("limits") or {}
    requests = {**limits, **(resources.get("requests") or {})}
    try:
        return all(parse(requests[name]) == parse(limits[name]) > 0 for name in JUDGED)
    except (KeyError, ValueError):
        return False
