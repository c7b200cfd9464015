"""Whether accepted nodes have room for one more pod: an estimate for a warning. The scheduler decides."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from sovereign_operator.core.kubernetes.node_fit import NodeTraits
from sovereign_operator.core.kubernetes.quantity import LARGEST, parse
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.resource import NODES, PODS

MOST_NODES: Final = 20
"""Beyond this many nodes, room is assumed: a single node with room is enough, and each costs two requests."""

Amounts = Mapping[str, Decimal]
"""By resource name: cores of cpu, bytes of memory."""


async def has_room(api: Api, pod_spec: Json, nodes: Sequence[NodeTraits]) -> bool:
    """Whether one of the nodes has room for a pod of this spec. True without a check beyond MOST_NODES nodes."""
    wanted = requests_of(pod_spec)
    if len(nodes) > MOST_NODES:
        return True
    for node in nodes:
        free = await _free(api, node.name)
        if all(free.get(name, Decimal(0)) >= amount for name, amount in wanted.items()):
            return True
    return False


def requests_of(pod_spec: Json) -> dict[str, Decimal]:
    """Return what a pod requests, as the scheduler counts it, by resource name.

    The requests of the pod itself take precedence. Otherwise, per resource, the larger of two counts: the sum over all
    containers and sidecars, and the most that an init container needs together with the sidecars before it.
    """
    running: defaultdict[str, Decimal] = defaultdict(Decimal)
    most: dict[str, Decimal] = {}
    for container in pod_spec.get("initContainers") or ():
        for name, amount in _amounts(container).items():
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
    async for nodes, _ in api.pages(NODES, field_selector=f"metadata.name={node}"):
        for obj in nodes:
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
    """Return a quantity. One that cannot be parsed, which anyone may write into a pod, counts as the largest."""
    try:
        return parse(text)
    except ValueError:
        return LARGEST
