"""How much of a node pods take, and what they leave."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from sovereign_operator.core.kubernetes.requests import ONE_POD, Amounts, amount, requests_of

Json = Mapping[str, Any]

HOST_PORT: Final = "host port "
"""Before the protocol and number of a port of a node, of which there is one."""


def claims_on_node(pod_spec: Json) -> dict[str, Decimal]:
    """Return all that a pod takes of its node, by name: its requests, one pod, and ports of the node."""
    host = bool(pod_spec.get("hostNetwork"))
    numbers = ((port, port.get("hostPort") or (port["containerPort"] if host else 0)) for port in ports_of(pod_spec))
    ports = {f"{HOST_PORT}{port.get('protocol') or 'TCP'}/{number}": Decimal(1) for port, number in numbers if number}
    return requests_of(pod_spec) | ONE_POD | ports


def ports_of(pod_spec: Json) -> Iterator[Json]:
    """Yield the ports that the containers of a pod name."""
    for container in (*(pod_spec.get("initContainers") or ()), *(pod_spec.get("containers") or ())):
        yield from container.get("ports") or ()


def left_on_nodes(
    allocatable: Mapping[str, Mapping[str, str]], taken: Iterable[tuple[str, Amounts]], wanted: Iterable[str]
) -> dict[str, dict[str, Decimal]]:
    """Return what is left on each node.

    ``allocatable``: by node, its quantities. ``taken``: what pods take, each with its node. ``wanted``: the names of
    all that pods look for, among them ports, of which each node has one.
    """
    ports = {name: Decimal(1) for name in wanted if name.startswith(HOST_PORT)}
    left = {
        node: {**ports, **{name: amount(text) for name, text in amounts.items()}}
        for node, amounts in allocatable.items()
    }
    for node, amounts in taken:
        if node in left:
            for name, more in amounts.items():
                left[node][name] = left[node].get(name, Decimal(0)) - more
    return left
