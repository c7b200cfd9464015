"""Whether accepted nodes have room for one more pod: an estimate for a warning. The scheduler decides."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from sovereign_operator.core.kubernetes.node_fit import NodeTraits
from sovereign_operator.core.kubernetes.requests import ONE_POD, Amounts, amount, requests_of
from sovereign_operator.kube.client.api import Api, Json
from sovereign_operator.kube.client.resource import NODES, PODS
from sovereign_operator.kube.objects.pod import ENDED_PHASES

MOST_NODES: Final = 20
"""Beyond this many nodes, room is assumed: a single node with room is enough, and each costs two requests."""


async def has_room(api: Api, pod_spec: Json, nodes: Sequence[NodeTraits]) -> bool:
    """Whether one of the nodes has room for a pod of this spec. True without a check beyond MOST_NODES nodes."""
    wanted = requests_of(pod_spec)
    if len(nodes) > MOST_NODES:
        return True
    for node in nodes:
        free = await _free(api, node.name)
        if all(free.get(name, Decimal(0)) >= least for name, least in wanted.items()):
            return True
    return False


async def _free(api: Api, node: str) -> Amounts:
    free: dict[str, Decimal] = {}
    async for nodes, _ in api.pages(NODES, field_selector=f"metadata.name={node}"):
        for obj in nodes:
            free = {name: amount(text) for name, text in obj["status"]["allocatable"].items()}
    async for pods, _ in api.pages(PODS, field_selector=f"spec.nodeName={node}"):
        for pod in _living(pods):
            for name, taken in (requests_of(pod["spec"]) | ONE_POD).items():
                free[name] = free.get(name, Decimal(0)) - taken
    return free


def _living(pods: Iterable[Json]) -> list[Json]:
    return [pod for pod in pods if pod.get("status", {}).get("phase") not in ENDED_PHASES]
