"""Resources of a pod as a whole (``spec.resources``), which a sidecar must not take from the user's containers.

The API server refuses a pod whose containers request more in total than the pod does, and the kubelet holds all
containers together to the pod's limits. Elsewhere a sidecar's resources add to those of the pod, so they do here, too:
the pod requests and may use so much more. Were the sidecar to share what there is, an application that needs its
whole limit would be killed for memory once the sidecar runs beside it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sovereign_operator.core.kubernetes.quantity import parse, render
from sovereign_operator.core.sidecar.probes import CannotInjectError

Json = dict[str, Any]


def make_room(spec: Json, sidecar: Mapping[str, Any]) -> None:
    """Add the resources of a sidecar, as a container has them, to those that a pod has as a whole, if it has any.

    ``spec`` is of a pod without the sidecar, and is changed in place. Raises CannotInjectError.
    """
    whole = spec.get("resources") or {}
    requests: Json = dict(whole.get("requests") or {})
    limits: Json = dict(whole.get("limits") or {})
    # The API server fills in a request once all webhooks have answered: what the containers request, or else the limit.
    # Once the sidecar requests something, that would be the whole request.
    requested = _requested(spec)
    requests |= {name: limit for name, limit in limits.items() if name not in requests and name not in requested}
    kinds = {"limits": limits, "requests": requests}
    for name in requests.keys() | limits.keys():
        more = _share(name, sidecar)
        before = {kind: _amount(f"{kind}.{name}", amounts[name]) for kind, amounts in kinds.items() if name in amounts}
        if len(before) == len(kinds) and before["requests"] == before["limits"]:
            # So that a pod of the class Guaranteed stays one.
            more["requests"] = more["limits"]
        for kind, amount in before.items():
            if more[kind]:
                kinds[kind][name] = render(amount + more[kind])
    whole |= {kind: amounts for kind, amounts in kinds.items() if amounts}


def _amount(field: str, text: str | float) -> Decimal:
    try:
        return parse(text)
    except ValueError as error:
        raise CannotInjectError(f"spec.resources.{field} is {error}: write one of 2^63 or less") from error


def _requested(spec: Json) -> set[str]:
    """Return the names of what containers request."""
    containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
    return {name for each in containers for name in (each.get("resources") or {}).get("requests") or ()}


def _share(name: str, sidecar: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return what a sidecar requests of a resource, and its limit: one stands in for the other."""
    requests, limits = sidecar.get("requests") or {}, sidecar.get("limits") or {}
    return {
        "requests": parse(requests.get(name, limits.get(name, 0))),
        "limits": parse(limits.get(name, requests.get(name, 0))),
    }
