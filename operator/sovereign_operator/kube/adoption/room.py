"""Is there room for one more pod? An estimate for a warning: the scheduler has the last word."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from sovereign_operator.core.kubernetes.node_fit import NodeTraits
from sovereign_operator.core.kubernetes.quantity import LARGEST, parse
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.resource import NODES, PODS

MOST_NODES: Final = 20
"""So many nodes are looked at: one with room is enough, and each costs two requests."""

Amounts = Mapping[str, Decimal]
"""By resource name: cores of cpu, bytes of memory."""


async def has_room(api: Api, pod_spec: Json, nodes: Sequence[NodeTraits]) -> bool:
    """Whether one of the nodes has room for a pod of this spec. More nodes than are looked at count as room."""
    wanted = requests_of(pod_spec)
    if len(nodes) > MOST_NODES:
        return True
    for node in nodes:
        free = await _free(api, node.name)
        if all(free.get(name, Decimal(0)) >= amount for name, amount in wanted.items()):
            return True
    return False


def requests_of(pod_spec: Json) -> dict[str, Decimal]:
    """Return what a pod requests, as the scheduler counts it.

    The pod's own resources count where it has some; else those of its containers together, or those of one of its init
    containers with the sidecars that run beside it, where these are more.
    """
    running: defaultdict[str, Decimal] = defaultdict(Decimal)
    most: dict[str, Decimal] = {}
    for container in pod_spec.get("initContainers") or ():
        asked = _amounts(container)
        for name, amount in asked.items():
            most[name] = max(most.get(name, Decimal(0)), running[name] + amount)
            if container.get("restartPolicy") == "Always":
                running[name] += amount
    for container in pod_spec.get("containers") or ():
        for name, amount in _amounts(container).items():
            running[name] += amount
    total = {name: max(most.get(name, Decimal(0)), running[name]) for name in most.keys() | running.keys()}
    total |= _amounts(pod_spec)
    for name, quantity in (pod_spec.get("overhead") or {}).items():
        total[name] = total.get(name, Decimal(0)) + _amount(quantity)
    return total


async def _free(api: Api, node: str) -> Amounts:
    free: dict[str, Decimal] = {}
    async for found, _ in api.pages(NODES, field_selector=f"metadata.name={node}"):
        for obj in found:
            free = {name: _amount(amount) for name, amount in obj["status"]["allocatable"].items()}
    async for pods, _ in api.pages(PODS, field_selector=f"spec.nodeName={node}"):
        for pod in _living(pods):
            for name, amount in (requests_of(pod["spec"]) | {"pods": Decimal(1)}).items():
                free[name] = free.get(name, Decimal(0)) - amount
    return free


def _living(pods: Iterable[Json]) -> list[Json]:
    return [pod for pod in pods if pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}]


def _amounts(has_resources: Json) -> dict[str, Decimal]:
    requests: Mapping[str, Any] = (has_resources.get("resources") or {}).get("requests") or {}
    return {name: _amount(amount) for name, amount in requests.items()}


def _amount(text: str | float) -> Decimal:
    """Return a quantity. Anybody may make a pod that asks for more than can be read, which must not hold us up."""
    try:
        return parse(text)
    except ValueError:
        return LARGEST
